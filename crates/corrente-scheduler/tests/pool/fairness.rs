//! Every ready task runs within a stated number of polls, and none waits behind another's endless poll.

use crate::support::{
    Flag, World, block_on, config, lock, named, pool, pool_in, signal, spawn, wait_until, yield_now,
};
use corrente_scheduler::{Config, Handle, Hooks, NoDriver, Pool, current_worker, spawn_local};
use corrente_task::Options;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Two tasks that wake each other for ever, and count their polls.
fn endless_pair(polls: &Arc<AtomicU64>) {
    let wakers: Arc<Mutex<[Option<Waker>; 2]>> = Arc::default();
    for side in 0..2 {
        let (wakers, polls) = (wakers.clone(), polls.clone());
        spawn(poll_fn(move |cx| -> Poll<()> {
            polls.fetch_add(1, Ordering::Relaxed);
            let other = {
                let mut wakers = lock(&wakers);
                wakers[side] = Some(cx.waker().clone());
                wakers[1 - side].clone()
            };
            other.into_iter().for_each(Waker::wake);
            Poll::Pending
        }))
        .detach();
    }
}

#[test]
fn a_pair_in_the_next_slot_holds_up_the_queue_for_sixteen_polls() {
    let pool = pool(1);
    let polls = Arc::new(AtomicU64::new(0));
    block_on(&pool, async {
        endless_pair(&polls);
        yield_now().await;
        for _ in 0..50 {
            let before = polls.load(Ordering::Relaxed);
            spawn(async {}).await;
            let waited = polls.load(Ordering::Relaxed) - before;
            assert!(waited <= 3 * 17, "{waited} polls of the pair in between");
        }
    });
}

