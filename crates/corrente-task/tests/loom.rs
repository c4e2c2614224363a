//! Models of what races at one task: wakes, ends, handles and waiters, in every interleaving, by loom.
//!
//! `RUSTFLAGS="--cfg corrente_loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release -p corrente-task
//! --test loom --target-dir target/loom-corrente-task`
//!
//! Cancels have models of their own, in `loom_cancel.rs`. The bugs in `planted/` must each turn one red.
#![cfg(corrente_loom)]

mod model;

use corrente_task::{Task, TaskError};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use model::{Queue, Waiting};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

type Place = Arc<Mutex<Option<Waker>>>;

/// A task that rests, and its waker. It is done when it finds all flags set. The flags are read and
/// written without any order of their own.
fn waits_for(queue: &Queue, flags: &Arc<[AtomicBool]>) -> (Task<u32>, Waker) {
    let (place, flags) = (Place::default(), flags.clone());
    let theirs = place.clone();
    let mut polls = 0;
    let task = queue.spawn(poll_fn(move |cx| {
        polls += 1;
        if polls == 1 {
            *theirs.lock().unwrap() = Some(cx.waker().clone());
        }
        match flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
            true => Poll::Ready(polls),
            false => Poll::Pending,
        }
    }));
    assert!(queue.run_one());
    let waker = place.lock().unwrap().take().unwrap();
    (task, waker)
}

fn flags<const N: usize>() -> Arc<[AtomicBool]> {
    Arc::new([(); N].map(|()| AtomicBool::new(false)))
}

/// The output of a task that has ended with one.
fn output<T>(mut task: Task<T>) -> T {
    match task.try_outcome() {
        Some(Ok(output)) => output,
        Some(Err(error)) => panic!("{error}"),
        None => panic!("the task has not ended"),
    }
}

/// What was written before a wake is seen by a poll after it, also if the task was woken already.
#[test]
fn wake_and_poll() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<2>());
        let (task, waker) = waits_for(&queue, &flags);
        let (other, theirs) = (waker.clone(), flags.clone());
        let thread = thread::spawn(move || {
            theirs[0].store(true, Ordering::Relaxed);
            other.wake();
        });
        flags[1].store(true, Ordering::Relaxed);
        waker.wake_by_ref();
        queue.run_one();
        thread.join().unwrap();
        queue.run_all();
        assert!(output(task) <= 3, "one poll a wake");
        drop(waker);
        assert_eq!(queue.ended(), 1);
    });
}

/// A task that wakes itself is polled again, whoever else wakes it meanwhile, and only once for both.
#[test]
fn self_wake_and_wake() {
    loom::model(|| {
        let queue = Queue::default();
        let place = Place::default();
        let theirs = place.clone();
        let mut polls = 0;
        let task = queue.spawn(poll_fn(move |cx| {
            polls += 1;
            match polls {
                1 => *theirs.lock().unwrap() = Some(cx.waker().clone()),
                2 => cx.waker().wake_by_ref(),
                _ => return Poll::Ready(polls),
            }
            Poll::Pending
        }));
        queue.run_one();
        let waker = place.lock().unwrap().take().unwrap();
        waker.wake_by_ref();
        let thread = thread::spawn(move || waker.wake());
        queue.run_one();
        thread.join().unwrap();
        queue.run_all();
        assert_eq!(output(task), 3);
        assert_eq!(queue.ended(), 1);
    });
}

/// Two threads wake; a third one polls what they made.
#[test]
fn two_wakes_and_poll() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<2>());
        let (task, waker) = waits_for(&queue, &flags);
        let threads = [0, 1].map(|number| {
            let (waker, flags) = (waker.clone(), flags.clone());
            thread::spawn(move || {
                flags[number].store(true, Ordering::Relaxed);
                waker.wake_by_ref();
            })
        });
        drop(waker);
        queue.run_one();
        for thread in threads {
            thread.join().unwrap();
        }
        queue.run_all();
        output(task);
    });
}

/// A wake that comes while the task ends does nothing, and frees nothing twice.
#[test]
fn wake_and_complete() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (task, waker) = waits_for(&queue, &flags);
        drop(task);
        flags[0].store(true, Ordering::Relaxed);
        waker.wake_by_ref();
        let other = waker.clone();
        let thread = thread::spawn(move || other.wake());
        queue.run_one();
        drop(waker);
        thread.join().unwrap();
        queue.run_all();
        assert_eq!(queue.ended(), 1);
    });
}

/// Whoever awaits a task gets its output or is woken to get it.
#[test]
fn join_and_complete() {
    loom::model(|| {
        let queue = Queue::default();
        let task = queue.spawn(async { 7 });
        let runs = queue.clone();
        let thread = thread::spawn(move || runs.run_all());
        let mut waiting = Waiting::new(task.outcome());
        let first = waiting.poll();
        thread.join().unwrap();
        assert!(matches!(waiting.output(first), Ok(7)));
    });
}

/// The same for one that has waited before, with another waker.
#[test]
fn join_again_and_complete() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (mut task, waker) = waits_for(&queue, &flags);
        assert!(
            task.poll_finished(&mut std::task::Context::from_waker(Waker::noop())).is_pending()
        );
        let runs = queue.clone();
        let thread = thread::spawn(move || {
            flags[0].store(true, Ordering::Relaxed);
            waker.wake();
            runs.run_all();
        });
        let mut waiting = Waiting::new(task.outcome());
        let first = waiting.poll();
        thread.join().unwrap();
        assert!(matches!(waiting.output(first), Ok(2)));
    });
}

