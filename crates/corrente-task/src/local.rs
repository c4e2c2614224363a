//! Futures that may not leave their thread, in cells that may.
//!
//! A cell with such a future is referred to from every thread (wakers, TaskRefs, Runnables), but the
//! future inside is wrapped in [`Bound`], which remembers its home thread: it refuses to be polled
//! elsewhere, and if it is dropped elsewhere it is leaked instead, which is safe.

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
pub(crate) struct Bound<F> {
    home: u64,
    inner: ManuallyDrop<F>,
}

impl<F> Bound<F> {
    pub fn new(inner: F) -> Self {
        Self { home: this_thread(), inner: ManuallyDrop::new(inner) }
    }
}

impl<F: Future> Future for Bound<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert!(
            self.home != 0 && self.home == this_thread(),
            "a local task was run on a thread that is not its own: this is a bug in its scheduler"
        );
        // SAFETY: `inner` is pinned with `self`, and dropped in place.
        unsafe { self.map_unchecked_mut(|this| &mut *this.inner) }.poll(cx)
    }
}

impl<F> Drop for Bound<F> {
    fn drop(&mut self) {
        if self.home != 0 && self.home == this_thread() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}
