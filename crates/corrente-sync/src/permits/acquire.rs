//! The future that waits for units.
//!
//! It is [`Wait`](crate::wait_queue::Wait) with one step less: a waiter whose ticket was called has its units, and
//! learns so from [`Permits::called`] without the lock. What always holds: while `ticket` is not 0, either the ticket
//! is in the line, or it was called and the units are this future's to take, or to give back.

use super::Permits;
use crate::coop;
use crate::diagnostics;
use crate::wait_queue::Held;
use corrente_shim::atomic::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Waits for so many units. Dropping it leaves the line, and hands on what it was granted.
pub(crate) struct Acquire<'a> {
    permits: &'a Permits,
    units: usize,
    /// 0: not in the line.
    ticket: u64,
    /// Its number in the book of waits; 0 if it is in none.
    booked: u64,
}

impl<'a> Acquire<'a> {
    #[inline]
    pub(super) const fn new(permits: &'a Permits, units: usize) -> Self {
        Self { permits, units, ticket: 0, booked: 0 }
    }

    /// The first poll that finds no way round the line.
    fn enter(&mut self, waker: &Waker) -> Poll<()> {
        // Cloned, and dropped if it is not needed, outside the lock: it is user code.
        let waker = waker.clone();
        let permits = self.permits;
        let mut line = permits.line.lock();
        let opens = line.is_empty();
        if opens {
            if permits.try_acquire(self.units) {
                drop(line);
                drop(waker);
                return Poll::Ready(());
            }
            permits.open_line();
        }
        self.booked = diagnostics::begin(permits.what, permits.address());
        // Relaxed: it changes only under the lock.
        let called = permits.called.load(Ordering::Relaxed);
        self.ticket = line.push(waker, self.units, self.booked, called);
        // Behind others there is nothing to be had: see what always holds.
        if opens {
            permits.hand_out(&mut Held::new(line), 0);
        }
        Poll::Pending
    }

    /// Was called, and takes what it was granted.
    #[inline]
    fn claim(&mut self) {
        self.end_wait();
        self.permits.claimed();
        self.permits.note_taken();
    }

    /// Was called, and goes without.
    #[cold]
    fn give_back(&mut self) {
        self.end_wait();
        self.permits.claimed();
        self.permits.release_some(self.units);
    }

    #[inline]
    fn end_wait(&mut self) {
        self.ticket = 0;
        if self.booked != 0 {
            diagnostics::end(self.booked);
        }
    }

    /// A poll of one who is in the line.
    #[cold]
    fn wait_on(&mut self, waker: &Waker) -> Poll<()> {
        // Cloned and dropped outside the lock: it is user code.
        let mut spare = None;
        loop {
            let mut held = Held::lock(&self.permits.line);
            // Under the lock it is certain.
            if self.permits.has_called(self.ticket) {
                drop(held);
                self.claim();
                return Poll::Ready(());
            }
            let stored = held.parts().0.waker(self.ticket);
            if stored.will_wake(waker) {
                return Poll::Pending;
            }
            if let Some(waker) = spare.take() {
                let old = std::mem::replace(stored, waker);
                drop(held);
                drop(old);
                return Poll::Pending;
            }
            drop(held);
            spare = Some(waker.clone());
        }
    }

    #[cold]
    fn leave(&mut self) {
        if self.permits.has_called(self.ticket) {
            return self.give_back();
        }
        // Outlives the lock: dropping a waker is user code.
        let _waker;
        let mut held = Held::lock(&self.permits.line);
        // Under the lock it is certain.
        if self.permits.has_called(self.ticket) {
            drop(held);
            return self.give_back();
        }
        _waker = held.parts().0.leave(self.ticket);
        self.end_wait();
        // Whoever stood behind it may want less.
        self.permits.hand_out(&mut held, 0);
    }
}

impl Future for Acquire<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.ticket != 0 {
            if this.permits.has_called(this.ticket) {
                this.claim();
                return Poll::Ready(());
            }
            return this.wait_on(context.waker());
        }
        // What needs no waiting is counted, so that a task that always finds something still lets others
        // run. Who had to wait has let them run already.
        if coop::poll_proceed(context).is_pending() {
            return Poll::Pending;
        }
        if this.permits.try_acquire(this.units) {
            return Poll::Ready(());
        }
        this.enter(context.waker())
    }
}

impl Drop for Acquire<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket != 0 {
            self.leave();
        }
    }
}
