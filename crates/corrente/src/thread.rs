//! Work on other threads: blocking functions.

use crate::runtime::current;
use crate::task::shield::shield_ref;
use corrente_task::{Options, Task};
use std::future::Future;

/// Calls a blocking function on a thread of its own, and waits for what it returns.
///
/// The function sees a copy of the caller's context, taken here. When the caller is cancelled it goes on
/// at once: a function that has not begun is never called, one that has runs to its end, and its result is
/// dropped. asyncio: `to_thread`.
///
/// # Panics
///
/// Outside of a runtime; awaited, if the function panicked.
///
/// # Cancel safety
///
/// Dropping the future does what a cancel does.
///
/// # Examples
///
/// ```
/// corrente::run(async {
///     let sum = corrente::to_thread(|| (1..=1000).sum::<u32>()).await;
///     assert_eq!(sum, 500_500);
/// });
/// ```
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn to_thread<R: Send + 'static>(
    function: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = R> + Send {
    let task = current::with("to_thread", |handle| handle.blocking(function, Options::default()));
    let mut job = Job { task };
    // A join that is no scope: a cancel drops it where it waits, and the guard takes the job back.
    async move { shield_ref(&mut job.task).await }
}

struct Job<R> {
    task: Task<R>,
}

impl<R> Drop for Job<R> {
    fn drop(&mut self) {
        // Does nothing to a function that has begun: its poll is that call, and it ends by itself.
        self.task.abort();
    }
}
