//! Calls that block, on threads of their own.

use crate::support::{
    Drops, Flag, PATIENCE, block_on, config, named, pool, pool_with, signal, spawn, wait_until,
};
use corrente_scheduler::{Config, Handle, Hooks, NoDriver, Pool, current_worker};
use corrente_task::{Context, ContextVar, Options, Task, TaskError, current};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

fn job<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    Handle::current().expect("in a pool").spawn_blocking(f, Options::default())
}

#[test]
fn a_job_gives_its_value_and_knows_where_it_is() {
    let pool = pool(2);
    block_on(&pool, async {
        let (name, worker, task, handle) = job(|| {
            let name = std::thread::current().name().map(str::to_owned);
            (name, current_worker(), current(), Handle::current())
        })
        .await;
        assert!(name.is_some_and(|name| name.starts_with("test-blocking-")));
        assert_eq!((worker, task), (None, None));
        assert!(handle.is_some_and(|handle| handle.is_same(pool.handle())));
    });
}

static NUMBER: ContextVar<u32> = ContextVar::new(|| 0);

#[test]
fn a_job_has_its_spawner_s_context() {
    let pool = pool(1);
    let (seen, _) = Context::new().run(|| {
        let _ = NUMBER.set(7);
        pool.handle().spawn_blocking(|| NUMBER.get(), Options::default())
    });
    assert_eq!(block_on(&pool, seen), 7);
}

#[test]
fn a_panic_is_the_handle_s() {
    let pool = pool(1);
    block_on(&pool, async {
        match job(|| -> u32 { panic!("in a job") }).outcome().await {
            Err(TaskError::Panicked(panic)) => assert_eq!(panic.message(), "in a job"),
            other => panic!("{other:?}"),
        }
        assert_eq!(job(|| 1).await, 1);
    });
}

#[test]
fn as_many_jobs_at_once_as_there_may_be_threads() {
    for (limit, watchdog) in [(1, true), (7, true), (100, true), (100, false)] {
        let pool = pool_with(Config { blocking_max: limit, watchdog, ..config(1) });
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // As many as may be must run at once for any of them to end.
        let together = Arc::new(Barrier::new(limit));
        block_on(&pool, async {
            let jobs: Vec<_> = (0..2 * limit)
                .map(|_| {
                    let (now, most, together) = (now.clone(), most.clone(), together.clone());
                    job(move || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        together.wait();
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                })
                .collect();
            for job in jobs {
                job.await;
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), limit);
        assert_eq!(pool.handle().metrics().blocking.queued, 0);
    }
}

#[test]
fn ten_thousand_short_jobs() {
    let pool = pool(2);
    block_on(&pool, async {
        let jobs: Vec<_> = (0..10_000).map(|n| job(move || n)).collect();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await, n);
        }
    });
    // The handle resolves a moment before the thread counts the job as over.
    wait_until("all are counted", || pool.handle().metrics().blocking.finished == 10_000);
}

#[test]
fn threads_end_when_nobody_needs_them() {
    let pool = pool_with(Config { blocking_keep_alive: Duration::from_millis(20), ..config(1) });
    block_on(&pool, async {
        let together = Arc::new(Barrier::new(5));
        let jobs: Vec<_> = (0..5)
            .map(|_| {
                let together = together.clone();
                job(move || together.wait().is_leader())
            })
            .collect();
        for job in jobs {
            job.await;
        }
    });
    assert!(pool.handle().metrics().blocking.threads > 0);
    wait_until("the threads have retired", || pool.handle().metrics().blocking.threads == 0);
    // And come again.
    assert_eq!(block_on(&pool, async { job(|| 9).await }), 9);
}

#[test]
fn a_job_that_has_not_begun_can_be_cancelled() {
    let pool = pool_with(Config { blocking_max: 1, ..config(1) });
    block_on(&pool, async {
        let (release, released) = signal::<()>();
        let (begun, has_begun) = signal();
        let first = job(move || {
            let _ = begun.send(());
            released.wait("the release");
        });
        has_begun.wait("the first job runs");
        let (ran, has_run) = signal();
        let second = job(move || ran.send(()).is_ok());
        assert!(second.cancel());
        let third = job(|| 3);
        release.send(()).expect("the first job waits");
        first.await;
        assert!(matches!(second.outcome().await, Err(TaskError::Cancelled(_))));
        assert_eq!(third.await, 3);
        assert!(!has_run.has_come());
    });
}

#[test]
fn a_job_that_has_not_begun_ends_as_soon_as_it_is_cancelled() {
    let pool = pool_with(Config { blocking_max: 1, ..config(2) });
    block_on(&pool, async {
        let (release, released) = signal::<()>();
        let (begun, has_begun) = signal();
        let first = job(move || {
            let _ = begun.send(());
            released.wait("the release");
            1
        });
        has_begun.wait("the first job runs");
        let drops = Drops::default();
        let owning = || {
            let one = drops.one();
            job(move || drop(one))
        };
        let cancelled = owning();
        assert!(cancelled.cancel_with("not needed"));
        assert!(cancelled.done() && cancelled.cancelled());
        assert_eq!(drops.count(), 1, "what it owned went with it");
        assert!(!cancelled.cancel(), "it is over");
        match cancelled.outcome().await {
            Err(TaskError::Cancelled(why)) => assert_eq!(why.reason(), Some("not needed")),
            other => panic!("{other:?}"),
        }
        let aborted = owning();
        assert!(aborted.abort());
        assert!(aborted.done());
        // As a cancel of who waits for it.
        let (awaited, polled) = (owning(), Flag::default());
        let set = polled.clone();
        let waiting = spawn(async move {
            set.set();
            awaited.await
        });
        polled.wait().await;
        assert!(waiting.cancel());
        assert!(waiting.outcome().await.is_err());
        assert_eq!(drops.count(), 3);
        // One that runs goes on, and what comes behind those that ended is done.
        assert!(first.cancel());
        assert!(!first.done());
        let last = job(|| 2);
        release.send(()).expect("the first job waits");
        assert!(matches!(first.outcome().await, Ok(1)));
        assert_eq!(last.await, 2);
    });
}

