//! Models of cancels: against polls, ends, scopes that come and go, and each other. By loom; see `loom.rs`.
#![cfg(corrente_loom)]

mod model;

use corrente_task::{CatchCancel, Task, TaskError, TaskRef, catch_cancel, uncancellable};
use loom::thread;
use model::{Queue, Waiting};
use std::future::{Future, Pending, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// Cancels on another thread.
fn cancel(task: &TaskRef) -> thread::JoinHandle<bool> {
    let task = task.clone();
    thread::spawn(move || task.cancel())
}

fn is_cancelled<T>(task: &mut Task<T>) -> bool {
    match task.try_outcome() {
        Some(outcome) => matches!(outcome, Err(TaskError::Cancelled(_))),
        None => panic!("the task has not ended"),
    }
}

fn gives_seven_or_was(asked: bool, task: &mut Task<i32>) {
    match task.try_outcome() {
        Some(Ok(7)) => {}
        Some(Err(TaskError::Cancelled(_))) => assert!(asked),
        other => panic!("{other:?}"),
    }
}

/// A request meets a first poll: it strikes before it or at its end.
#[test]
fn cancel_and_first_poll() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(pending::<()>());
        let thread = cancel(task.as_ref());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        assert!(is_cancelled(&mut task));
        assert_eq!((queue.ended(), task.cancelling()), (1, 1));
    });
}

/// A request meets the first poll of a task that need not wait for it: one of them ends the task, and the Runnable
/// that is left, before or after, does nothing.
#[test]
fn cancel_and_first_poll_of_one_that_ends_unstarted() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn_as::<true, _>(async { 7 });
        let thread = cancel(task.as_ref());
        queue.run_one();
        let asked = thread.join().unwrap();
        queue.run_all();
        gives_seven_or_was(asked, &mut task);
        assert_eq!(queue.ended(), 1);
    });
}

/// Two of them meet, and nobody polls: the first ends the task before it returns.
#[test]
fn cancel_and_abort_of_one_that_ends_unstarted() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn_as::<true, _>(pending::<()>());
        let thread = cancel(task.as_ref());
        task.abort();
        thread.join().unwrap();
        assert!(is_cancelled(&mut task));
        assert_eq!(queue.ended(), 1);
        queue.run_all();
    });
}

/// A request meets a later poll, of a task that is woken at the same time.
#[test]
fn cancel_and_poll_and_wake() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None));
        let theirs = place.clone();
        let mut task = queue.spawn(poll_fn(move |cx| {
            *theirs.lock().unwrap() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        queue.run_one();
        let waker = place.lock().unwrap().take().unwrap();
        let thread = cancel(task.as_ref());
        waker.wake();
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        assert!(is_cancelled(&mut task));
        assert_eq!(queue.ended(), 1);
    });
}

/// A request meets the end: it wins and is true, or comes too late.
#[test]
fn cancel_and_complete() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async { 7 });
        let thread = cancel(task.as_ref());
        queue.run_one();
        let asked = thread.join().unwrap();
        queue.run_all();
        match task.try_outcome() {
            Some(Ok(7)) => {}
            Some(Err(TaskError::Cancelled(_))) => assert!(asked),
            other => panic!("{other:?}"),
        }
        assert_eq!((queue.ended(), task.cancelling()), (1, u32::from(asked)));
    });
}

/// Waits once, without a waker: whoever runs the task again lets it go on.
async fn rest() {
    let mut rested = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut rested, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A request meets a poll in which a scope is entered: the scope has it, or the whole task.
#[test]
fn cancel_and_scope_entry() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            rest().await;
            catch_cancel(pending::<()>()).await.is_err()
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        match task.try_outcome() {
            Some(Ok(caught)) => assert!(caught),
            Some(Err(TaskError::Cancelled(_))) => {}
            other => panic!("the request is lost: {other:?}"),
        }
    });
}

/// A request meets a poll in which one scope is left and another one entered: one of them has it.
#[test]
fn cancel_and_scope_exit() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            let first = catch_cancel(rest()).await.is_err();
            let second = catch_cancel(async {
                if first {
                    return;
                }
                pending::<()>().await;
            });
            (first, second.await.is_err())
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        match task.try_outcome() {
            Some(Ok((first, second))) => assert!(first != second, "delivered {first} {second}"),
            other => panic!("the request is lost: {other:?}"),
        }
    });
}

