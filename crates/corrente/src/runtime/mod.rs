//! Where scheduler, timers and reactor become one runtime.

mod builder;
pub(crate) mod current;
mod driver;
pub mod handle;
#[cfg(unix)]
mod interrupt;
mod long_wait;
mod run;
mod runner;
#[allow(clippy::module_inception)] // The type's own file.
mod runtime;
mod thread_future;

pub use builder::{BuildError, Builder};
pub use handle::{Handle, NoRunningLoop};
pub use run::{RunError, run, try_run};
pub use runner::Runner;
pub use runtime::Runtime;
pub use thread_future::{ThreadFuture, ThreadFutureError};
