//! Several runs on one runtime that stands still between them.

use crate::runtime::builder::{BuildError, Builder};
use crate::runtime::handle::Handle;
use crate::runtime::run::RunError;
use crate::runtime::runtime::Runtime;
use corrente_task::{ContextChoice, Options, SharedContext};
use std::fmt;
use std::future::IntoFuture;

/// Runs one main future after the other on one runtime.
///
/// Between two runs everything stands still, as asyncio's loop does: background tasks freeze and go on in
/// the next run. All runs share one context. asyncio: `Runner`.
///
/// # Examples
///
/// ```
/// use corrente::Runner;
///
/// let mut runner = Runner::new()?;
/// assert_eq!(runner.run(async { 1 })?, 1);
/// assert_eq!(runner.run(async { 2 })?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runner {
    runtime: Option<Runtime>,
    context: SharedContext,
}

impl Runner {
    /// A runner with the settings of [`run`](crate::run).
    ///
    /// # Errors
    ///
    /// If the runtime cannot be started.
    pub fn new() -> Result<Self, BuildError> {
        Builder::new().runner()
    }

    pub(crate) fn from_runtime(runtime: Runtime) -> Self {
        runtime.pause();
        let context = SharedContext::new(corrente_task::Context::current());
        Self { runtime: Some(runtime), context }
    }

    /// Runs `main`, and what is left of earlier runs beside it.
    ///
    /// # Errors
    ///
    /// [`RunError`], also if the runner was closed.
    ///
    /// # Panics
    ///
    /// If `main` panics, with that panic.
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> Result<F::Output, RunError> {
        let runtime = self.runtime.as_ref().ok_or(RunError::Closed)?;
        if corrente_scheduler::Handle::current().is_some() {
            return Err(RunError::Nested);
        }
        let options = Options {
            name: Some("main".into()),
            context: ContextChoice::Shared(self.context.clone()),
            ..Options::default()
        };
        struct Pause<'a>(&'a Runtime);
        impl Drop for Pause<'_> {
            fn drop(&mut self) {
                self.0.pause();
            }
        }
        runtime.resume();
        let _pause = Pause(runtime);
        runtime.drive(main.into_future(), options)
    }

    /// The runtime's handle; None after [`close`](Self::close). asyncio: `get_loop`.
    #[doc(alias = "get_loop")]
    pub fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    /// Ends the runtime: what is left is cancelled and may clean up. Closing twice does nothing.
    pub fn close(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.resume();
            drop(runtime);
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.runtime.is_some() { "Runner" } else { "Runner(closed)" })
    }
}
