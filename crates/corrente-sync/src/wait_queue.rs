//! Fair waiting: the protocol that every primitive of this crate shares.
//!
//! A primitive keeps a [`List`] of waiters under its lock and says in an [`Act`] what its waiters want
//! and when they can have it. [`Wait`] is the one future that joins the line, is granted its turn, and
//! hands the turn on if it is dropped. [`Held`] is the one way to hold the lock; wakers that are
//! collected under it are woken after it, in order.
//!
//! The argument why no turn is lost, doubled or taken out of order stands in `wait_queue.md`, below.
#![doc = include_str!("wait_queue.md")]

mod list;
mod wakers;

pub(crate) use list::{Key, Left, List};
pub(crate) use wakers::Wakers;

use corrente_shim::sync::{Mutex, MutexGuard};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::coop;
use crate::diagnostics::{self, What};

/// The lock of a primitive, held. When it is dropped, first the lock is given back, then the collected
/// wakers are woken.
pub(crate) struct Held<'a, S> {
    // Fields are dropped in this order.
    shared: MutexGuard<'a, S>,
    wakers: Wakers,
}

impl<'a, S> Held<'a, S> {
    #[inline]
    pub(crate) fn lock(mutex: &'a Mutex<S>) -> Self {
        Self::new(mutex.lock())
    }

    #[inline]
    pub(crate) fn new(shared: MutexGuard<'a, S>) -> Self {
        Self { shared, wakers: Wakers::new() }
    }

    /// What the lock protects, and the wakers of those who are granted.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut S, &mut Wakers) {
        (&mut self.shared, &mut self.wakers)
    }
}

/// What comes of joining a line.
pub(crate) enum Entered<O, W> {
    /// Nothing to wait for.
    Done(O),
    /// It has to wait for this.
    Wait(W),
}

/// One way of waiting at a primitive (the `Home`): what a waiter wants, when it is granted, what it
/// does then. All but `try_now` and `mutex` run under the lock of the primitive.
pub(crate) trait Act<Home: ?Sized> {
    /// What the lock protects.
    type Shared;
    /// What a waiter wants, as its line remembers it.
    type Want: Copy;
    /// What the waiter has in the end.
    type Output;

    fn mutex(home: &Home) -> &Mutex<Self::Shared>;

    /// What it waits for, for the book of waits.
    fn what(home: &Home) -> What;

    /// The line for this kind of waiter.
    fn line(shared: &mut Self::Shared) -> &mut List<Self::Want>;

    /// The way without the lock. It must not overtake anybody in the line.
    #[inline]
    fn try_now(&mut self, home: &Home) -> Option<Self::Output> {
        _ = home;
        None
    }

    /// Comes to the line: gets through at once, or joins its end.
    fn enter(
        &mut self,
        home: &Home,
        held: &mut Held<'_, Self::Shared>,
    ) -> Entered<Self::Output, Self::Want>;

    /// It was granted `want`: takes it. `None` if somebody who need not queue was quicker: it then
    /// waits again, as the first in line. (It is still in the line; `settle` follows.)
    fn claim(
        &mut self,
        home: &Home,
        held: &mut Held<'_, Self::Shared>,
        want: Self::Want,
    ) -> Option<Self::Output>;

