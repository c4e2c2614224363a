//! The calling thread is worker 0, for as long as its main task lasts.

use crate::support::{
    Flag, World, block_on, config, pool, pool_in, signal, spawn, wait_until, yield_now,
};
use corrente_scheduler::{Config, Hooks, NoDriver, Pool, current_worker, spawn_local};
use corrente_task::Options;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

#[test]
fn main_borrows_is_not_send_and_runs_here() {
    let pool = pool(2);
    let mut numbers = vec![1, 2];
    let here = std::thread::current().id();
    let sum = block_on(&pool, async {
        let rc = Rc::new(5);
        yield_now().await;
        numbers.push(3);
        assert_eq!(std::thread::current().id(), here);
        assert_eq!(current_worker(), Some(0));
        *rc + numbers.iter().sum::<i32>()
    });
    assert_eq!((sum, numbers), (11, vec![1, 2, 3]));
    assert_eq!(current_worker(), None);
}

#[test]
fn local_tasks_run_here_and_are_woken_from_elsewhere() {
    let pool = pool(2);
    block_on(&pool, async {
        let here = std::thread::current().id();
        for _ in 0..200 {
            let flag = Flag::default();
            let (set, wait) = (flag.clone(), flag.wait());
            let local = async move {
                let rc = Rc::new(7);
                wait.await;
                (std::thread::current().id(), *rc)
            };
            let local = spawn_local(local, Options::default()).expect("in block_on");
            std::thread::spawn(move || set.set());
            assert_eq!(local.await, (here, 7));
        }
    });
    assert!(spawn_local(async {}, Options::default()).is_err());
    let in_a_task = block_on(&pool, async {
        let on_the_other = async {
            while current_worker() == Some(0) {
                yield_now().await;
            }
            match spawn_local(async {}, Options::default()) {
                Err(error) => error.to_string(),
                Ok(_) => String::new(),
            }
        };
        // Keep worker 0 busy, so that the other one takes it.
        let task = spawn(on_the_other);
        wait_until("the other worker has run it", || task.done());
        task.await
    });
    assert!(in_a_task.contains("belongs to the thread that runs the main task"), "{in_a_task}");
}

