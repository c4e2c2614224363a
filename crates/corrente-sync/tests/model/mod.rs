//! What the models share: a thread that waits for a future, and a waiter that stands in line.
//!
//! A waiter that is polled once is in the line; dropping its future is what a cancel does to it.

use corrente_shim::sync::{Condvar, Mutex};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Parks a thread until it is woken.
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    // When loom finds a deadlock it unwinds, and nothing of it may be touched any more: the future must
    // not leave its line then.
    let mut future = ManuallyDrop::new(Box::pin(future));
    let parker = Arc::new(Parker { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&parker));
    loop {
        let polled = Pin::as_mut(&mut future).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            drop(ManuallyDrop::into_inner(future));
            return output;
        }
        let mut woken = parker.woken.lock();
        while !*woken {
            woken = parker.changed.wait(woken);
        }
        *woken = false;
    }
}

/// A future on the heap that knows when it was woken.
pub struct Waiter<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    wakes: Arc<Wakes>,
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<T> Waiter<T> {
    /// Polled once, so it is in the line.
    pub fn new(future: impl Future<Output = T> + 'static) -> Self {
        let mut waiter = Self::unpolled(future);
        assert!(waiter.poll().is_none(), "it has to wait");
        waiter
    }

    pub fn unpolled(future: impl Future<Output = T> + 'static) -> Self {
        Self { future: Box::pin(future), wakes: Arc::new(Wakes(AtomicUsize::new(0))) }
    }

    pub fn poll(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    pub fn woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }

    /// Polled only if it was woken: a lost wake would be a `None` here.
    pub fn finish(mut self) -> Option<T> {
        if self.woken() { self.poll() } else { None }
    }
}