#[test]
fn who_has_waited_for_a_task_comes_behind_those_that_are_ready() {
    let pool = pool(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name| {
        let order = order.clone();
        move || lock(&order).push(name)
    };
    block_on(&pool, async {
        let (waits, ends, ready) = (note("waits"), note("ends"), note("ready"));
        let waiting = spawn(async move {
            let first = spawn(async move { ends() });
            spawn(async move { ready() }).detach();
            first.await;
            waits();
        });
        waiting.await;
    });
    assert_eq!(*lock(&order), ["ends", "ready", "waits"]);
}

#[test]
fn children_run_in_the_order_in_which_they_were_spawned_and_their_children_before_the_next() {
    let pool = pool(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = order.clone();
    block_on(&pool, async move {
        let parent = spawn(async move {
            let child = |number: u32| {
                let noted = noted.clone();
                spawn(async move {
                    lock(&noted).push(number);
                    for grandchild in [10 * number, 10 * number + 1] {
                        let noted = noted.clone();
                        spawn(async move { lock(&noted).push(grandchild) }).detach();
                    }
                })
            };
            let children = [child(1), child(2), child(3)];
            for child in children {
                child.await;
            }
            lock(&noted).push(0);
        });
        parent.await;
        for _ in 0..4 {
            yield_now().await;
        }
    });
    let order = lock(&order).clone();
    assert_eq!(order, [1, 10, 11, 2, 20, 21, 3, 30, 31, 0]);
}

/// A task that goes on by spawning the next, and one that ends at once. For longer than anybody may have to wait.
fn generations(polls: &Arc<AtomicU64>) {
    let generation = polls.clone();
    spawn(async move {
        spawn(async {}).detach();
        if generation.fetch_add(1, Ordering::Relaxed) < 100_000 {
            generations(&generation);
        }
    })
    .detach();
}

#[test]
fn generations_hold_up_neither_the_oldest_newcomer_nor_the_queue() {
    let pool = pool(1);
    let polls = Arc::new(AtomicU64::new(0));
    block_on(&pool, async {
        let (seen, many) = (polls.clone(), polls.clone());
        let waited = spawn(async move {
            generations(&many);
            let before = many.load(Ordering::Relaxed);
            spawn(async move { seen.load(Ordering::Relaxed) - before }).await
        });
        let waited = waited.await;
        assert!(waited <= 2 * 64, "{waited} generations before the oldest newcomer");
        let seen = polls.clone();
        let yielder = spawn(async move {
            let before = seen.load(Ordering::Relaxed);
            for _ in 0..50 {
                yield_now().await;
            }
            seen.load(Ordering::Relaxed) - before
        });
        let waited = yielder.await;
        assert!(waited <= 50 * 2 * 64, "{waited} generations in 50 turns of the queue");
    });
}

#[test]
fn yielding_tasks_take_turns() {
    let pool = pool(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    block_on(&pool, async {
        let tasks: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let order = order.clone();
                spawn(async move {
                    for _ in 0..3 {
                        lock(&order).push(name);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    let order = lock(&order);
    for turn in order.chunks(3) {
        let mut turn = turn.to_vec();
        turn.sort_unstable();
        assert_eq!(turn, ["a", "b", "c"], "{order:?}");
    }
}

#[test]
fn endless_yielders_starve_neither_injector_nor_driver_nor_main() {
    let world = World::real();
    let pool = pool_in(config(1), &world);
    let stop = Flag::default();
    block_on(&pool, async {
        let yielders: Vec<_> = (0..3)
            .map(|_| {
                let stop = stop.clone();
                spawn(async move {
                    while !stop.is_set() {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            world.sleep(Duration::from_micros(100)).await;
            let from_outside = std::thread::spawn({
                let handle = Handle::current().expect("in a pool");
                move || handle.spawn(async { 7 }, Options::default())
            });
            assert_eq!(from_outside.join().expect("it spawned").await, 7);
        }
        stop.set();
        for yielder in yielders {
            yielder.await;
        }
    });
}

#[test]
fn local_tasks_and_others_take_turns() {
    let pool = pool(1);
    block_on(&pool, async {
        let (locals, others) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Flag::default();
        let counting = |count: &Arc<AtomicU64>| {
            let (count, stop) = (count.clone(), stop.clone());
            async move {
                while !stop.is_set() {
                    count.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }
        };
        let local = spawn_local(counting(&locals), Options::default()).expect("in block_on");
        let other = spawn(counting(&others));
        for _ in 0..1000 {
            yield_now().await;
        }
        stop.set();
        local.await;
        other.await;
        let (locals, others) = (locals.load(Ordering::Relaxed), others.load(Ordering::Relaxed));
        // Main is a local task, too, so the other task has half of the polls and the local one a quarter.
        assert!(
            locals > 200 && others > 200,
            "{locals} polls of the local task, {others} of the other"
        );
    });
}

/// What waits behind a poll that only ends when it has run.
#[derive(Debug, Clone, Copy)]
enum Behind {
    NextSlot,
    Newcomers,
    Queue,
    Injector,
    Driver,
}

/// A task blocks its worker until something else has run, which waits at one of five places.
fn rescued(behind: Behind, blocker_is_main: bool) {
    let world = World::real();
    let pool = pool_in(config(2), &world);
    let outside = world.clone();
    let block = move || {
        let (ran, has_run) = signal();
        let handle = Handle::current().expect("in a pool");
        let report = async move {
            let _ = ran.send(());
        };
        match behind {
            Behind::NextSlot => handle.spawn(report, Options::default()).detach(),
            // The first is next, then come as many newcomers as there may be, then the queue.
            Behind::Newcomers | Behind::Queue => {
                let before = if matches!(behind, Behind::Queue) { 1 + 32 } else { 1 };
                for _ in 0..before {
                    handle.spawn(async {}, Options::default()).detach();
                }
                handle.spawn(report, Options::default()).detach();
            }
            Behind::Injector => {
                let spawner = std::thread::spawn(move || {
                    handle.spawn(report, Options::default()).detach();
                });
                spawner.join().expect("it spawned");
            }
            Behind::Driver => {
                let timer = outside.sleep(Duration::from_millis(2));
                let waiting = async move {
                    timer.await;
                    report.await;
                };
                handle.spawn(waiting, Options::default()).detach();
            }
        }
        has_run.wait(&format!("{behind:?} behind a blocked worker"));
    };
    block_on(&pool, async {
        // From a busy start: the worker is not fresh, and short polls have taught it patience.
        spawn(async {
            for _ in 0..2000 {
                yield_now().await;
            }
        })
        .await;
        if blocker_is_main { block() } else { spawn(async move { block() }).await }
    });
}

#[test]
fn a_task_in_the_next_slot_is_rescued() {
    rescued(Behind::NextSlot, true);
    rescued(Behind::NextSlot, false);
}

#[test]
fn a_newcomer_is_rescued() {
    rescued(Behind::Newcomers, true);
    rescued(Behind::Newcomers, false);
}

#[test]
fn a_task_in_the_queue_is_rescued() {
    rescued(Behind::Queue, true);
    rescued(Behind::Queue, false);
}

#[test]
fn a_task_in_the_injector_is_rescued() {
    rescued(Behind::Injector, true);
    rescued(Behind::Injector, false);
}

#[test]
fn who_has_stepped_back_is_rescued() {
    let pool = pool(2);
    let (polls, stop) = (Arc::new(AtomicU64::new(0)), Flag::default());
    block_on(&pool, async {
        let hog = spawn({
            let (polls, stop) = (polls.clone(), stop.clone());
            async move {
                while !stop.is_set() {
                    std::thread::sleep(Duration::from_micros(500));
                    polls.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }
        });
        for _ in 0..20 {
            for _ in 0..3 {
                yield_now().await;
            }
            let seen = polls.load(Ordering::Relaxed);
            wait_until("the hog, while main blocks worker 0", || {
                polls.load(Ordering::Relaxed) > seen + 2
            });
        }
        stop.set();
        hog.await;
    });
}

#[test]
fn what_a_caller_leaves_in_the_back_row_is_taken() {
    let pool = pool(2);
    for _ in 0..20 {
        let (polls, stop) = (Arc::new(AtomicU64::new(0)), Flag::default());
        let (hog, ended) = (polls.clone(), stop.clone());
        block_on(&pool, async {
            spawn(async move {
                while !ended.is_set() {
                    std::thread::sleep(Duration::from_micros(500));
                    hog.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            })
            .detach();
            for _ in 0..6 {
                yield_now().await;
            }
        });
        let seen = polls.load(Ordering::Relaxed);
        wait_until("the hog, after main has returned", || polls.load(Ordering::Relaxed) > seen + 2);
        stop.set();
    }
}

#[test]
fn a_worker_that_never_runs_dry_rescues_too() {
    // The other worker has endless work of its own, so nobody sleeps and nobody can be woken.
    let pool = pool(2);
    let stop = Flag::default();
    block_on(&pool, async {
        let yielders: Vec<_> = (0..4)
            .map(|_| {
                let stop = stop.clone();
                spawn(async move {
                    while !stop.is_set() {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let (ran, has_run) = signal();
        // Main blocks worker 0 with the new task behind it.
        let behind = spawn(async move { ran.send(()).is_ok() });
        has_run.wait("a task behind main, beside endless yielders");
        stop.set();
        assert!(behind.await);
        for yielder in yielders {
            yielder.await;
        }
    });
}

#[test]
fn what_a_caller_leaves_behind_is_taken_by_a_worker_that_never_runs_dry() {
    let pool = pool(2);
    let stop = Flag::default();
    let (ran, has_run) = signal();
    block_on(&pool, async {
        for _ in 0..4 {
            let stop = stop.clone();
            spawn(async move {
                while !stop.is_set() {
                    yield_now().await;
                }
            })
            .detach();
        }
        yield_now().await;
        for n in 0..10 {
            let ran = ran.clone();
            spawn(async move {
                let _ = ran.send(n);
            })
            .detach();
        }
    });
    (0..10).for_each(|_| assert!(has_run.wait("a task left behind beside endless yielders") < 10));
    stop.set();
}

#[test]
fn a_timer_is_rescued() {
    rescued(Behind::Driver, true);
    rescued(Behind::Driver, false);
}

#[test]
fn a_timer_is_rescued_from_behind_the_worker_that_has_left_the_driver() {
    // The worker that waited in the driver takes the event itself, and blocks: now nobody watches.
    let world = World::real();
    let pool = pool_in(config(2), &world);
    let outside = world.clone();
    block_on(&pool, async {
        let (ran, has_run) = signal();
        let (first, second) =
            (outside.sleep(Duration::from_millis(5)), outside.sleep(Duration::from_millis(10)));
        spawn(async move {
            second.await;
            let _ = ran.send(());
        })
        .detach();
        spawn(async move {
            first.await;
            has_run.wait("the second timer, which nobody watches");
        })
        .await;
    });
}

#[test]
fn a_long_poll_is_reported_with_its_name_and_place() {
    let (report, reported) = signal();
    let config = Config { long_poll: Duration::from_millis(30), ..config(2) };
    let hooks = Hooks {
        long_poll: Some(Arc::new(move |poll| {
            let _ = report.send((poll.name.clone(), poll.location, poll.so_far, poll.worker));
        })),
        ..Hooks::default()
    };
    let pool = Pool::start(config, Box::new(NoDriver::new()), hooks).expect("the pool starts");
    let (name, location, so_far, worker) = block_on(&pool, async {
        let handle = Handle::current().expect("in a pool");
        let stuck =
            async move { (reported.wait("the report while the poll lasts"), current_worker()) };
        let (report, worker) = handle.spawn(stuck, named("cruncher")).await;
        assert_eq!(worker, Some(report.3));
        report
    });
    assert_eq!(name, "cruncher");
    assert!(location.is_some_and(|place| place.file().ends_with("fairness.rs")));
    assert!(so_far >= Duration::from_millis(30));
    assert!(worker < 2);
    assert_eq!(pool.handle().metrics().long_polls, 1);
}
