//! Futures that wait for something to happen to a task: that it ends, that somebody asks it to stop.

use crate::task_ref::TaskRef;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Names one [`TaskRef::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchKey(pub(crate) u64);

/// The future of [`TaskRef::finished`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct Finished {
    task: TaskRef,
    key: Option<u64>,
}

impl Finished {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self { task, key: None }
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            let old = self.task.header().notes().shared(|shared| shared.observers.remove(key));
            drop(old);
        }
    }
}

impl Future for Finished {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.task.done() {
            self.forget();
            return Poll::Ready(());
        }
        let header = self.task.header();
        let notes = header.notes();
        let waits = |key| notes.shared(|shared| shared.observers.has(key, cx.waker()));
        if self.key.is_some_and(waits) {
            return Poll::Pending;
        }
        let (waker, before) = (cx.waker().clone(), self.key);
        let (old, key) = notes.shared(|shared| {
            let old = before.and_then(|key| shared.observers.remove(key));
            (old, shared.observers.insert(waker))
        });
        drop(old);
        // On the list before the bit is set: whoever completes the task later sees both.
        let in_time = header.state.set_observers();
        self.key = Some(key);
        if in_time {
            return Poll::Pending;
        }
        self.forget();
        Poll::Ready(())
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The future of [`TaskRef::cancel_requested`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct CancelRequested {
    task: TaskRef,
    key: Option<u64>,
}

impl CancelRequested {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self { task, key: None }
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            let old = self.task.header().notes().shared(|shared| shared.watchers.remove(key));
            drop(old);
        }
    }
}

impl Future for CancelRequested {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = &self.task;
        let notes = task.header().notes();
        let before = self.key;
        let waits = |key| notes.shared(|shared| shared.watchers.has(key, cx.waker()));
        if task.cancelling() == 0 && before.is_some_and(waits) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let (poll, old, key, waker) = notes.shared(|shared| {
            let old = before.and_then(|key| shared.watchers.remove(key));
            // A task that has ended will not be asked any more, and would keep the waker for ever. (It
            // is marked as over before its watchers are taken from the list.)
            match (shared.requests > 0, task.done()) {
                (true, _) => (Poll::Ready(()), old, None, Some(waker)),
                (false, true) => (Poll::Pending, old, None, Some(waker)),
                (false, false) => (Poll::Pending, old, Some(shared.watchers.insert(waker)), None),
            }
        });
        self.key = key;
        drop((old, waker));
        poll
    }
}

impl Drop for CancelRequested {
    fn drop(&mut self) {
        self.forget();
    }
}
