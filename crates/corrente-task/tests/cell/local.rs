//! Tasks whose futures may not leave their thread: everything about them may, but the future.

use crate::common::child::in_a_child;
use crate::common::drops::{AtHome, Counter};
use crate::common::{Fifo, World, how, log, nap, options};
use corrente_task::{Runnable, Spawned, Task, TaskError, TaskRef, catch_cancel};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// A local task that waits, and the waker it left behind.
fn waiting(world: &Arc<World>, counter: &Counter) -> (Task<Rc<u8>>, Waker) {
    let guard = AtHome::new(counter);
    let place = Rc::new(std::cell::RefCell::new(None));
    let theirs = place.clone();
    let task = world.spawn(async move {
        let _guard = guard;
        poll_fn(|cx| {
            *theirs.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
        Rc::new(7)
    });
    world.run_ready();
    let waker = place.take().unwrap();
    (task, waker)
}

/// Does something with a reference on another thread.
fn elsewhere<R: Send>(task: TaskRef, act: impl FnOnce(TaskRef) -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(|| act(task)).join().unwrap())
}

#[test]
fn aborted_from_another_thread_it_is_dropped_at_home() {
    let (world, counter) = (World::new(), Counter::default());
    let (task, _waker) = waiting(&world, &counter);
    assert!(elsewhere(task.as_ref().clone(), |task| task.abort()));
    assert_eq!(counter.dropped(), 0);
    world.run_ready();
    assert_eq!((counter.dropped(), how(&task)), (1, "cancelled"));
}

#[test]
fn cancelled_from_another_thread_it_ends_at_home() {
    let (world, counter) = (World::new(), Counter::default());
    let (task, _waker) = waiting(&world, &counter);
    assert!(elsewhere(task.as_ref().clone(), |task| task.cancel()));
    assert_eq!(counter.dropped(), 0);
    world.run_ready();
    assert_eq!((counter.dropped(), how(&task)), (1, "cancelled"));
}

#[test]
fn cancelled_and_aborted_from_two_threads_at_once_it_ends_at_home() {
    for _ in 0..500 {
        let (world, counter) = (World::new(), Counter::default());
        let (task, _waker) = waiting(&world, &counter);
        let reference: &TaskRef = task.as_ref();
        std::thread::scope(|scope| {
            scope.spawn(|| reference.cancel());
            reference.abort();
        });
        world.run_ready();
        assert_eq!((counter.dropped(), how(&task), world.ended()), (1, "cancelled", 1));
    }
}

#[test]
fn the_last_waker_dropped_on_another_thread_brings_it_home() {
    let (world, counter) = (World::new(), Counter::default());
    let (task, waker) = waiting(&world, &counter);
    drop(task);
    std::thread::spawn(move || drop(waker)).join().unwrap();
    assert_eq!(counter.dropped(), 0);
    world.run_ready();
    assert_eq!((counter.dropped(), world.ended()), (1, 1));
}

#[test]
fn a_scope_in_it_is_reached_from_another_thread() {
    let world = World::new();
    let task = world.spawn(async {
        let caught = catch_cancel(nap(100)).await;
        log(format!("{caught:?}"));
    });
    world.run_ready();
    elsewhere(task.as_ref().clone(), |task| task.cancel_with("from elsewhere"));
    world.run_until(&task);
    assert_eq!(world.take_log(), [r#"Err(Cancelled("from elsewhere"))"#]);
}

#[test]
fn run_or_dropped_on_another_thread_its_future_is_leaked() {
    if !in_a_child("local::run_or_dropped_on_another_thread_its_future_is_leaked") {
        return;
    }
    let (world, counter) = (World::new(), Counter::default());
    let (mut task, _waker) = waiting(&world, &counter);
    task.abort();
    let runnable = world.take_ready().pop().unwrap();
    std::thread::spawn(|| drop(runnable)).join().unwrap();
    assert_eq!((counter.dropped(), how(&task)), (0, "cancelled"));
    assert!(matches!(task.try_outcome(), Some(Err(TaskError::Cancelled(_)))));

    let spawned = corrente_task::spawn_local(pending::<()>(), Fifo::of(&world), options());
    let Spawned { runnable, mut task, .. } = spawned;
    std::thread::spawn(|| runnable.run()).join().unwrap();
    let error = task.try_outcome().unwrap().unwrap_err().to_string();
    assert!(error.contains("a local task was run on a thread that is not its own"), "{error}");
}

#[test]
fn its_runnable_may_travel() {
    let world = World::new();
    let spawned = corrente_task::spawn_local(async { Rc::new(3) }, Fifo::of(&world), options());
    let place = Mutex::new(None::<Runnable>);
    let runnable = spawned.runnable;
    std::thread::scope(|scope| {
        scope.spawn(|| *place.lock().unwrap() = Some(runnable));
    });
    assert!(place.into_inner().unwrap().unwrap().run());
    let mut task = spawned.task;
    assert_eq!(*task.try_outcome().unwrap().unwrap(), 3);
}
