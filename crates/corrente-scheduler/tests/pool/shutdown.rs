//! The end: every future is dropped once, every handle resolves, and it does not take longer than allowed.

use crate::support::{
    Drops, Flag, PATIENCE, block_on, config, lock, named, pool, pool_with, signal, spawn,
    wait_until, yield_now,
};
use corrente_scheduler::{BlockOnError, Config, Handle, Order, Pool, spawn_local};
use corrente_task::{Options, Task, TaskError};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

fn is_cancelled<T>(task: &Task<T>) -> bool {
    task.done() && task.cancelled()
}

#[test]
fn pending_tasks_are_dropped_once_and_their_handles_resolve() {
    for (workers, order) in [(1, Order::Fifo), (1, Order::WorkStealing), (4, Order::WorkStealing)] {
        let pool = pool_with(Config { order, ..config(workers) });
        let drops = Drops::default();
        let tasks: Vec<_> = block_on(&pool, async {
            let tasks = (0..10_000)
                .map(|n| {
                    let held = drops.one();
                    spawn(async move {
                        let _held = held;
                        match n % 3 {
                            // Never polled, polled and waiting, ready for ever.
                            0 => pending().await,
                            1 => loop {
                                yield_now().await;
                            },
                            _ => pending().await,
                        }
                    })
                })
                .collect::<Vec<Task<()>>>();
            yield_now().await;
            tasks
        });
        assert_eq!(drops.count(), 0);
        let handle = pool.handle().clone();
        let report = pool.shutdown(PATIENCE);
        assert!(report.is_clean(), "{report}");
        assert_eq!(drops.count(), 10_000);
        assert!(tasks.iter().all(is_cancelled));
        assert_eq!(handle.metrics().living, 0);
        assert!(handle.is_shut_down());
    }
}

#[test]
fn what_is_spawned_later_is_cancelled_and_never_runs() {
    let pool = pool(2);
    let handle = pool.handle().clone();
    assert!(pool.shutdown(PATIENCE).is_clean());
    let (ran, has_run) = signal();
    let other = ran.clone();
    let task = handle.spawn(async move { ran.send(()).is_ok() }, Options::default());
    let eager = handle.spawn_eager(async move { other.send(()).is_ok() }, Options::default());
    let job = handle.spawn_blocking(|| 7, Options::default());
    assert!(is_cancelled(&task) && is_cancelled(&eager) && is_cancelled(&job));
    assert!(!has_run.has_come());
}

#[test]
fn drops_that_spawn_and_wake_meet_no_lock_and_no_end() {
    /// Spawns another of its kind when it is dropped, a few times, and wakes everybody.
    struct Breeds(Handle, Arc<Mutex<Vec<Waker>>>, u32);
    impl Drop for Breeds {
        fn drop(&mut self) {
            let Breeds(handle, wakers, left) = self;
            if *left > 0 {
                let again = Breeds(handle.clone(), wakers.clone(), *left - 1);
                let child = async move {
                    let _again = again;
                    pending::<()>().await;
                };
                let child = handle.spawn(child, Options::default());
                assert!(is_cancelled(&child) || !handle.is_shut_down());
            }
            let all = std::mem::take(&mut *lock(wakers));
            all.into_iter().for_each(Waker::wake);
        }
    }
    let pool = pool(2);
    block_on(&pool, async {
        let handle = Handle::current().expect("in a pool");
        let wakers = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..100 {
            let breeds = Breeds(handle.clone(), wakers.clone(), 10);
            let wakers = wakers.clone();
            spawn(async move {
                let _breeds = breeds;
                poll_fn(|cx| -> Poll<()> {
                    lock(&wakers).push(cx.waker().clone());
                    Poll::Pending
                })
                .await;
            })
            .detach();
        }
        yield_now().await;
    });
    assert!(pool.shutdown(PATIENCE).is_clean());
}

