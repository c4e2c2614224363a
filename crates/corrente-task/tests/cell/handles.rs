//! The handle of a task: one owner, who may await it, look at it, take its outcome, or let it go.

use crate::common::drops::Counter;
use crate::common::foreign::poll_once;
use crate::common::{Fifo, World, check, how, lock, log, me, nap, now, options, spawn};
use corrente_task::{NotDone, Options, Spawned, Task, TaskError, TaskRef};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

#[test]
fn awaiting_a_task_gives_its_output() {
    check(
        async {
            let slow = spawn(async {
                nap(10).await;
                "slow"
            });
            let fast = spawn(async { "fast" });
            log(format!("{} {}", slow.await, fast.await));
            log(format!("{}", now()));
        },
        &["slow fast", "10"],
    );
}

#[test]
fn an_output_may_be_looked_at_changed_and_taken_once() {
    check(
        async {
            let mut task = spawn(async {
                nap(1).await;
                vec![1]
            });
            let none = task.result().unwrap_err().to_string();
            assert!(none.starts_with("the task has no result to look at"), "{none}");
            assert!(task.outcome_mut().is_none() && task.try_outcome().is_none());
            task.finished().await;
            assert_eq!(task.result().unwrap().unwrap(), &[1]);
            task.outcome_mut().unwrap().as_mut().unwrap().push(2);
            assert_eq!(task.try_outcome().unwrap().unwrap(), [1, 2]);
            assert!(task.try_outcome().is_none() && task.outcome_mut().is_none());
            assert!(matches!(task.result(), Err(NotDone { .. })));
            assert!(task.done() && !task.cancelled());
            let again = catch_unwind(AssertUnwindSafe(|| futures_lite::future::block_on(task)));
            let message = *again.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains("was awaited again"), "{message}");
        },
        &[],
    );
}

#[test]
fn cancelled_stays_true_after_the_await_that_saw_it() {
    check(
        async {
            let mut task = spawn(nap(100));
            task.cancel();
            task.finished().await;
            assert!(task.cancelled());
            assert!(matches!(task.try_outcome(), Some(Err(TaskError::Cancelled(_)))));
            assert!(task.cancelled());
        },
        &[],
    );
}

#[test]
fn a_dropped_handle_lets_the_task_run_on() {
    check(
        async {
            drop(spawn(async {
                nap(10).await;
                log("ran on");
            }));
            spawn(async {
                nap(10).await;
                log("detached");
            })
            .detach();
            nap(20).await;
        },
        &["ran on", "detached"],
    );
}

#[test]
fn an_error_of_a_detached_task_is_reported() {
    check(
        async {
            let fails = async |message: &'static str| {
                nap(1).await;
                Err::<(), _>(message)
            };
            spawn(fails("nobody reads this")).detach();
            drop(spawn(fails("dropped silently")));
            let late = spawn(fails("read too late"));
            late.finished().await;
            late.detach();
            nap(5).await;
        },
        &["unobserved Error: \"nobody reads this\"", "unobserved Error: \"read too late\""],
    );
}

#[test]
fn a_task_that_awaits_itself_panics_and_says_so() {
    check(
        async {
            let place = Rc::new(RefCell::new(None::<Task<()>>));
            let theirs = place.clone();
            let task = spawn(async move {
                let myself = theirs.borrow_mut().take().unwrap();
                myself.await;
            });
            task.set_name("narcissus");
            let reference = task.as_ref().clone();
            *place.borrow_mut() = Some(task);
            reference.finished().await;
        },
        &["unobserved Panic: task narcissus awaits itself and would never end: await another task"],
    );
}

#[test]
fn many_may_wait_for_the_end_and_are_woken_in_order() {
    check(
        async {
            let task = spawn(nap(10));
            let waiters: Vec<_> = (0..5)
                .map(|number| {
                    let task = task.as_ref().clone();
                    spawn(async move {
                        task.finished().await;
                        log(format!("{number} at {}", now()));
                    })
                })
                .collect();
            nap(5).await;
            waiters[1].cancel();
            for waiter in &waiters {
                waiter.finished().await;
            }
            task.finished().await;
            task.await;
        },
        &["0 at 10", "2 at 10", "3 at 10", "4 at 10"],
    );
}

#[test]
fn a_watch_wakes_once_and_may_be_taken_back() {
    let world = World::new();
    let task = world.spawn(nap(0));
    let waits = world.spawn(std::future::pending::<()>());
    world.run_ready();
    assert!(task.done() && !waits.done());
    let waker = std::task::Waker::noop();
    assert!(task.watch(waker).is_none(), "it has ended");
    let key = waits.watch(waker).unwrap();
    assert!(waits.unwatch(key));
    assert!(!waits.unwatch(key));
    waits.abort();
    world.run_ready();
}

#[test]
fn a_wait_that_is_polled_under_another_waker_moves_there() {
    check(
        async {
            let task = spawn(nap(10));
            let mut finished = Box::pin(task.finished());
            assert_eq!(poll_once(&mut finished).await, None);
            assert_eq!(poll_once(&mut finished).await, None);
            let other = spawn(async move {
                finished.await;
                log(format!("{}", now()));
            });
            other.await;
        },
        &["10"],
    );
}