    /// Somebody was granted `want` and left without taking it: gives it back. (`settle` follows.)
    fn give_back(home: &Home, held: &mut Held<'_, Self::Shared>, want: Self::Want);

    /// Grants whatever can be granted now. Called after somebody joined or left the line.
    fn settle(home: &Home, held: &mut Held<'_, Self::Shared>);
}

/// Waits at `home` as `act` says. Dropping it leaves the line, and hands on what it was granted.
pub(crate) struct Wait<P, A>
where
    P: Deref,
    A: Act<P::Target>,
{
    home: P,
    act: A,
    key: Option<Key>,
}

// Nothing in it is ever pinned.
impl<P: Deref, A: Act<P::Target>> Unpin for Wait<P, A> {}

impl<P: Deref, A: Act<P::Target>> Wait<P, A> {
    #[inline]
    pub(crate) const fn new(home: P, act: A) -> Self {
        Self { home, act, key: None }
    }

    /// True from the moment it has joined the line until it is through.
    pub(crate) fn is_in_line(&self) -> bool {
        self.key.is_some()
    }

    /// The first poll that finds no way round the line.
    fn enter(&mut self, waker: &Waker) -> Poll<A::Output> {
        // Cloned, and dropped if it is not needed, outside the lock: it is user code.
        let mut waker = Some(waker.clone());
        let mut held = Held::lock(A::mutex(&self.home));
        match self.act.enter(&self.home, &mut held) {
            Entered::Done(output) => Poll::Ready(output),
            Entered::Wait(want) => {
                if let Some(waker) = waker.take() {
                    let address = std::ptr::from_ref::<P::Target>(&self.home).cast::<()>().addr();
                    let booked = diagnostics::begin(A::what(&self.home), address);
                    self.key = Some(A::line(held.parts().0).push(waker, want, booked));
                }
                A::settle(&self.home, &mut held);
                Poll::Pending
            }
        }
    }

    #[inline]
    fn remove(key: Key, held: &mut Held<'_, A::Shared>) -> Left<A::Want> {
        let (left, booked) = A::line(held.parts().0).remove(key);
        if booked != 0 {
            diagnostics::end(booked);
        }
        left
    }

    /// Leaves without having taken anything.
    #[cold]
    fn leave(&mut self, key: Key) {
        // Outlives the lock: dropping a waker is user code.
        let mut waker = None;
        let mut held = Held::lock(A::mutex(&self.home));
        match Self::remove(key, &mut held) {
            Left::Waiting(own) => waker = Some(own),
            Left::Granted(want) => A::give_back(&self.home, &mut held, want),
        }
        A::settle(&self.home, &mut held);
        drop(held);
        drop(waker);
    }

    /// A poll of one who is in the line.
    fn resume(&mut self, key: Key, waker: &Waker) -> Poll<A::Output> {
        // Cloned and dropped outside the lock: it is user code.
        let mut spare = None;
        loop {
            let mut held = Held::lock(A::mutex(&self.home));
            if let Some(want) = A::line(held.parts().0).grant(key) {
                if let Some(output) = self.act.claim(&self.home, &mut held, want) {
                    Self::remove(key, &mut held);
                    self.key = None;
                    A::settle(&self.home, &mut held);
                    return Poll::Ready(output);
                }
                if let Some(waker) = spare.take() {
                    A::line(held.parts().0).wait_again(key, waker);
                    A::settle(&self.home, &mut held);
                    return Poll::Pending;
                }
            } else {
                let line = A::line(held.parts().0);
                if line.would_wake(key, waker) {
                    return Poll::Pending;
                }
                if let Some(waker) = spare.take() {
                    let old = line.set_waker(key, waker);
                    drop(held);
                    drop(old);
                    return Poll::Pending;
                }
            }
            drop(held);
            spare = Some(waker.clone());
        }
    }
}

impl<P: Deref, A: Act<P::Target>> Future for Wait<P, A> {
    type Output = A::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<A::Output> {
        let this = self.get_mut();
        if let Some(key) = this.key {
            return this.resume(key, context.waker());
        }
        // The one place where what needs no waiting is counted, so that a task that always finds
        // something still lets others run. Who had to wait has let them run already.
        if coop::poll_proceed(context).is_pending() {
            return Poll::Pending;
        }
        match this.act.try_now(&this.home) {
            Some(output) => Poll::Ready(output),
            None => this.enter(context.waker()),
        }
    }
}

impl<P: Deref, A: Act<P::Target>> Drop for Wait<P, A> {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.leave(key);
        }
    }
}
