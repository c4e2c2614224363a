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
pub fn shield<F>(future: F) -> Shield<Task<F::Output>, F::Output>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    Shield { task: ensure_future(future), leaving: None, _output: std::marker::PhantomData }
}

/// [`shield`] for a task that its owner keeps.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
pub fn shield_ref<T>(task: &mut Task<T>) -> Shield<&mut Task<T>, T> {
    Shield { task, leaving: None, _output: std::marker::PhantomData }
}

/// The future of [`shield`] and [`shield_ref`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Shield<H, T> {
    task: H,
    leaving: Option<Resume>,
    _output: std::marker::PhantomData<fn() -> T>,
}

impl<H, T> Unpin for Shield<H, T> {}

impl<H: AsTask<T>, T> Future for Shield<H, T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
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
pub trait AsTask<T> {
    fn task(&mut self) -> &mut Task<T>;
}

impl<T> AsTask<T> for Task<T> {
    fn task(&mut self) -> &mut Self {
        self
    }
}

impl<T> AsTask<T> for &mut Task<T> {
    fn task(&mut self) -> &mut Task<T> {
        self
    }
}

impl<H, T> fmt::Debug for Shield<H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shield")
    }
}