#[test]
fn tasks_go_on_without_a_caller_if_there_are_other_workers() {
    let pool = pool(2);
    let (done, is_done) = signal();
    block_on(&pool, async {
        for n in 0..100 {
            let done = done.clone();
            spawn(async move {
                for _ in 0..10 {
                    yield_now().await;
                }
                let _ = done.send(n);
            })
            .detach();
        }
        // Returns at once: what it leaves in its queue and its slot is taken over.
    });
    let mut all: Vec<i32> = (0..100).map(|_| is_done.wait("a task left behind")).collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[test]
fn the_driver_is_watched_without_a_caller() {
    for _ in 0..50 {
        let world = World::real();
        let pool = pool_in(config(2), &world);
        let (done, is_done) = signal();
        let timer = world.sleep(Duration::from_millis(3));
        block_on(&pool, async {
            spawn(async move {
                timer.await;
                let _ = done.send(());
            })
            .detach();
            yield_now().await;
        });
        is_done.wait("a timer that nobody waits for in block_on");
    }
}

#[test]
fn the_watch_over_the_driver_is_handed_on_without_a_caller() {
    // Worker 0 waits in the driver and the other one on its futex, when main returns.
    for _ in 0..5 {
        let world = World::real();
        let pool = pool_in(config(2), &world);
        let (give, waker) = signal();
        let (done, is_done) = signal();
        let returning = Flag::default();
        let (set, may_return) = (returning.clone(), returning.wait());
        let asleep = |worker: usize| pool.handle().metrics().workers[worker].asleep;
        std::thread::scope(|scope| {
            let (begun, has_begun) = signal();
            let (release, released) = signal::<()>();
            block_on(&pool, async {
                let mut give = Some(give);
                let event = poll_fn(move |cx| match give.take() {
                    Some(give) => {
                        let _ = give.send(cx.waker().clone());
                        Poll::Pending
                    }
                    None => Poll::Ready(()),
                });
                spawn(async move {
                    event.await;
                    let _ = done.send(());
                })
                .detach();
                spawn(async move {
                    let _ = begun.send(());
                    released.wait("worker 0 sleeps");
                })
                .detach();
                // Blocks worker 0, so the other one runs this, and is blocked by it.
                has_begun.wait("the other worker is busy");
                scope.spawn(move || {
                    wait_until("worker 0 sleeps in the driver", || asleep(0));
                    release.send(()).expect("the other worker waits");
                    wait_until("the other one sleeps", || asleep(1));
                    set.set();
                });
                may_return.await;
            });
        });
        world.event(waker.wait("the task's waker"));
        is_done.wait("an event after the last caller has left");
    }
}

#[test]
fn with_one_worker_tasks_wait_for_the_next_caller() {
    let pool = pool(1);
    let count = Arc::new(Mutex::new(0));
    let counting = count.clone();
    block_on(&pool, async {
        spawn(async move {
            while *counting.lock().unwrap() < u64::MAX {
                *counting.lock().unwrap() += 1;
                yield_now().await;
            }
        })
        .detach();
        yield_now().await;
    });
    let before = *count.lock().unwrap();
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(*count.lock().unwrap(), before);
    block_on(&pool, async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
    assert!(*count.lock().unwrap() > before);
}

#[test]
fn a_second_caller_runs_its_main_and_its_local_tasks() {
    for workers in [1, 2] {
        let pool = pool(workers);
        let first_may_end = Flag::default();
        std::thread::scope(|scope| {
            let (inside, is_inside) = signal();
            let (wait, pool) = (first_may_end.wait(), &pool);
            let first = scope.spawn(move || {
                block_on(pool, async {
                    let _ = inside.send(current_worker());
                    wait.await;
                })
            });
            assert_eq!(is_inside.wait("the first caller"), Some(0));
            let second = block_on(pool, async {
                assert_eq!(current_worker(), None);
                let local = async {
                    yield_now().await;
                    current_worker()
                };
                let local = spawn_local(local, Options::default()).expect("in block_on").await;
                // A task of the pool is run by the pool.
                let task = spawn(async { current_worker() });
                (local, task.await.is_some())
            });
            assert_eq!(second, (None, true));
            first_may_end.set();
            first.join().expect("the first caller returns");
        });
    }
}

#[test]
fn a_guest_takes_over_the_seat() {
    let world = World::real();
    let pool = pool_in(config(1), &world);
    let first_may_end = Flag::default();
    std::thread::scope(|scope| {
        let (inside, is_inside) = signal();
        let (wait, pool) = (first_may_end.wait(), &pool);
        let first = scope.spawn(move || {
            block_on(pool, async {
                let _ = inside.send(());
                wait.await;
            })
        });
        is_inside.wait("the first caller");
        block_on(pool, async {
            assert_eq!(current_worker(), None);
            // With one worker nobody but the first caller turns the driver. When it has left, the timer
            // and the task are this thread's to run.
            let (timer, set) = (world.sleep(Duration::from_millis(30)), first_may_end.clone());
            set.set();
            timer.await;
            assert_eq!(spawn(async { 9 }).await, 9);
            while current_worker().is_none() {
                world.sleep(Duration::from_millis(1)).await;
            }
        });
        first.join().expect("the first caller returns");
    });
}

#[test]
fn many_callers_come_and_go() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..100 {
                    let value = block_on(&pool, async move {
                        let task = spawn(async move { n });
                        yield_now().await;
                        task.await
                    });
                    assert_eq!(value, n);
                }
            });
        }
    });
}

#[test]
fn hooks_tell_who_is_a_worker() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (start, stop) = (seen.clone(), seen.clone());
    let hooks = Hooks {
        worker_start: Some(Arc::new(move |index| start.lock().unwrap().push(("start", index)))),
        worker_stop: Some(Arc::new(move |index| stop.lock().unwrap().push(("stop", index)))),
        ..Hooks::default()
    };
    let config = Config { workers: 2, ..Config::default() };
    let pool = Pool::start(config, Box::new(NoDriver::new()), hooks).expect("the pool starts");
    block_on(&pool, async {});
    block_on(&pool, async {});
    assert!(pool.shutdown(crate::support::PATIENCE).is_clean());
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    let zero = |what| vec![(what, 0), (what, 0), (what, 1)];
    assert_eq!(seen, [zero("start"), zero("stop")].concat());
}
