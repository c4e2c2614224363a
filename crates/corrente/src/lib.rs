//! A work-stealing multi-threaded async runtime with the API of Python's asyncio.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod book;
pub mod net;
mod runtime;
#[cfg(unix)]
pub mod signal;
pub mod stream;
mod task;
pub mod testing;
mod thread;
mod time;

pub use corrente_macros::{main, test};
pub use corrente_scheduler::{
    BlockingMetrics, LongPoll, Metrics, ShutdownReport, Stall, WorkerMetrics,
};
pub use corrente_sync as sync;
pub use corrente_task::{
    Cancelled, CatchCancel, Context, ContextVar, Failed, NotDone, Outcome as TaskOutcome, Panicked,
    Shared, SharedContext, Task, TaskError, TaskId, TaskRef, Token, Unobserved, What, catch_cancel,
    current as current_task, on_cancel, uncancellable, with_cleanup,
};
pub use runtime::{
    BuildError, Builder, Handle, NoRunningLoop, RunError, Runner, Runtime, ThreadFuture,
    ThreadFutureError, run, try_run,
};
pub use stream::{
    DuplexStream, Server, StreamReader, StreamWriter, duplex, open_connection, start_server,
};
#[cfg(unix)]
pub use stream::{open_unix_connection, start_unix_server};
pub use task::as_completed::{AsCompleted, as_completed};
pub use task::callback::{CallHandle, DoneCallback, DoneCallbacks, TimerHandle};
pub use task::create::{
    TaskBuilder, YieldNow, create_local_task, create_task, ensure_future, yield_now,
};
pub use task::error_group::{Error, ErrorGroup};
pub use task::future::{CallbackKey, Future, FutureWait, InvalidStateError};
pub use task::gather::{Gather, TryGather, gather, outcomes, try_gather};
pub use task::group::{ChildBuilder, GroupClosed, TaskGroup};
pub use task::outcome::Outcome;
pub use task::shield::{Shield, shield, shield_ref};
pub use task::wait::{EmptyWait, ReturnWhen, Wait, Waitable, wait};
pub use thread::{ExecutorFuture, ExecutorJob, blocking, run_in_executor, to_thread};
pub use time::{
    Deadline, DeadlineError, Sleep, SleepWith, Timeout, TimeoutError, sleep, sleep_until,
    sleep_with, timeout, timeout_at, timeout_scope, timeout_scope_at, wait_for,
};

/// Reading and writing: the traits of `futures-io`, and what `futures-lite` makes of them.
pub mod io {
    pub use futures_lite::io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
        AsyncWrite, AsyncWriteExt, BufReader, BufWriter, copy,
    };
}

/// The running runtime, asyncio's loop.
///
/// asyncio: `get_running_loop()`.
///
/// # Errors
///
/// [`NoRunningLoop`], if none runs on this thread.
pub fn get_running_loop() -> Result<Handle, NoRunningLoop> {
    Handle::current()
}

/// The tasks of the current runtime that have not ended, main included. asyncio: `all_tasks()`.
///
/// # Panics
///
/// Outside of a runtime; use [`Handle::all_tasks`] there.
pub fn all_tasks() -> Vec<TaskRef> {
    runtime::current::with("all_tasks", Handle::all_tasks)
}

/// What the attributes expand to.
#[doc(hidden)]
pub mod __private {
    use crate::Builder;
    pub use crate::task::branches::{Branch, join, select};

    /// As `corrente::run`, with settings.
    #[track_caller]
    pub fn run<F: std::future::Future>(builder: Builder, main: F) -> F::Output {
        match builder.run(main) {
            Ok(output) => output,
            Err(error) => panic!("the main function has no result to return, since {error}"),
        }
    }
}