/// A request meets a poll in which its only leaf is dropped: it is put back, and strikes at the next wait.
#[test]
fn cancel_and_dropped_leaf() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None));
        let theirs = place.clone();
        let mut task = queue.spawn(async move {
            {
                let mut leaf = pin!(catch_cancel(pending::<()>()));
                let mut first = true;
                poll_fn(|cx| {
                    *theirs.lock().unwrap() = Some(cx.waker().clone());
                    match std::mem::take(&mut first) {
                        true => leaf.as_mut().poll(cx).map(|_| ()),
                        false => Poll::Ready(()),
                    }
                })
                .await;
            }
            pending::<()>().await;
        });
        queue.run_one();
        let waker = place.lock().unwrap().take().unwrap();
        let thread = cancel(task.as_ref());
        waker.wake();
        queue.run_one();
        assert!(thread.join().unwrap());
        drop(place.lock().unwrap().take());
        queue.run_all();
        drop(place.lock().unwrap().take());
        assert!(is_cancelled(&mut task));
        assert_eq!(queue.ended(), 1);
    });
}

/// A request meets a mask, which holds it back and lets it go when it leaves.
#[test]
fn cancel_and_mask_exit() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            uncancellable(rest()).await;
            pending::<()>().await;
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        assert!(is_cancelled(&mut task));
        assert_eq!(queue.ended(), 1);
    });
}

type Scope = Pin<Box<CatchCancel<Pending<()>>>>;

/// A scope dropped on another thread while a request is on its way to it.
#[test]
fn cancel_and_scope_dropped_elsewhere() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None::<Scope>));
        let theirs = place.clone();
        let mut task = queue.spawn(async move {
            let mut scope: Scope = Box::pin(catch_cancel(pending()));
            poll_fn(|cx| {
                assert!(scope.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            *theirs.lock().unwrap() = Some(scope);
            pending::<()>().await;
        });
        queue.run_one();
        let scope = place.lock().unwrap().take().unwrap();
        let thread = thread::spawn(move || drop(scope));
        assert!(task.cancel());
        thread.join().unwrap();
        queue.run_all();
        assert!(is_cancelled(&mut task));
    });
}

/// Another thread has a handle for a scope, which ends and is followed by the next: what it interrupts, if anything, is
/// the one that the handle is for.
#[test]
fn interrupter_and_the_next_scope() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None));
        let theirs = place.clone();
        let mut task = queue.spawn(async move {
            let mut scope = pin!(catch_cancel(rest()));
            let first = poll_fn(|cx| {
                let polled = scope.as_mut().poll(cx);
                if let Some(interrupter) = scope.interrupter() {
                    *theirs.lock().unwrap() = Some(interrupter);
                }
                polled
            });
            let first = first.await.is_err();
            (first, catch_cancel(rest()).await.is_err())
        });
        queue.run_one();
        let interrupter = place.lock().unwrap().take().unwrap();
        let thread = thread::spawn(move || interrupter.interrupt(None));
        queue.run_all();
        thread.join().unwrap();
        queue.run_all();
        assert!(matches!(task.try_outcome(), Some(Ok((_, false)))));
    });
}

/// A request meets a poll that goes into a scope within the scope that the task rests in: one of the two has it.
#[test]
fn cancel_and_nested_scope_entry() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            let inner = async {
                rest().await;
                catch_cancel(pending::<()>()).await.is_err()
            };
            catch_cancel(inner).await
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        assert!(matches!(task.try_outcome(), Some(Ok(Ok(true) | Err(_)))));
    });
}

/// A scope is dropped on another thread, while its task goes into the next one and a request is on its way.
#[test]
fn cancel_and_scope_dropped_elsewhere_and_the_next() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None::<Scope>));
        let theirs = place.clone();
        let mut task = queue.spawn(async move {
            let mut scope: Scope = Box::pin(catch_cancel(pending()));
            poll_fn(|cx| {
                assert!(scope.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            *theirs.lock().unwrap() = Some(scope);
            rest().await;
            catch_cancel(pending::<()>()).await.is_err()
        });
        queue.run_one();
        let scope = place.lock().unwrap().take().unwrap();
        let thread = thread::spawn(move || drop(scope));
        queue.run_one();
        assert!(task.cancel());
        thread.join().unwrap();
        queue.run_all();
        // The next scope has it, or the whole task, if the drop kept that from being polled.
        let outcome = task.try_outcome();
        assert!(matches!(outcome, Some(Ok(true) | Err(TaskError::Cancelled(_)))), "{outcome:?}");
    });
}

/// Two requests at once are two, and end the task once.
#[test]
fn cancel_and_cancel() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            let first = catch_cancel(pending::<()>()).await.is_err();
            (first, catch_cancel(pending::<()>()).await.is_err())
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        assert!(task.cancel());
        queue.run_one();
        assert!(thread.join().unwrap());
        queue.run_all();
        assert_eq!(task.cancelling(), 2);
        match task.try_outcome() {
            // Delivered together, or one after the other.
            None => assert!(task.cancel()),
            Some(Ok(caught)) => assert_eq!(caught, (true, true)),
            Some(other) => panic!("{other:?}"),
        }
        queue.run_all();
        assert_eq!(queue.ended(), 1);
    });
}

