//! Futures that may not leave their thread, in cells that may.
//!
//! A cell with such a future is referred to from every thread (wakers, TaskRefs, Runnables), but the
//! future inside is wrapped in [`Bound`], which remembers its home thread: it refuses to be polled
//! elsewhere, and if it is dropped elsewhere it is leaked instead, which is safe. It comes to that only if
//! a scheduler drops a Runnable on the wrong thread: an abort, a cancel and the end of the last reference
//! go through the scheduler, which brings the Runnable home.

use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

use corrente_shim::atomic::Counter;

static THREADS: Counter = Counter::new(1);

corrente_shim::local! {
    /// This thread's number; none yet if 0.
    static NUMBER: Cell<u64> = Cell::new(0);
}

fn this_thread() -> u64 {
    NUMBER
        .try_with(|number| {
            if number.get() == 0 {
                number.set(THREADS.take(1));
            }
            number.get()
        })
        // A thread that is being torn down is nobody's home.
        .unwrap_or(0)
}

/// A future bound to the thread that made it.
///
/// It has a box of its own, the one exception to "one allocation per task": should it have to be leaked,
/// the cell must not be freed or reused under it, because a pinned future may count on being dropped
/// before its memory goes (something else may point into it).
pub(crate) struct Bound<F> {
    home: u64,
    inner: ManuallyDrop<Pin<Box<F>>>,
}

impl<F> Bound<F> {
    pub fn new(inner: F) -> Self {
        Self { home: this_thread(), inner: ManuallyDrop::new(Box::pin(inner)) }
    }

    fn is_home(&self) -> bool {
        self.home != 0 && self.home == this_thread()
    }
}

impl<F: Future> Future for Bound<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert!(
            self.is_home(),
            "a local task was run on a thread that is not its own: this is a bug in its scheduler"
        );
        self.inner.as_mut().poll(cx)
    }
}

impl<F> Drop for Bound<F> {
    fn drop(&mut self) {
        if self.is_home() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}
