//! Waiting for a task that a cancel of the waiter must not reach.

use crate::task::create::ensure_future;
use corrente_task::{Resume, Task, TaskError};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Waits for a task; a cancel of the waiter interrupts the wait and leaves the task alone.
///
/// Takes a task, or a future, of which it makes one. The shutdown of the runtime still reaches it.
/// asyncio: `shield`. To wait for the task again after an interruption, keep it and shield a borrow:
/// `shield_ref(&mut task)`.
///
/// # Panics
///
/// Outside of a runtime, if it has to make a task; awaited, if the task panicked.
///
/// # Cancel safety
///
/// Dropping it detaches the task.
#[track_caller]
pub fn shield<F>(future: F) -> Shield<Task<F::Output>>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    Shield { task: ensure_future(future), leaving: None }
}

/// [`shield`] for a task that its owner keeps.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
pub fn shield_ref<T>(task: &mut Task<T>) -> Shield<&mut Task<T>> {
    Shield { task, leaving: None }
}

/// The future of [`shield`] and [`shield_ref`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shield<H> {
    task: H,
    leaving: Option<Resume>,
}

impl<H> Unpin for Shield<H> {}

impl<H: AsTask> Future for Shield<H> {
    type Output = H::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<H::Output> {
        if self.leaving.is_none() {
            let task = self.task.task();
            ready!(task.poll_finished(cx));
            match task.try_outcome() {
                Some(Ok(value)) => return Poll::Ready(value),
                Some(Err(TaskError::Panicked(panic))) => panic.resume(),
                Some(Err(TaskError::Cancelled(cancelled))) => {
                    self.leaving = Some(cancelled.resume())
                }
                Some(Err(error)) => panic!("the shielded task {error}"),
                None => panic!("the shielded task had given its output before"),
            }
        }
        match &mut self.leaving {
            Some(leaving) => Pin::new(leaving).poll(cx).map(|never| match never {}),
            None => Poll::Pending,
        }
    }
}

/// A task, or a borrow of one.
#[doc(hidden)]
pub trait AsTask {
    type Output;
    fn task(&mut self) -> &mut Task<Self::Output>;
}

impl<T> AsTask for Task<T> {
    type Output = T;
    fn task(&mut self) -> &mut Self {
        self
    }
}

impl<T> AsTask for &mut Task<T> {
    type Output = T;
    fn task(&mut self) -> &mut Task<T> {
        self
    }
}

impl<H> fmt::Debug for Shield<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shield")
    }
}
