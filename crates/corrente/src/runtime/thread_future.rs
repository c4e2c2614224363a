//! A task as a plain thread sees it: it can block for its result.

use corrente_task::{Cancelled, Failed, Panicked, Task, TaskError, TaskRef};
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// A task that a thread outside of the runtime waits for. asyncio: the `concurrent.futures.Future` that
/// `run_coroutine_threadsafe` gives.
#[derive(Debug)]
pub struct ThreadFuture<T> {
    task: Task<T>,
}

/// Why a [`ThreadFuture`] gives no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum ThreadFutureError {
    /// The task was cancelled.
    Cancelled(Cancelled),
    /// The task panicked.
    Panicked(Panicked),
    /// The task was a child of a group, and failed.
    Failed(Failed),
    /// The time was over; the task runs on.
    TimedOut,
}

impl fmt::Display for ThreadFutureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => write!(f, "the task was {error}"),
            Self::Panicked(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the task has not ended in time, and runs on"),
        }
    }
}

impl std::error::Error for ThreadFutureError {}

impl From<TaskError> for ThreadFutureError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Cancelled(error) => Self::Cancelled(error),
            TaskError::Panicked(error) => Self::Panicked(error),
            TaskError::Failed(error) => Self::Failed(error),
            other => Self::Failed(Failed::new(other.to_string())),
        }
    }
}

impl<T> ThreadFuture<T> {
    pub(crate) fn new(task: Task<T>) -> Self {
        Self { task }
    }

    /// Blocks this thread until the task has ended.
    ///
    /// # Errors
    ///
    /// If the task was cancelled or panicked.
    ///
    /// # Panics
    ///
    /// Called by a task, whose worker it would block: await the task there.
    pub fn result(mut self) -> Result<T, ThreadFutureError> {
        assert!(
            !corrente_task::in_task(),
            "ThreadFuture::result blocks its thread and must not be called by a task: await the task"
        );
        futures_lite::future::block_on(std::future::poll_fn(|cx| self.task.poll_finished(cx)));
        self.take()
    }

    /// Like [`result`](Self::result), for at most `limit`.
    ///
    /// # Errors
    ///
    /// Also [`ThreadFutureError::TimedOut`].
    ///
    /// # Panics
    ///
    /// As [`result`](Self::result).
    pub fn result_timeout(&mut self, limit: Duration) -> Result<T, ThreadFutureError> {
        assert!(
            !corrente_task::in_task(),
            "ThreadFuture::result_timeout blocks its thread and must not be called by a task"
        );
        let end = Instant::now() + limit;
        let thread = std::thread::current();
        let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(thread)));
        let mut cx = std::task::Context::from_waker(&waker);
        while self.task.poll_finished(&mut cx).is_pending() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ThreadFutureError::TimedOut);
            }
            std::thread::park_timeout(left);
        }
        self.take()
    }

    fn take(&mut self) -> Result<T, ThreadFutureError> {
        match self.task.try_outcome() {
            Some(outcome) => outcome.map_err(Into::into),
            None => panic!("this ThreadFuture has given its result before"),
        }
    }

    /// The task, to await it in another.
    pub fn into_task(self) -> Task<T> {
        self.task
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Deref for ThreadFuture<T> {
    type Target = TaskRef;
    fn deref(&self) -> &TaskRef {
        &self.task
    }
}
