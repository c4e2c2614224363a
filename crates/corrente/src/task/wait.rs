//! Waiting for some of several tasks, and telling those that are done from the others.

use crate::task::outcome::Outcome;
use crate::time::{Sleep, sleep};
use corrente_task::{Finished, Shared, Task, TaskRef};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// When [`wait`] comes back. asyncio: `return_when`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnWhen {
    /// When all have ended. asyncio: `ALL_COMPLETED`.
    #[default]
    #[doc(alias = "ALL_COMPLETED")]
    AllCompleted,
    /// When one has ended. asyncio: `FIRST_COMPLETED`.
    #[doc(alias = "FIRST_COMPLETED")]
    FirstCompleted,
    /// When one has ended with an `Err` or a panic, else when all have ended. One that was cancelled does
    /// not count. asyncio: `FIRST_EXCEPTION`.
    #[doc(alias = "FIRST_EXCEPTION")]
    FirstException,
}

/// [`wait`] was given nothing to wait for. asyncio: `ValueError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyWait(());

impl fmt::Display for EmptyWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wait was given no tasks: it would be over before it began, or never")
    }
}

impl std::error::Error for EmptyWait {}

/// What [`wait`] can wait for: a task, or a reference to one.
pub trait Waitable {
    /// The task.
    fn task_ref(&self) -> &TaskRef;
    /// True if it has ended with an error or a panic.
    fn failed(&self) -> bool;
}

impl<T: Outcome + Sync> Waitable for Task<T> {
    fn task_ref(&self) -> &TaskRef {
        self.as_ref()
    }
    fn failed(&self) -> bool {
        match self.result() {
            Ok(Ok(value)) => value.is_failure(),
            Ok(Err(error)) => !error.is_cancelled(),
            Err(_) => false,
        }
    }
}

impl<T: Outcome + Clone> Waitable for Shared<T> {
    fn task_ref(&self) -> &TaskRef {
        self
    }
    fn failed(&self) -> bool {
        match self.result() {
            Some(value) => value.is_failure(),
            None => self.done() && !self.cancelled(),
        }
    }
}

impl<W: Waitable> Waitable for &W {
    fn task_ref(&self) -> &TaskRef {
        (**self).task_ref()
    }
    fn failed(&self) -> bool {
        (**self).failed()
    }
}

impl<W: Waitable> Waitable for &mut W {
    fn task_ref(&self) -> &TaskRef {
        (**self).task_ref()
    }
    fn failed(&self) -> bool {
        (**self).failed()
    }
}

/// Without its type nobody can look into the outcome: never counts as failed.
impl Waitable for TaskRef {
    fn task_ref(&self) -> &TaskRef {
        self
    }
    fn failed(&self) -> bool {
        false
    }
}

/// Waits for tasks and gives them back in two lists: done and pending.
///
/// It raises nothing for a child, and cancels nothing: not when its own time is over, and not when it is
/// itself cancelled. It takes tasks, or references to them (`wait(&tasks)`).
/// asyncio: `wait`. Unlike there the lists keep the order of the arguments.
///
/// # Errors
///
/// [`EmptyWait`], if there is nothing to wait for.
///
/// # Cancel safety
///
/// Dropping it loses nothing; tasks that were given by value are detached.
///
/// # Examples
///
/// ```
/// use corrente::{ReturnWhen, create_task, sleep, wait};
/// use std::time::Duration;
///
/// corrente::run(async {
///     let tasks = vec![
///         create_task(async { 1 }),
///         create_task(async { sleep(Duration::from_secs(60)).await; 2 }),
///     ];
///     let (done, pending) = wait(tasks).return_when(ReturnWhen::FirstCompleted).await.unwrap();
///     assert_eq!((done.len(), pending.len()), (1, 1));
/// });
/// ```
pub fn wait<I>(tasks: I) -> Wait<I::Item>
where
    I: IntoIterator<Item: Waitable>,
{
    let seats = tasks
        .into_iter()
        .map(|item| {
            let finished = Some(item.task_ref().finished());
            Seat { item, finished }
        })
        .collect();
    Wait { seats, return_when: ReturnWhen::AllCompleted, limit: None, sleep: None }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct Wait<W> {
    seats: Vec<Seat<W>>,
    return_when: ReturnWhen,
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Seat<W> {
    item: W,
    /// None when it has ended.
    finished: Option<Finished>,
}

impl<W> Unpin for Wait<W> {}

impl<W: Waitable> Wait<W> {
    /// When to come back. asyncio: `return_when=`.
    pub fn return_when(mut self, return_when: ReturnWhen) -> Self {
        self.return_when = return_when;
        self
    }

    /// How long to wait at most. What is not done by then is pending, and undisturbed. asyncio: `timeout=`.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.limit = limit.into();
        self
    }

    fn enough(&mut self, cx: &mut Context<'_>) -> bool {
        let mut running = 0;
        let mut failed = false;
        for seat in &mut self.seats {
            let finished = seat.finished.as_mut();
            if finished.is_some_and(|finished| Pin::new(finished).poll(cx).is_pending()) {
                running += 1;
            } else {
                seat.finished = None;
                failed |= seat.item.failed();
            }
        }
        running == 0
            || match self.return_when {
                ReturnWhen::AllCompleted => false,
                ReturnWhen::FirstCompleted => running < self.seats.len(),
                ReturnWhen::FirstException => failed,
            }
    }
}

impl<W: Waitable> Future for Wait<W> {
    type Output = Result<(Vec<W>, Vec<W>), EmptyWait>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.seats.is_empty() {
            return Poll::Ready(Err(EmptyWait(())));
        }
        if !self.enough(cx) {
            if let Some(limit) = self.limit.take() {
                self.sleep = Some(Box::pin(sleep(limit)));
            }
            let over = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
            if !over {
                return Poll::Pending;
            }
        }
        let (done, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.seats).into_iter().partition(|seat| seat.finished.is_none());
        let items = |seats: Vec<Seat<W>>| seats.into_iter().map(|seat| seat.item).collect();
        Poll::Ready(Ok((items(done), items(pending))))
    }
}