#[test]
fn a_poll_that_does_not_end_is_reported_and_not_waited_for() {
    let pool = pool(2);
    let (begun, has_begun) = signal();
    let (release, released) = signal::<()>();
    let drops = Drops::default();
    let held = drops.one();
    let stuck = async move {
        let _held = held;
        let _ = begun.send(());
        released.wait("the test's end");
    };
    let task = pool.handle().spawn(stuck, named("stuck"));
    has_begun.wait("the task polls");
    let begin = Instant::now();
    let report = pool.shutdown(Duration::from_millis(100));
    assert!(begin.elapsed() < PATIENCE);
    assert_eq!(report.tasks.len(), 1);
    assert_eq!(report.tasks[0].name, "stuck");
    assert!(report.tasks[0].location.file().ends_with("shutdown.rs"));
    assert!(report.to_string().contains("task stuck (spawned at"), "{report}");
    assert_eq!(drops.count(), 0);
    // When the poll ends after all, the future is dropped and the handle resolves.
    release.send(()).unwrap();
    wait_until("the task is over", || task.done());
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_stuck_blocking_job_is_reported_by_name() {
    let pool = pool(2);
    let (begun, has_begun) = signal();
    let (release, released) = signal::<()>();
    let job = pool.handle().spawn_blocking(
        move || {
            let _ = begun.send(());
            released.wait("the test's end");
            7
        },
        named("a slow call"),
    );
    has_begun.wait("the job runs");
    let report = pool.shutdown(Duration::from_millis(50));
    assert_eq!(report.jobs, ["a slow call"]);
    assert!(report.to_string().contains("blocking job a slow call"), "{report}");
    release.send(()).unwrap();
    wait_until("the job is over", || job.done());
}

#[test]
fn a_pool_dropped_in_its_own_task_goes_on_ending_in_the_background() {
    for workers in [1, 2] {
        let drops = Drops::default();
        let pool = Arc::new(pool(workers));
        let handle = pool.handle().clone();
        let waiting = drops.one();
        block_on(&pool, async {
            spawn(async move {
                let _waiting = waiting;
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
        });
        // The last owner goes with a task of the pool; with one worker, with a task of another pool.
        let last = pool.clone();
        let host = if workers == 1 { crate::support::pool(2) } else { crate::support::pool(1) };
        let host_handle = if workers == 1 { host.handle().clone() } else { handle.clone() };
        let (dropped, was_dropped) = signal();
        let only_here = Arc::new(Barrier::new(2));
        let there = only_here.clone();
        host_handle
            .spawn(
                async move {
                    there.wait();
                    drop(last);
                    let _ = dropped.send(());
                },
                Options::default(),
            )
            .detach();
        drop(pool);
        only_here.wait();
        was_dropped.wait("the drop returned");
        wait_until("the pool is over", || drops.count() == 1);
        wait_until("it says so", || handle.is_shut_down());
    }
}

#[test]
fn wakes_from_elsewhere_during_the_end() {
    for round in 0..200 {
        let pool = pool(2);
        let (give, waker) = signal();
        let drops = Drops::default();
        let held = drops.one();
        let task = pool.handle().spawn(
            async move {
                let _held = held;
                let mut give = Some(give);
                poll_fn(move |cx| -> Poll<()> {
                    if let Some(give) = give.take() {
                        let _ = give.send(cx.waker().clone());
                    }
                    Poll::Pending
                })
                .await;
            },
            Options::default(),
        );
        let waker = waker.wait("the first poll");
        let together = Arc::new(Barrier::new(2));
        let there = together.clone();
        let storm = std::thread::spawn(move || {
            there.wait();
            for _ in 0..round {
                waker.wake_by_ref();
            }
            waker.wake();
        });
        together.wait();
        assert!(pool.shutdown(PATIENCE).is_clean());
        storm.join().unwrap();
        assert_eq!(drops.count(), 1);
        assert!(is_cancelled(&task));
    }
}

#[test]
fn local_tasks_end_with_their_block_on_and_on_their_thread() {
    struct Here(std::thread::ThreadId, Drops);
    impl Drop for Here {
        fn drop(&mut self) {
            assert_eq!(self.0, std::thread::current().id());
            drop(self.1.one());
        }
    }
    for order in [Order::Fifo, Order::WorkStealing] {
        let pool = pool_with(Config { order, ..config(1) });
        let drops = Drops::default();
        let tasks = block_on(&pool, async {
            let tasks: Vec<Task<()>> = (0..100)
                .map(|n| {
                    let here = Here(std::thread::current().id(), drops.clone());
                    let local = async move {
                        let _here = here;
                        if n % 2 == 0 {
                            yield_now().await;
                        }
                        pending().await
                    };
                    spawn_local(local, Options::default()).expect("in block_on")
                })
                .collect();
            yield_now().await;
            tasks
        });
        assert_eq!(drops.count(), 100);
        assert!(tasks.iter().all(is_cancelled));
    }
}

#[test]
fn block_on_after_the_end_is_an_error() {
    let pool = Arc::new(pool(1));
    let flag = Flag::default();
    flag.set();
    block_on(&pool, flag.wait());
    // The pool is gone with its last owner, so only a handle is left; it knows.
    let handle = pool.handle().clone();
    drop(pool);
    assert!(handle.is_shut_down());
    assert!(is_cancelled(&handle.spawn(async {}, Options::default())));
    assert!(BlockOnError::ShutDown.to_string().contains("shut down"));
}

#[test]
fn two_pools_in_one_process_do_not_meet() {
    let (one, two) = (pool(2), pool(2));
    let flag = Flag::default();
    let waiting = one.handle().spawn(flag.wait(), Options::default());
    let lost = two.handle().spawn(pending::<()>(), Options::default());
    block_on(&one, async {
        assert!(Handle::current().is_some_and(|handle| handle.is_same(one.handle())));
        // A task of the other pool, awaited here.
        assert_eq!(two.handle().spawn(async { 1 }, Options::default()).await, 1);
    });
    assert!(two.shutdown(PATIENCE).is_clean());
    block_on(&one, async {
        assert!(matches!(lost.outcome().await, Err(TaskError::Cancelled(_))));
        flag.set();
        waiting.await;
    });
}

#[test]
fn a_handle_in_a_thread_local_s_destructor() {
    struct AtTheEnd(Handle, std::sync::mpsc::Sender<bool>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let task = self.0.spawn(async { 3 }, Options::default());
            let job = self.0.spawn_blocking(|| 4, Options::default());
            drop((task, job));
            let _ = Handle::current();
            let _ = self.1.send(true);
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let pool = pool(2);
    let (ended, has_ended) = signal();
    let handle = pool.handle().clone();
    let thread = std::thread::spawn(move || {
        LAST.with(|last| *last.borrow_mut() = Some(AtTheEnd(handle, ended)));
    });
    assert!(thread.join().is_ok());
    assert!(has_ended.wait("the destructor"));
    assert!(pool.shutdown(PATIENCE).is_clean());
}

#[test]
fn fifty_pools_leave_no_thread() {
    let threads = || -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let name = |task: &std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        tasks.filter(|task| name(task).is_ok_and(|name| name.starts_with("fifty"))).count()
    };
    for n in 0..50 {
        let config = Config { name: "fifty".into(), ..config(1 + n % 4) };
        let pool: Pool = pool_with(config);
        block_on(&pool, async {
            let handle = Handle::current().expect("in a pool");
            assert_eq!(handle.spawn_blocking(|| 1, Options::default()).await, 1);
        });
        assert!(pool.shutdown(PATIENCE).is_clean());
        // A thread that was joined may be listed for a moment longer.
        wait_until("its threads are gone", || threads() == 0);
    }
}
