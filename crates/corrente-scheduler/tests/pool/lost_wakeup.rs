//! No wake is lost: whatever is pushed or woken while the pool lives is polled.

use crate::support::{Flag, World, block_on, config, pool, pool_in, signal, spawn, wait_until};
use corrente_task::Options;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

#[test]
fn a_spawn_from_outside_just_as_the_workers_go_to_sleep() {
    for workers in [2, 3, 8] {
        let pool = pool(workers);
        let (done, finished) = signal();
        for n in 0..2000 {
            let done = done.clone();
            pool.handle().spawn(async move { done.send(n) }, Options::default()).detach();
            assert_eq!(finished.wait("the spawned task ran"), n);
        }
    }
}

#[test]
fn a_thread_and_a_task_wake_each_other() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        let (to_thread, from_task) = signal();
        let (to_task, from_thread) = signal::<Flag>();
        let other = std::thread::spawn(move || {
            for _ in 0..3000 {
                let flag: Flag = from_task.wait("the task's flag");
                flag.set();
            }
            let last = from_thread;
            last.wait("the end").set();
        });
        // In main (its mailbox) and in a task (the injector), by turns.
        block_on(&pool, async {
            for n in 0..3000 {
                let flag = Flag::default();
                let wait = flag.wait();
                to_thread.send(flag).unwrap();
                if n % 2 == 0 { wait.await } else { spawn(wait).await }
            }
        });
        to_task.send(Flag::default()).unwrap();
        other.join().unwrap();
    }
}

#[test]
fn an_event_finds_somebody_in_the_driver() {
    for workers in [1, 2, 4] {
        let world = World::real();
        let pool = pool_in(config(workers), &world);
        let outside = world.clone();
        block_on(&pool, async {
            for n in 0..1000 {
                let world = outside.clone();
                let event = async move {
                    let mut told = false;
                    poll_fn(|cx| {
                        if std::mem::replace(&mut told, true) {
                            return Poll::Ready(());
                        }
                        let (world, waker) = (world.clone(), cx.waker().clone());
                        std::thread::spawn(move || world.event(waker));
                        Poll::Pending
                    })
                    .await;
                };
                if n % 2 == 0 { event.await } else { spawn(event).await }
            }
        });
    }
}

#[test]
fn a_storm_of_wakes_is_one_poll_at_a_time_and_the_last_one_counts() {
    const WAKES: u64 = 50_000;
    let pool = pool(2);
    let (polls, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let raised = Arc::new(AtomicU64::new(0));
    let (give, waker) = signal();
    let task = {
        let (polls, seen, raised) = (polls.clone(), seen.clone(), raised.clone());
        let running = AtomicUsize::new(0);
        pool.handle().spawn(
            poll_fn(move |cx| {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "polled twice at once");
                let n = polls.fetch_add(1, Ordering::SeqCst);
                if n == 0 {
                    let _ = give.send(cx.waker().clone());
                }
                seen.store(raised.load(Ordering::SeqCst), Ordering::SeqCst);
                running.fetch_sub(1, Ordering::SeqCst);
                if seen.load(Ordering::SeqCst) == 2 * WAKES {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }),
            Options::default(),
        )
    };
    let waker = waker.wait("the first poll");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..WAKES {
                    raised.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                }
            });
        }
    });
    block_on(&pool, task);
    assert!(polls.load(Ordering::SeqCst) <= 2 * WAKES + 1);
}

#[test]
fn an_idle_pool_does_not_turn_its_driver() {
    let world = World::real();
    let pool = pool_in(config(2), &world);
    block_on(&pool, async { spawn(async {}).await });
    let asleep = || pool.handle().metrics().workers[1].asleep;
    wait_until("the worker sleeps", asleep);
    let before = (world.turns(), pool.handle().metrics());
    std::thread::sleep(std::time::Duration::from_millis(200));
    let after = (world.turns(), pool.handle().metrics());
    assert_eq!(before, after);
}

#[test]
fn a_look_before_each_sleep_is_made_only_while_it_finds_something() {
    let world = World::real();
    let pool = pool_in(config(1), &world);
    let looks_and_waits = || {
        let worker = &pool.handle().metrics().workers[0];
        (worker.driver_glances, worker.driver_waits)
    };
    block_on(&pool, async {
        for _ in 0..100 {
            world.sleep(std::time::Duration::from_millis(1)).await;
        }
        let (looks, waits) = looks_and_waits();
        assert!(waits >= 50 && looks < waits / 2, "{looks} looks before {waits} sleeps");
        for _ in 0..200 {
            let mut came = false;
            std::future::poll_fn(|cx| {
                if !std::mem::replace(&mut came, true) {
                    world.event(cx.waker().clone());
                    return std::task::Poll::Pending;
                }
                std::task::Poll::Ready(())
            })
            .await;
        }
        let waits = looks_and_waits().1 - waits;
        assert!(waits < 50, "{waits} sleeps though something was there");
    });
}
