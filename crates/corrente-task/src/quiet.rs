//! Debug builds check the rule that no user code runs under a lock or while a scope tree is borrowed.
//!
//! A [`Quiet`] marks such a stretch on this thread; [`assert_loud`] stands before every call of user code
//! (a poll, a destructor, a waker, a scheduler). In release builds both are nothing.

use std::cell::Cell;

corrente_shim::local! {
    static QUIET: Cell<bool> = Cell::new(false);
}

/// While it lives, user code must not run on this thread.
pub(crate) struct Quiet(());

impl Quiet {
    #[inline]
    pub fn begin() -> Self {
        if cfg!(debug_assertions) {
            let nested = QUIET.try_with(|quiet| quiet.replace(true)).unwrap_or(false);
            debug_assert!(!nested, "two locks or trees at once");
        }
        Self(())
    }
}

impl Drop for Quiet {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            let _ = QUIET.try_with(|quiet| quiet.set(false));
        }
    }
}

/// User code is about to be called.
#[inline]
pub(crate) fn assert_loud() {
    if cfg!(debug_assertions) {
        debug_assert!(
            !QUIET.try_with(Cell::get).unwrap_or(false),
            "user code is called under a lock of its task"
        );
    }
}