#[test]
fn a_shared_handle_gives_each_awaiter_a_copy() {
    check(
        async {
            let shared = spawn(async {
                nap(10).await;
                "output".to_owned()
            })
            .shared();
            let other = shared.clone();
            let waiter = spawn(other);
            assert_eq!(shared.result(), None);
            log(format!("{} {}", shared.clone().await, waiter.await));
            assert_eq!(shared.result().as_deref(), Some("output"));
            assert!(shared.done() && !shared.cancelled());
        },
        &["output output"],
    );
}

#[test]
fn a_shared_handle_passes_a_cancel_on_to_the_task_and_so_to_all() {
    check(
        async {
            let shared = spawn(nap(100)).shared();
            let waiters = [spawn(shared.clone()), spawn(shared.clone())];
            nap(10).await;
            waiters[0].cancel();
            for waiter in &waiters {
                waiter.finished().await;
                log(format!("{} {} {}", now(), how(waiter), waiter.cancelling()));
            }
            log(format!("{}", shared.cancelled()));
        },
        &["10 cancelled 1", "10 cancelled 0", "true"],
    );
}

#[test]
fn a_panic_reaches_all_who_share_the_handle() {
    check(
        async {
            let shared = spawn(async {
                if now() == 0 {
                    panic!("once");
                }
            })
            .shared();
            let waiters = [spawn(shared.clone()), spawn(shared.clone())];
            for mut waiter in waiters {
                waiter.finished().await;
                let error = waiter.try_outcome().unwrap().unwrap_err();
                assert!(error.is_panic() && error.to_string().ends_with("panicked: once"));
            }
        },
        &[],
    );
}

#[test]
fn names_ids_and_places() {
    check(
        async {
            let task = spawn(async { me().name() });
            assert_eq!(task.name(), format!("Task-{}", task.id()));
            assert_eq!(
                format!("{:?}", task.as_ref()),
                format!("TaskRef({}, pending)", task.name())
            );
            task.set_name("worker");
            assert_eq!(task.name(), "worker");
            assert_eq!(format!("{task:?}"), "Task(worker, pending)");
            assert_eq!(task.await, "worker");
            let ids: HashSet<_> = (0..5000).map(|_| spawn(async {}).id()).collect();
            assert_eq!(ids.len(), 5000);
            let options = Options { name: Some(Arc::from("named")), ..options() };
            let spawned = corrente_task::spawn(async {}, Fifo::of(&World::here()), options);
            assert_eq!(spawned.task.name(), "named");
            assert!(spawned.task_ref.location().file().ends_with("common/mod.rs"));
            assert_eq!(&spawned.task_ref, spawned.task.as_ref());
            assert_eq!(
                format!("{:?}", spawned.runnable),
                format!("Runnable({})", spawned.task.id())
            );
        },
        &[],
    );
}

#[test]
fn ids_are_unique_across_threads() {
    let ids = || (0..3000).map(|_| World::new().spawn(async {}).id()).collect::<Vec<_>>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(ids)).collect();
    let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn two_tasks_that_hold_each_others_handle_are_freed_when_one_is_ended() {
    let (world, counter) = (World::new(), Counter::default());
    let places: [Arc<Mutex<Option<Task<()>>>>; 2] = Default::default();
    let tasks = [0, 1].map(|number| {
        let (other, counted) = (places[1 - number].clone(), counter.one());
        world.spawn_send(async move {
            let _counted = counted;
            let other = other.lock().unwrap().take().unwrap();
            other.await;
        })
    });
    let reference = tasks[0].as_ref().clone();
    for (place, task) in places.iter().zip(tasks) {
        *place.lock().unwrap() = Some(task);
    }
    drop(places);
    world.run_ready();
    assert_eq!(
        counter.dropped(),
        0,
        "each keeps the other alive: so a scheduler knows all its tasks"
    );
    assert!(reference.end_now());
    world.run_ready();
    assert_eq!((counter.dropped(), world.ended()), (2, 2));
}

/// Never dropped, but no leak in the eyes of a leak checker.
fn forget(value: impl Send + 'static) {
    static FORGOTTEN: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());
    lock(&FORGOTTEN).push(Box::new(value));
}

#[test]
fn what_is_forgotten_leaks_at_most() {
    let (world, counter) = (World::new(), Counter::default());
    let counted = counter.one();
    let task = world.spawn_send(async move { counted });
    let reference: TaskRef = task.as_ref().clone();
    forget(task);
    world.run_ready();
    assert!(reference.done() && !reference.cancel());
    assert_eq!(counter.dropped(), 0, "the output is its handle's");

    let counted = counter.one();
    let pending = async move {
        let _counted = counted;
        std::future::pending::<()>().await;
    };
    let Spawned { runnable, task, task_ref } =
        corrente_task::spawn(pending, Fifo::of(&world), options());
    forget(runnable);
    assert!(task_ref.abort() && !task_ref.done(), "nobody will run it");
    assert!(task_ref.end_now(), "but a shutdown ends it");
    assert_eq!((how(&task), counter.dropped()), ("cancelled", 1));

    let mut finished = Box::pin(world.spawn_send(std::future::pending::<()>()).finished());
    assert!(finished.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    forget(finished);
}
