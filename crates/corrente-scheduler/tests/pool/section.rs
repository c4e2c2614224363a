//! A section that blocks: everybody else goes on meanwhile, and afterwards all is as before.
//!
//! No watchdog in most pools here, so that nothing but the section itself can have freed what waits.

use crate::support::{
    Flag, PATIENCE, World, block_on, config, named, pool, pool_in, pool_with, signal, spawn,
    wait_until, yield_now,
};
use corrente_scheduler::{
    Config, Handle, Order, Pool, ThreadFault, blocking, current_worker, spawn_local,
};
use corrente_task::{Options, Task};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

fn unwatched(workers: usize) -> Config {
    Config { watchdog: false, ..config(workers) }
}

/// Blocks this thread until the flag is set, however it is set.
fn block_until(flag: &Flag) {
    wait_until("the flag is set", || flag.is_set());
}

/// Main gets worker 0 back when its stand-in has left.
async fn main_has_worker_zero() {
    let end = Instant::now() + PATIENCE;
    while current_worker() != Some(0) {
        assert!(Instant::now() < end, "the stand-in stays");
        yield_now().await;
    }
}

fn pool_is_back(pool: &Pool, workers: usize) {
    let main = async {
        main_has_worker_zero().await;
        let tasks: Vec<_> = (0..100).map(|n| spawn(async move { n })).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await, n);
        }
    };
    block_on(pool, main);
    assert_eq!(pool.handle().workers(), workers);
}

#[test]
fn what_waits_behind_main_goes_on() {
    for workers in [1, 2] {
        let pool = pool_with(unwatched(workers));
        block_on(&pool, async {
            for _ in 0..20 {
                let (flag, next, local) = (Flag::default(), Flag::default(), Flag::default());
                // One in the queue and one in the next slot; and who spawns and wakes others.
                let (a, b) = (flag.clone(), next.clone());
                spawn(async move { spawn(async move { a.set() }).await }).detach();
                spawn(async move { b.set() }).detach();
                let other = local.clone();
                spawn_local(async move { other.set() }, Options::default()).unwrap().detach();
                blocking(|| {
                    block_until(&flag);
                    block_until(&next);
                    assert!(!local.is_set(), "a local task cannot run elsewhere");
                    assert_eq!(current_worker(), None);
                });
                local.wait().await;
            }
        });
        pool_is_back(&pool, workers);
    }
}

#[test]
fn what_waits_behind_a_task_goes_on_even_if_all_workers_block() {
    for workers in [1, 2, 4] {
        let pool = pool_with(unwatched(workers));
        block_on(&pool, async {
            // As many sections as workers, and half as many again, all at once.
            let many = workers + workers.div_ceil(2);
            let flag = Flag::default();
            let all = Arc::new(Barrier::new(many));
            let tasks: Vec<_> = (0..many)
                .map(|_| {
                    let (flag, all) = (flag.clone(), all.clone());
                    spawn(async move {
                        blocking(|| {
                            all.wait();
                            block_until(&flag);
                        });
                        spawn(async {}).await;
                    })
                })
                .collect();
            let other = flag.clone();
            spawn(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                other.set();
            })
            .detach();
            for task in tasks {
                task.await;
            }
        });
        pool_is_back(&pool, workers);
    }
}

#[test]
fn timers_and_events_go_on() {
    for workers in [1, 2] {
        let world = World::real();
        let pool = pool_in(unwatched(workers), &world);
        block_on(&pool, async {
            for _ in 0..10 {
                let (timer, event) = (Flag::default(), Flag::default());
                let (timed, sleep) = (timer.clone(), world.sleep(Duration::from_millis(1)));
                spawn(async move {
                    sleep.await;
                    timed.set();
                })
                .detach();
                let (evented, outside) = (event.clone(), world.clone());
                spawn(async move {
                    let mut seen = false;
                    std::future::poll_fn(|cx| {
                        if std::mem::replace(&mut seen, true) {
                            return std::task::Poll::Ready(());
                        }
                        outside.event(cx.waker().clone());
                        std::task::Poll::Pending
                    })
                    .await;
                    evented.set();
                })
                .detach();
                blocking(|| {
                    block_until(&timer);
                    block_until(&event);
                });
            }
        });
        pool_is_back(&pool, workers);
    }
}

#[test]
fn a_panic_passes_through_and_leaves_all_in_order() {
    for workers in [1, 2] {
        let pool = pool_with(unwatched(workers));
        block_on(&pool, async {
            for wait in [false, true] {
                let (flag, other) = (Flag::default(), Flag::default());
                let set = flag.clone();
                let task: Task<()> = spawn(async move {
                    spawn(async move { set.set() }).detach();
                    blocking(|| {
                        if wait {
                            block_until(&flag);
                        }
                        panic!("in a section, as the test wants it");
                    });
                });
                let outcome = task.outcome().await;
                assert!(outcome.is_err_and(|error| error.to_string().contains("as the test")));
                let caught = catch_unwind(AssertUnwindSafe(|| blocking(|| panic!("main's own"))));
                assert!(caught.is_err());
                other.set();
            }
        });
        pool_is_back(&pool, workers);
    }
}

