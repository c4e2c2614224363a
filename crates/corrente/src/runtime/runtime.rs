//! A runtime as a value.

use crate::runtime::current;
use crate::runtime::handle::Handle;
use crate::runtime::run::RunError;
use crate::task::callback::CallHandle;
use corrente_scheduler::{BlockOnError, Metrics, Pool, ShutdownReport};
use corrente_task::{Options, Task, TaskError};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::time::Duration;

/// Workers, timers and sockets: what tasks run on.
///
/// Most programs call [`run`](crate::run) and never see it. A `Runtime` is for those who keep one: tasks
/// go on between two calls of [`block_on`](Self::block_on), on all workers but the one that is lent by the
/// caller (so with one worker nothing runs between the calls).
///
/// # Its end
///
/// | how it ends | what happens |
/// |---|---|
/// | [`shutdown`](Self::shutdown) | tasks are cancelled and may clean up, within the limit; then all is dropped, with a report |
/// | dropped by a plain thread | the same, with the limit of [`Builder::shutdown_timeout`](crate::Builder::shutdown_timeout) |
/// | dropped in one of its own tasks, or in another runtime's | the same in the background; no worker is blocked |
///
/// asyncio: a loop that is run again and again.
pub struct Runtime {
    pool: Option<Pool>,
    handle: Handle,
    limit: Duration,
}

impl Runtime {
    pub(crate) fn new(pool: Pool, handle: Handle, limit: Duration) -> Self {
        Self { pool: Some(pool), handle, limit }
    }

    fn pool(&self) -> &Pool {
        match &self.pool {
            Some(pool) => pool,
            None => unreachable!("the pool is taken when the runtime ends, by value"),
        }
    }

    /// The runtime as all threads may hold it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `main` on this thread, which is the first worker meanwhile. Background tasks go on afterwards.
    ///
    /// `main` may borrow, and need not be `Send`. asyncio: `loop.run_until_complete`.
    ///
    /// # Errors
    ///
    /// [`RunError`], if `main` was cancelled, or this thread is in a runtime already.
    ///
    /// # Panics
    ///
    /// If `main` panics, with that panic.
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, main: F) -> Result<F::Output, RunError> {
        self.drive(main.into_future(), Options::default())
    }

    pub(crate) fn drive<F: Future>(
        &self,
        main: F,
        options: Options,
    ) -> Result<F::Output, RunError> {
        // Only for the thread that lends itself as a worker; the start hook is for the others.
        let _entered = match corrente_scheduler::Handle::current() {
            Some(_) => None,
            None => Some(current::enter(self.handle.clone())),
        };
        match self.pool().block_on(main, options) {
            Ok(output) => Ok(output),
            Err(BlockOnError::Task(TaskError::Cancelled(cancelled))) => {
                Err(RunError::Cancelled(cancelled))
            }
            Err(BlockOnError::Task(TaskError::Panicked(panic))) => panic.resume(),
            Err(error) => Err(RunError::BlockOn(error)),
        }
    }

    /// See [`Handle::create_task`].
    #[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
    {
        self.handle.create_task(future)
    }

    /// See [`Handle::call_soon`].
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> CallHandle {
        self.handle.call_soon(callback)
    }

    /// What the workers have done so far.
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    pub(crate) fn pause(&self) {
        self.pool().pause();
    }

    pub(crate) fn resume(&self) {
        self.pool().resume();
    }

    /// Ends the runtime: cancels all tasks once and waits for their clean-ups, then drops what is left and
    /// joins the threads; all of it within `limit`, and at most 50 ms more for polls that have begun.
    ///
    /// Called in a task it does so in the background and says so in the report.
    pub fn shutdown(mut self, limit: Duration) -> ShutdownReport {
        self.limit = limit;
        self.end()
    }

    fn end(&mut self) -> ShutdownReport {
        let Some(pool) = self.pool.take() else { return ShutdownReport::default() };
        let limit = self.limit;
        let busy = corrente_scheduler::Handle::current().is_some() || corrente_task::in_task();
        if !busy && !current::is_torn_down() {
            return cancel_then_end(pool, &self.handle, limit);
        }
        // On a worker nothing may be waited for, and a thread in its last destructors cannot be in a runtime
        // any more, which clean-ups need. They get their chance on a thread of their own.
        let handle = self.handle.clone();
        let started = std::thread::Builder::new()
            .name("corrente-shutdown".to_owned())
            .spawn(move || cancel_then_end(pool, &handle, limit));
        // If there was no thread to be had the closure is gone, and the pool with it: it was dropped, in the
        // background, without clean-ups.
        if let (false, Ok(ending)) = (busy, started) {
            return ending.join().unwrap_or_default();
        }
        let mut report = ShutdownReport::default();
        report.in_background = true;
        report
    }
}

/// When the time is over, whoever is in the middle of a poll gets so long to leave it: a short poll is no reason to
/// report a task as unfinished.
const LAST_POLLS: Duration = Duration::from_millis(50);

/// asyncio's end: one round of cancels, then wait; then, bounded, the hard end.
fn cancel_then_end(pool: Pool, handle: &Handle, limit: Duration) -> ShutdownReport {
    let begin = std::time::Instant::now();
    let tasks = handle.all_tasks();
    if !tasks.is_empty() {
        let entered = current::enter(handle.clone());
        let cancelled = async {
            for task in &tasks {
                task.cancel();
            }
            let all = async {
                for task in &tasks {
                    task.finished().await;
                }
            };
            let _ = crate::timeout(limit, all).await;
        };
        let _ = pool.block_on(cancelled, Options::default());
        drop(entered);
    }
    let mut ready = Vec::new();
    let report = pool.shutdown(limit.saturating_sub(begin.elapsed()).max(LAST_POLLS));
    handle.timers().close(&mut ready);
    ready.into_iter().for_each(std::task::Waker::wake);
    report
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let report = self.end();
        if !report.is_clean() {
            eprintln!("corrente: {report}");
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}