#[test]
fn a_cancel_meets_the_beginning_of_a_job() {
    let pool = pool(2);
    let (ran, cancelled) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((ran, cancelled));
    block_on(&pool, async {
        for round in 0..2000 {
            let count = counts.clone();
            let task = job(move || count.0.fetch_add(1, Ordering::SeqCst));
            (0..round % 97).for_each(|_| std::hint::spin_loop());
            task.cancel();
            let before = counts.0.load(Ordering::SeqCst) + counts.1.load(Ordering::SeqCst);
            assert!(before == round || before == round + 1);
            if task.outcome().await.is_err() {
                counts.1.fetch_add(1, Ordering::SeqCst);
            }
            // It was called, or it was cancelled; never both, and never neither.
            let after = counts.0.load(Ordering::SeqCst) + counts.1.load(Ordering::SeqCst);
            assert_eq!(after, round + 1);
        }
    });
}

#[test]
fn without_any_thread_the_handle_says_why() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let fault = move |name: &str| {
        let refuse = name.contains("blocking") && count.fetch_add(1, Ordering::SeqCst) == 0;
        refuse.then(|| io::Error::other("no more threads"))
    };
    let pool = pool_with(Config { thread_fault: Some(Arc::new(fault)), ..config(2) });
    block_on(&pool, async {
        match job(|| 1).outcome().await {
            Err(TaskError::Cancelled(why)) => {
                let why = why.reason().unwrap_or_default().to_owned();
                assert!(why.contains("no thread could be started"), "{why}");
                assert!(why.contains("no more threads"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        // The system has threads again.
        let mut tries = 0;
        while !matches!(job(|| 2).outcome().await, Ok(2)) {
            tries += 1;
            assert!(tries < 1000);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert_eq!(pool.handle().metrics().blocking.refused, 1);
}

#[test]
fn with_a_thread_left_the_job_waits_for_it() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let fault = move |name: &str| {
        let refuse = name.contains("blocking") && count.fetch_add(1, Ordering::SeqCst) > 0;
        refuse.then(|| io::Error::other("no more threads"))
    };
    let pool = pool_with(Config { thread_fault: Some(Arc::new(fault)), ..config(2) });
    block_on(&pool, async {
        let (release, released) = signal::<()>();
        let first = job(move || released.wait("the release"));
        let others: Vec<_> = (0..10).map(|n| job(move || n)).collect();
        release.send(()).expect("the first job waits");
        first.await;
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await, n);
        }
    });
}

#[test]
fn jobs_that_wait_for_jobs_are_named() {
    let (report, reported) = signal();
    let hooks = Hooks {
        blocking_stall: Some(Arc::new(move |stall| {
            let _ = report.send((stall.queued, stall.running.clone(), stall.to_string()));
        })),
        ..Hooks::default()
    };
    let config = Config { blocking_max: 1, ..config(2) };
    let pool = Pool::start(config, Box::new(NoDriver::new()), hooks).expect("the pool starts");
    let handle = pool.handle().clone();
    let (give_up, gave_up) = signal::<()>();
    let outer = handle.clone().spawn_blocking(
        move || {
            let inner = handle.spawn_blocking(|| (), Options::default());
            gave_up.wait("the test's end");
            inner.done()
        },
        named("outer"),
    );
    let (queued, running, text) = reported.wait("the report");
    assert_eq!((queued, running.len()), (1, 1));
    assert!(running[0].starts_with("outer (") && running[0].contains("blocking.rs"), "{text}");
    assert!(text.contains("do they wait for each other"), "{text}");
    give_up.send(()).expect("the outer job waits");
    assert!(!block_on(&pool, outer), "the inner job could not run");
}

#[test]
fn a_job_may_spawn_tasks_and_jobs_and_block_on() {
    let pool = Arc::new(pool(2));
    let inside = pool.clone();
    let value = block_on(&pool, async {
        job(move || {
            let handle = Handle::current().expect("on a blocking thread");
            let task = handle.spawn(async { job(|| 20).await }, Options::default());
            block_on(&inside, async { task.await + 1 }) * 2
        })
        .await
    });
    assert_eq!(value, 42);
    drop(pool);
}

#[test]
fn main_is_woken_by_a_job_and_a_task_too() {
    let pool = pool(2);
    block_on(&pool, async {
        for _ in 0..300 {
            let flag = Flag::default();
            let set = flag.clone();
            job(move || set.set()).detach();
            flag.wait().await;
            let flag = Flag::default();
            let set = flag.clone();
            let task = spawn(flag.wait());
            job(move || set.set()).detach();
            task.await;
        }
    });
    assert!(pool.shutdown(PATIENCE).is_clean());
}
