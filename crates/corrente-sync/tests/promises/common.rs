//! What tests expect of a future that they poll by hand.

pub use crate::waiter::Waiter;
use std::future::Future;

impl<'a, T> Waiter<'a, T> {
    /// Polled once; it has to wait.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        let mut waiter = Self::idle(future);
        assert!(waiter.poll().is_none(), "it should have to wait");
        waiter
    }

    /// It was woken and is ready now.
    #[track_caller]
    pub fn finish(&mut self) -> T {
        assert!(self.is_woken(), "it should have been woken");
        self.poll().expect("it should be ready")
    }
}

/// Ready at the first poll.
#[track_caller]
pub fn now<T>(future: impl Future<Output = T>) -> T {
    Waiter::idle(future).poll().expect("it should not have to wait")
}
