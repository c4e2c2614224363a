//! A future polled by hand: the test, or the fuzz target, decides when it runs and when it is dropped, and sees when
//! it is woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The order in which waiters were woken.
static WAKES: AtomicUsize = AtomicUsize::new(1);

/// A future on the heap, and when it was last woken.
pub struct Waiter<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(WAKES.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl<'a, T> Waiter<'a, T> {
    /// Not polled yet.
    pub fn idle(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicUsize::new(0))) }
    }

    pub fn poll(&mut self) -> Option<T> {
        self.woken.0.store(0, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    /// Woken since its last poll.
    pub fn is_woken(&self) -> bool {
        self.wake() > 0
    }

    /// Of two woken waiters the one with the smaller number was woken first.
    pub fn wake(&self) -> usize {
        self.woken.0.load(Ordering::SeqCst)
    }
}
