//! Which tasks may be let go: those whose output is no loss, or is an error that can be reported.

use std::fmt::Debug;

/// An output that nobody has to look at.
#[diagnostic::on_unimplemented(
    message = "a task that returns `{Self}` cannot be detached: its value would be lost",
    label = "only tasks of `()` and of `Result` can be detached",
    note = "await the task, keep it, or throw its value away knowingly with `drop(task)`"
)]
pub trait Detach {
    /// True if it may be an error.
    const MAY_FAIL: bool = false;

    /// The error's text, if it is one.
    fn error_text(&self) -> Option<String> {
        None
    }
}

impl Detach for () {}

/// What a function that never returns returns. The type `!` has no name yet on stable Rust, but the output
/// of a function type has.
pub type Never = <fn() -> ! as Returns>::Output;

/// Names the output of a function type.
#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// A loop without an end.
impl Detach for Never {}

impl<T, E: Debug> Detach for Result<T, E> {
    const MAY_FAIL: bool = true;

    fn error_text(&self) -> Option<String> {
        // Debug, since not every error can be displayed, but hardly any cannot be shown at all.
        self.as_ref().err().map(|error| format!("{error:?}"))
    }
}
