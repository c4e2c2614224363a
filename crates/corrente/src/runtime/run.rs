//! From a program to a runtime and back.

use crate::runtime::builder::{BuildError, Builder};
use corrente_scheduler::BlockOnError;
use corrente_task::{Cancelled, Options};
use std::fmt;
use std::future::IntoFuture;

/// Runs an async program: makes a runtime with a worker for each core, runs `main`, and ends it.
///
/// When `main` has ended, with a value or a panic, all other tasks are cancelled once and may clean up;
/// then the runtime ends. `main` runs on the calling thread; it may borrow and need not be `Send`.
///
/// On the program's main thread the first Ctrl-C cancels `main`; if that ends cancelled the process dies of
/// the signal after all clean-ups. A second one ends it at once. A program that listens for the signal
/// itself ([`signal`](crate::signal)) is left alone.
/// asyncio: `asyncio.run(main())`.
///
/// # Panics
///
/// If `main` panics, with that panic. If `main` was cancelled, or the runtime cannot be started, or this
/// thread is in one already, there is no value to return: [`try_run`] gives these as errors.
///
/// # Examples
///
/// ```
/// let answer = corrente::run(async { 6 * 7 });
/// assert_eq!(answer, 42);
/// ```
#[doc(alias("asyncio", "block_on"))]
#[track_caller]
pub fn run<F: IntoFuture>(main: F) -> F::Output {
    match run_in(Builder::new(), main) {
        Ok(output) => output,
        Err(error) => panic!(
            "corrente::run has no result to return, since {error}; `try_run` returns this as an error"
        ),
    }
}

/// [`run`], with an error where there is no value.
///
/// # Errors
///
/// [`RunError`], if `main` was cancelled, the runtime cannot be started, or this thread is in one already.
///
/// # Panics
///
/// If `main` panics, with that panic.
#[track_caller]
pub fn try_run<F: IntoFuture>(main: F) -> Result<F::Output, RunError> {
    run_in(Builder::new(), main)
}

#[track_caller]
pub(crate) fn run_in<F: IntoFuture>(builder: Builder, main: F) -> Result<F::Output, RunError> {
    if corrente_scheduler::Handle::current().is_some() {
        return Err(RunError::Nested);
    }
    let options = Options { name: Some("main".into()), ..Options::default() };
    let runtime = builder.build().map_err(RunError::Start)?;
    let main = main.into_future();
    #[cfg(unix)]
    let (main, interrupted) = crate::runtime::interrupt::Interruptible::new(main);
    let result = runtime.drive(main, options);
    #[cfg(unix)]
    if matches!(result, Err(RunError::Cancelled(_))) {
        drop(runtime);
        interrupted.die_of_it();
    }
    result
}

/// Why a run has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// `main` was cancelled.
    Cancelled(Cancelled),
    /// The runtime could not be started.
    Start(BuildError),
    /// This thread is in a runtime already. asyncio: `RuntimeError`.
    Nested,
    /// The runner was closed. asyncio: `RuntimeError`.
    Closed,
    /// The scheduler refused.
    BlockOn(BlockOnError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(cancelled) => write!(f, "the main future was {cancelled}"),
            Self::Start(error) => write!(f, "the runtime could not be started: {error}"),
            Self::Nested => f.write_str(
                "this thread runs a runtime already: await the future here, make a task of it, or use \
                 another thread",
            ),
            Self::Closed => f.write_str("the runner was closed: make a new one"),
            Self::BlockOn(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cancelled(error) => Some(error),
            Self::Start(error) => Some(error),
            Self::BlockOn(error) => Some(error),
            Self::Nested | Self::Closed => None,
        }
    }
}