/// An abort during a seizure goes through the scheduler.
#[test]
fn cancel_and_abort() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            let _ = catch_cancel(pending::<()>()).await;
            pending::<()>().await;
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        assert!(task.abort());
        thread.join().unwrap();
        queue.run_all();
        assert!(is_cancelled(&mut task));
        assert_eq!(queue.ended(), 1);
    });
}

/// A task waits for another one, which ends while the request is on its way: it is interrupted, or gets
/// the output, or the other one is.
#[test]
fn cancel_and_join() {
    loom::model(|| {
        let queue = Queue::default();
        let inner = queue.spawn(async { 7 });
        let mut outer = queue.spawn(inner);
        let last = queue.take().unwrap();
        let first = queue.take().unwrap();
        last.run();
        let thread = cancel(outer.as_ref());
        first.run();
        let asked = thread.join().unwrap();
        queue.run_all();
        gives_seven_or_was(asked, &mut outer);
        assert_eq!(queue.ended(), 2);
    });
}

/// A task that waits for another one is cancelled while that one ends: the request goes there too late, or in time,
/// and whoever has it, the wait is over.
#[test]
fn cancel_and_awaited_task_ends() {
    loom::model(|| {
        let queue = Queue::default();
        let inner = queue.spawn(async { 7 });
        let mut outer = queue.spawn(inner);
        let inner_poll = queue.take().unwrap();
        queue.run_one();
        let thread = cancel(outer.as_ref());
        inner_poll.run();
        let asked = thread.join().unwrap();
        queue.run_all();
        gives_seven_or_was(asked, &mut outer);
        assert_eq!(queue.ended(), 2);
    });
}

/// A handle that a task waits at is dropped on another thread, while the awaited task ends there and a request is on
/// its way: the request goes to one of the two, and nothing is used after it is gone.
#[test]
fn cancel_and_awaited_handle_dropped_elsewhere() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Arc::new(Mutex::new(None::<Task<u32>>));
        let theirs = place.clone();
        let inner = queue.spawn(async { 7 });
        let mut outer = queue.spawn(async move {
            let mut inner = inner;
            poll_fn(|cx| {
                assert!(Pin::new(&mut inner).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            *theirs.lock().unwrap() = Some(inner);
            pending::<()>().await;
        });
        let inner_poll = queue.take().unwrap();
        queue.run_one();
        let inner = place.lock().unwrap().take().unwrap();
        let asked = inner.as_ref().clone();
        let thread = thread::spawn(move || {
            drop(inner);
            inner_poll.run();
        });
        assert!(outer.cancel());
        thread.join().unwrap();
        queue.run_all();
        if asked.cancelling() == 0 {
            assert!(is_cancelled(&mut outer));
        }
    });
}

/// Two tasks that await each other, cancelled from two threads.
#[test]
fn cancel_and_cancel_in_a_circle() {
    loom::model(|| {
        let queue = Queue::default();
        let places: [Arc<Mutex<Option<Task<()>>>>; 2] = Default::default();
        let tasks = [0, 1].map(|number| {
            let other = places[1 - number].clone();
            queue.spawn(async move {
                let other = other.lock().unwrap().take().unwrap();
                other.await;
            })
        });
        let references = tasks.each_ref().map(|task| task.as_ref().clone());
        for (place, task) in places.iter().zip(tasks) {
            *place.lock().unwrap() = Some(task);
        }
        queue.run_all();
        let thread = cancel(&references[0]);
        assert!(references[1].cancel());
        assert!(thread.join().unwrap());
        queue.run_all();
        assert!(references.iter().all(TaskRef::done), "they wait for each other");
    });
}

/// Whoever waits for a request is woken or sees it.
#[test]
fn cancel_and_watcher() {
    loom::model(|| {
        let queue = Queue::default();
        let task = queue.spawn(pending::<()>());
        let thread = cancel(task.as_ref());
        let mut waiting = Waiting::new(task.cancel_requested());
        let first = waiting.poll();
        assert!(thread.join().unwrap());
        waiting.output(first);
        queue.run_all();
    });
}

/// A request that is taken back before it is delivered is not, later it is.
#[test]
fn cancel_and_uncancel() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async {
            rest().await;
            7
        });
        queue.run_one();
        let thread = cancel(task.as_ref());
        task.uncancel();
        queue.run_one();
        assert!(thread.join().unwrap() || task.done());
        queue.run_all();
        assert!(matches!(task.try_outcome(), Some(Ok(7) | Err(TaskError::Cancelled(_)))));
        assert!(task.cancelling() <= 1);
    });
}
