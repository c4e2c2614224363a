//! A task that borrows from whoever drives it: gone when the call comes back, in whatever way it does.

use crate::common::drops::{AtHome, Counter, OnDrop, bomb};
use crate::common::{Fifo, World, log, nap, options};
use corrente_task::{Root, Runnable, TaskError, TaskRef, catch_cancel, with_root};
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

fn drive<F: Future>(world: &Arc<World>, future: F) -> Result<F::Output, TaskError> {
    let drive = |runnable: Runnable, root: &Root<'_>| {
        runnable.schedule();
        world.run_until(root.task());
        assert!(root.done());
    };
    with_root(future, Fifo::of(world), options(), drive).1
}

#[test]
fn it_may_borrow_and_give_back_a_borrow() {
    let world = World::new();
    let text = "borrowed".to_owned();
    let count = Cell::new(0);
    let output = drive(&world, async {
        nap(10).await;
        count.set(count.get() + 1);
        &text[..6]
    });
    assert_eq!((output.unwrap(), count.get()), ("borrow", 1));
}

#[test]
fn it_is_a_task_with_scopes_and_children() {
    let world = World::new();
    let output = drive(&world, async {
        let me = crate::common::me();
        let child = World::here().spawn(async move {
            nap(10).await;
            me.cancel();
        });
        let caught = catch_cancel(nap(100)).await;
        child.await;
        format!("{} {caught:?}", crate::common::now())
    });
    assert_eq!(output.unwrap(), "10 Err(Cancelled)");
}

#[test]
fn a_panic_and_a_cancel_are_errors() {
    let world = World::new();
    let panicked = drive(&world, async { panic!("main") });
    assert!(panicked.is_err_and(|error| error.to_string().ends_with("panicked: main")));
    let cancelled = drive(&world, async {
        crate::common::me().cancel();
        nap(10).await;
    });
    assert!(cancelled.is_err_and(|error| error.is_cancelled()));
}

#[test]
fn a_driver_that_comes_back_early_ends_it() {
    let (world, counter) = (World::new(), Counter::default());
    let guard = AtHome::new(&counter);
    let waker = Mutex::new(None::<Waker>);
    let future = async {
        let _guard = guard;
        poll_fn(|cx| {
            *waker.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    };
    let (reference, outcome) = with_root(future, Fifo::of(&world), options(), |runnable, root| {
        assert!(!runnable.run());
        root.task().clone()
    });
    assert!(outcome.is_err_and(|error| error.is_cancelled()));
    assert_eq!((counter.dropped(), reference.done()), (1, true));
    let waker = waker.into_inner().unwrap().unwrap();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert!(world.take_ready().is_empty());
}

#[test]
fn a_driver_that_never_runs_or_loses_the_runnable_ends_it() {
    let (world, counter) = (World::new(), Counter::default());
    let lost: [fn(Runnable); 2] = [drop, |runnable| {
        LOST.lock().unwrap().push(runnable);
    }];
    for lose in lost {
        let guard = AtHome::new(&counter);
        let future = async {
            let _guard = guard;
        };
        let (_, outcome) =
            with_root(future, Fifo::of(&world), options(), |runnable, _| lose(runnable));
        assert!(outcome.is_err_and(|error| error.is_cancelled()));
    }
    assert_eq!(counter.dropped(), 2);
}
/// Where Runnables are that nobody will ever run or drop.
static LOST: Mutex<Vec<Runnable>> = Mutex::new(Vec::new());

#[test]
fn a_driver_that_panics_ends_it_before_the_panic_goes_on() {
    let world = World::new();
    let counter = Counter::default();
    let value = String::from("outlives the future");
    for done in [false, true] {
        let seen = Cell::new("");
        let guard = AtHome::new(&counter);
        let future = async {
            let guard = guard;
            if !done {
                pending::<()>().await;
            }
            seen.set("done");
            (guard, OnDrop(|| assert_eq!(value, "outlives the future")))
        };
        let driven = catch_unwind(AssertUnwindSafe(|| {
            with_root(future, Fifo::of(&world), options(), |runnable, _| {
                runnable.run();
                panic!("the driver");
            })
        }));
        assert_eq!(*driven.err().unwrap().downcast::<&str>().unwrap(), "the driver");
        assert_eq!((seen.get() == "done", counter.dropped()), (done, 1 + usize::from(done)));
    }
}

#[test]
fn a_panic_in_its_drop_is_its_outcome() {
    let world = World::new();
    let future = async {
        let _bomb = bomb("main");
        pending::<()>().await;
    };
    let (_, outcome) = with_root(future, Fifo::of(&world), options(), |runnable, _| runnable.run());
    assert!(outcome.is_err_and(|error| error.to_string().ends_with("main went off")));
}

#[test]
fn others_cancel_it_while_it_ends() {
    for _ in 0..500 {
        let (world, counter) = (World::new(), Counter::default());
        let guard = AtHome::new(&counter);
        let future = async {
            let _guard = guard;
            pending::<()>().await;
        };
        let mut thread = None;
        let (_, outcome) = with_root(future, Fifo::of(&world), options(), |runnable, root| {
            runnable.run();
            let task: TaskRef = root.task().clone();
            thread = Some(std::thread::spawn(move || {
                task.cancel();
                task.abort();
            }));
        });
        assert_eq!(counter.dropped(), 1);
        assert!(outcome.is_err_and(|error| error.is_cancelled()));
        thread.unwrap().join().unwrap();
        world.run_ready();
    }
}

#[test]
fn one_within_another() {
    let world = World::new();
    let output = drive(&world, async {
        let number = Cell::new(1);
        let inner = World::new();
        let output = drive(&inner, async {
            number.set(2);
            crate::common::me()
        });
        assert_ne!(output.unwrap(), crate::common::me());
        log("outer goes on");
        number.get()
    });
    assert_eq!(output.unwrap(), 2);
    assert_eq!(world.take_log(), ["outer goes on"]);
}