#[test]
fn sections_may_be_nested() {
    let pool = pool_with(unwatched(1));
    let value = block_on(&pool, async {
        let task = spawn(async {
            let (first, second) = (Flag::default(), Flag::default());
            blocking(|| {
                let set = first.clone();
                spawn(async move { set.set() }).detach();
                let value = blocking(|| {
                    block_until(&first);
                    blocking(|| 7)
                });
                let set = second.clone();
                spawn(async move { set.set() }).detach();
                block_until(&second);
                value
            })
        });
        task.await
    });
    assert_eq!(value, 7);
    pool_is_back(&pool, 1);
}

#[test]
fn guests_rely_on_nobody_who_is_in_a_section() {
    let pool = Arc::new(pool_with(unwatched(1)));
    for _ in 0..20 {
        // Three callers of `block_on`, and worker 0 for one of them. Whoever has it leaves at some time, while
        // the others still wait for tasks that need a worker.
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                std::thread::spawn(move || {
                    block_on(&pool, async {
                        for _ in 0..20 {
                            let flag = Flag::default();
                            let set = flag.clone();
                            spawn(async move { set.set() }).detach();
                            blocking(|| block_until(&flag));
                            yield_now().await;
                        }
                    });
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    }
    pool_is_back(&pool, 1);
}

#[test]
fn an_eager_task_hands_on_too() {
    let pool = pool_with(unwatched(1));
    block_on(&pool, async {
        let flag = Flag::default();
        let set = flag.clone();
        spawn(async move { set.set() }).detach();
        let eager = async move { blocking(|| block_until(&flag)) };
        Handle::current().unwrap().spawn_eager(eager, Options::default()).await;
    });
}

#[test]
fn elsewhere_it_is_a_plain_call() {
    assert_eq!(blocking(|| 1), 1);
    let fifo = pool_with(Config { order: Order::Fifo, ..config(1) });
    assert_eq!(block_on(&fifo, async { spawn(async { blocking(|| 2) }).await }), 2);
    let pool = pool(2);
    let job = pool.handle().spawn_blocking(|| blocking(|| 3), Options::default());
    assert_eq!(block_on(&pool, job), 3);
    assert_eq!(pool.handle().metrics().stand_ins + fifo.handle().metrics().stand_ins, 0);
}

#[test]
fn a_thousand_sections_have_so_many_threads_and_the_others_wait() {
    const LIMIT: usize = 5;
    for workers in [1, 3] {
        let pool = pool_with(Config { blocking_max: LIMIT, ..unwatched(workers) });
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let counts = Arc::new((inside, most));
        block_on(&pool, async {
            let tasks: Vec<_> = (0..1000)
                .map(|_| {
                    let counts = counts.clone();
                    spawn(async move {
                        blocking(|| {
                            let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
                            counts.1.fetch_max(now, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_micros(300));
                            counts.0.fetch_sub(1, Ordering::SeqCst);
                        });
                        assert!(Handle::current().unwrap().metrics().stand_ins <= LIMIT);
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
        let most = counts.1.load(Ordering::SeqCst);
        assert!(most > workers && most <= workers + LIMIT, "{most} at once");
        pool_is_back(&pool, workers);
    }
}

#[test]
fn afterwards_no_more_tasks_are_polled_at_once_than_there_are_workers() {
    const WORKERS: usize = 2;
    let pool = pool_with(unwatched(WORKERS));
    block_on(&pool, async {
        for _ in 0..20 {
            let all = Arc::new(Barrier::new(6));
            let sections: Vec<_> = (0..6)
                .map(|_| {
                    let all = all.clone();
                    spawn(async move { blocking(|| all.wait()).is_leader() })
                })
                .collect();
            for section in sections {
                section.await;
            }
        }
        main_has_worker_zero().await;
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let counts = counts.clone();
                spawn(async move {
                    let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
                    counts.1.fetch_max(now, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(100));
                    counts.0.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        let most = counts.1.load(Ordering::SeqCst);
        assert!(most <= WORKERS, "{most} tasks at once on {WORKERS} workers");
    });
}

#[test]
fn without_a_thread_to_be_had_it_keeps_the_worker() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let fault: ThreadFault = Arc::new(move |name| {
        name.ends_with("stand-in").then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            io::Error::from(io::ErrorKind::WouldBlock)
        })
    });
    let pool = pool_with(Config { thread_fault: Some(fault), ..unwatched(1) });
    block_on(&pool, async {
        assert_eq!(blocking(current_worker), Some(0));
        spawn(async { assert_eq!(blocking(current_worker), Some(0)) }).await;
    });
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(pool.handle().metrics().stand_ins, 0);
    pool_is_back(&pool, 1);
}

#[test]
fn before_anybody_stands_in_the_others_may_steal() {
    let flag = Flag::default();
    let wait = flag.clone();
    // Starting a thread takes until the other worker has what lay at this one.
    let fault: ThreadFault = Arc::new(move |name| {
        if name.ends_with("stand-in") {
            block_until(&wait);
        }
        None
    });
    let pool = pool_with(Config { thread_fault: Some(fault), ..unwatched(2) });
    block_on(&pool, async {
        spawn(async move { flag.set() }).detach();
        blocking(|| ());
    });
}

#[test]
fn a_spare_thread_ends_when_nobody_needs_it() {
    let keep_alive = Duration::from_millis(5);
    let pool = pool_with(Config { blocking_keep_alive: keep_alive, ..unwatched(1) });
    block_on(&pool, async {
        let flag = Flag::default();
        let set = flag.clone();
        spawn(async move { set.set() }).detach();
        blocking(|| block_until(&flag));
    });
    wait_until("the stand-in has ended", || pool.handle().metrics().stand_ins == 0);
    pool_is_back(&pool, 1);
}

#[test]
fn a_shutdown_waits_for_a_section_and_names_the_one_that_does_not_end() {
    for workers in [1, 2] {
        let pool = pool_with(unwatched(workers));
        let (entered, has_entered) = signal();
        let flag = Flag::default();
        let wait = flag.clone();
        let section = async move {
            blocking(|| {
                entered.send(()).unwrap();
                block_until(&wait);
            });
        };
        pool.handle().spawn(section, named("stuck")).detach();
        if workers == 1 {
            // The one worker's thread belongs to main, and the section to a stand-in.
            block_on(&pool, async {
                let task = Flag::default();
                let set = task.clone();
                spawn(async move { set.set() }).detach();
                blocking(|| {
                    has_entered.wait("the section");
                    block_until(&task);
                });
            });
        } else {
            has_entered.wait("the section");
        }
        let report = pool.shutdown(Duration::from_millis(20));
        let names: Vec<_> = report.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(names, ["stuck"]);
        flag.set();
    }
    let pool = pool_with(unwatched(2));
    let (entered, has_entered) = signal();
    let section = async move {
        blocking(|| {
            entered.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        });
    };
    pool.handle().spawn(section, Options::default()).detach();
    has_entered.wait("the section");
    let report = pool.shutdown(PATIENCE);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_pause_waits_for_the_poll_around_a_section() {
    for workers in [1, 2] {
        let pool = pool_with(unwatched(workers));
        let (entered, has_entered) = channel();
        let over = Arc::new(Mutex::new(0));
        let count = over.clone();
        let section = async move {
            for n in 1..=2 {
                blocking(|| {
                    entered.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                });
                *count.lock().unwrap() = n;
            }
        };
        pool.handle().spawn(section, Options::default()).detach();
        block_on(&pool, async { blocking(|| has_entered.recv_timeout(PATIENCE).unwrap()) });
        pool.pause();
        assert_eq!(*over.lock().unwrap(), 2, "with {workers} workers");
        pool.resume();
        pool_is_back(&pool, workers);
    }
}

#[test]
fn virtual_time_stands_while_a_section_runs() {
    const HOUR: Duration = Duration::from_secs(3600);
    for workers in [1, 2] {
        let world = World::with_virtual_time();
        let pool = pool_in(config(workers), &world);
        block_on(&pool, async {
            for n in 1..=5 {
                let (ran, other) = (Flag::default(), world.clone());
                let set = ran.clone();
                let sleeper = spawn(world.sleep(HOUR));
                spawn(async move { set.set() }).detach();
                blocking(|| {
                    block_until(&ran);
                    std::thread::sleep(Duration::from_millis(5));
                    assert_eq!(other.now(), HOUR * (n - 1));
                });
                sleeper.await;
                assert_eq!(world.now(), HOUR * n, "with {workers} workers");
            }
        });
    }
}

#[test]
fn a_shaken_pool_hands_on_too() {
    for seed in 0..20 {
        let pool = pool_with(Config { seed: Some(seed), ..unwatched(2) });
        block_on(&pool, async {
            let all = Arc::new(Barrier::new(4));
            let sections: Vec<_> = (0..4)
                .map(|_| {
                    let all = all.clone();
                    spawn(async move {
                        yield_now().await;
                        blocking(|| all.wait());
                        yield_now().await;
                    })
                })
                .collect();
            for section in sections {
                section.await;
            }
        });
    }
}