/// An output is dropped once, by the handle or by who ends the task.
#[test]
fn handle_drop_and_complete() {
    loom::model(|| {
        let queue = Queue::default();
        let output = model::Watch::new(pending::<()>());
        let mut task = queue.spawn(async move { output });
        let mut count = Waiting::new(poll_fn(|cx| task.poll_finished(cx)));
        assert!(count.poll().is_pending());
        drop(count);
        let thread = thread::spawn(move || drop(task));
        queue.run_all();
        thread.join().unwrap();
        assert_eq!(queue.ended(), 1);
    });
}

/// The last of several references ends a task that rests and frees it, whichever it is.
#[test]
fn last_waker() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (task, waker) = waits_for(&queue, &flags);
        let others = waker.clone();
        let thread = thread::spawn(move || drop(others));
        drop(task);
        drop(waker);
        thread.join().unwrap();
        assert_eq!(queue.ended(), 1);
    });
}

/// One reference is dropped, another one is used.
#[test]
fn last_waker_is_used() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (task, waker) = waits_for(&queue, &flags);
        drop(task);
        let (others, runs) = (waker.clone(), queue.clone());
        let thread = thread::spawn(move || {
            others.wake();
            runs.run_all();
        });
        drop(waker);
        thread.join().unwrap();
        queue.run_all();
        assert_eq!(queue.ended(), 1);
    });
}

/// An abort ends a task whatever it is doing, once.
#[test]
fn abort_and_poll() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(pending::<()>());
        let aborts = task.as_ref().clone();
        let thread = thread::spawn(move || assert!(aborts.abort()));
        queue.run_one();
        thread.join().unwrap();
        queue.run_all();
        assert_eq!(queue.ended(), 1);
        assert!(matches!(task.try_outcome(), Some(Err(TaskError::Cancelled(_)))));
    });
}

#[test]
fn abort_and_complete() {
    loom::model(|| {
        let queue = Queue::default();
        let mut task = queue.spawn(async { 7 });
        let aborts = task.as_ref().clone();
        let thread = thread::spawn(move || aborts.abort());
        queue.run_one();
        let aborted = thread.join().unwrap();
        queue.run_all();
        assert_eq!(queue.ended(), 1);
        match task.try_outcome() {
            Some(Ok(7)) => {}
            Some(Err(TaskError::Cancelled(_))) => assert!(aborted),
            other => panic!("{other:?}"),
        }
    });
}

/// A shutdown ends a task that rests or lies in a queue at once, one that is polled after the poll.
#[test]
fn end_now_and_run() {
    loom::model(|| {
        let queue = Queue::default();
        let task = queue.spawn(pending::<()>());
        let ends = task.as_ref().clone();
        let thread = thread::spawn(move || {
            let over = ends.end_now();
            assert_eq!(over, over && ends.done());
        });
        queue.run_one();
        thread.join().unwrap();
        // If it was being polled, that poll has ended it.
        assert_eq!((queue.ended(), task.cancelled()), (1, true));
        queue.run_all();
        assert_eq!(queue.ended(), 1);
    });
}

#[test]
fn end_now_twice_and_wake() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (task, waker) = waits_for(&queue, &flags);
        let ends = task.as_ref().clone();
        let thread = thread::spawn(move || ends.end_now());
        waker.wake();
        task.end_now();
        thread.join().unwrap();
        queue.run_all();
        assert_eq!((queue.ended(), task.cancelled()), (1, true));
    });
}

/// Whoever waits for the end is woken or sees it.
#[test]
fn observers_and_complete() {
    loom::model(|| {
        let queue = Queue::default();
        let task = queue.spawn(async {});
        let runs = queue.clone();
        let thread = thread::spawn(move || runs.run_all());
        let mut waiting = Waiting::new(task.finished());
        let first = waiting.poll();
        thread.join().unwrap();
        waiting.output(first);
    });
}

/// Two observers come first, at the same time, and make the notes.
#[test]
fn two_first_observers() {
    loom::model(|| {
        let queue = Queue::default();
        let task = queue.spawn(async {});
        let watches = task.as_ref().clone();
        let thread = thread::spawn(move || {
            let mut waiting = Waiting::new(watches.finished());
            let first = waiting.poll();
            (waiting, first)
        });
        let mut mine = Waiting::new(task.finished());
        let first = mine.poll();
        let (theirs, their_first) = thread.join().unwrap();
        queue.run_all();
        mine.output(first);
        theirs.output(their_first);
    });
}

/// The right to poll is dropped while others hold the cell for a moment.
#[test]
fn runnable_drop_and_cancel() {
    loom::model(|| {
        let (queue, flags) = (Queue::default(), flags::<1>());
        let (task, waker) = waits_for(&queue, &flags);
        waker.wake();
        let cancels = task.as_ref().clone();
        let thread = thread::spawn(move || cancels.cancel());
        drop(queue.take());
        thread.join().unwrap();
        while let Some(runnable) = queue.take() {
            drop(runnable);
        }
        assert_eq!((queue.ended(), task.cancelled()), (1, true));
    });
}
