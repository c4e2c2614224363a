//! Those who wait for units, in order of arrival, each with a ticket.
//!
//! A pure structure, like the [`List`](crate::wait_queue::List) of the other primitives. The difference: who is called
//! is out of the line at once. Its place says nothing any more, its ticket says it all, and a ticket can be compared
//! with the last one called without the line's lock.
//!
//! What always holds:
//! * Tickets rise from front to back, and all are above the last one called.
//! * The first and the last place have somebody in them; one in the middle may have been left.
//! * A ticket is used again only if its owner left from the end of the line, and so holds it no more.

use crate::wait_queue::Wakers;
use std::collections::VecDeque;
use std::task::Waker;

/// An empty line gives its memory back if it has room for more than this many.
const KEEP: usize = 64;

#[derive(Debug)]
pub(super) struct Line(VecDeque<Place>);

#[derive(Debug)]
struct Place {
    ticket: u64,
    /// It wants so many.
    units: usize,
    /// `None`: it has left.
    waker: Option<Waker>,
    /// Its number in the book of waits; 0 if it is in none.
    booked: u64,
}

impl Line {
    /// Allocates nothing.
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Joins the end. `called` is the last ticket that was called.
    #[inline]
    pub(super) fn push(&mut self, waker: Waker, units: usize, booked: u64, called: u64) -> u64 {
        let ticket = self.0.back().map_or(called, |last| last.ticket) + 1;
        if self.0.len() == self.0.capacity() {
            self.make_room();
        }
        self.0.push_back(Place { ticket, units, waker: Some(waker), booked });
        ticket
    }

    /// What the first in line wants.
    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        self.0.front().map(|first| first.units)
    }

    /// Calls the first in line: its waker joins `wakers`. Gives back its ticket.
    #[inline]
    pub(super) fn call_first(&mut self, wakers: &mut Wakers) -> Option<u64> {
        let first = self.0.pop_front()?;
        if let Some(waker) = first.waker {
            wakers.push(waker, first.booked);
        }
        self.trim();
        Some(first.ticket)
    }

    /// Calls the first in line if it wants exactly this, and the book of waits need not be told. Gives back its ticket
    /// and its waker.
    #[inline]
    pub(super) fn call_if_first_wants(&mut self, units: usize) -> Option<(u64, Waker)> {
        let first = self.0.front_mut().filter(|first| first.units == units && first.booked == 0)?;
        let waker = first.waker.take()?;
        let ticket = first.ticket;
        self.0.pop_front();
        self.trim();
        Some((ticket, waker))
    }

    /// The waker of one who has not been called.
    pub(super) fn waker(&mut self, ticket: u64) -> &mut Waker {
        self.place(ticket).waker.as_mut().expect("it has not left")
    }

    /// One who has not been called leaves. Gives back its waker, to be dropped outside the lock.
    pub(super) fn leave(&mut self, ticket: u64) -> Option<Waker> {
        let waker = self.place(ticket).waker.take();
        while self.0.back().is_some_and(|last| last.waker.is_none()) {
            self.0.pop_back();
        }
        self.trim();
        waker
    }

    fn place(&mut self, ticket: u64) -> &mut Place {
        let at = self.0.binary_search_by_key(&ticket, |place| place.ticket);
        let at = at.expect("a ticket that was not called is in the line");
        &mut self.0[at]
    }

    /// Takes places that were left from the front.
    #[inline]
    fn trim(&mut self) {
        if self.0.front().is_none_or(|first| first.waker.is_none()) {
            self.trim_some();
        }
    }

    #[cold]
    fn trim_some(&mut self) {
        while self.0.front().is_some_and(|first| first.waker.is_none()) {
            self.0.pop_front();
        }
        if self.0.is_empty() && self.0.capacity() > KEEP {
            self.0 = VecDeque::new();
        }
    }

    /// Full: takes out the places that were left, and grows unless that made it half empty.
    #[cold]
    fn make_room(&mut self) {
        let full = self.0.len();
        self.0.retain(|place| place.waker.is_some());
        if self.0.len() > full / 2 {
            self.0.reserve(full.max(4));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waker() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        (Arc::clone(&woken), Waker::from(woken))
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Push,
        CallFirst,
        Leave(usize),
        SetWaker(usize),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            6 => Just(Operation::Push),
            3 => Just(Operation::CallFirst),
            4 => any::<usize>().prop_map(Operation::Leave),
            1 => any::<usize>().prop_map(Operation::SetWaker),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_is_a_deque_from_which_anybody_can_leave(
            operations in prop::collection::vec(operation(), 0..200),
        ) {
            let (mut line, mut called) = (Line::new(), 0);
            let mut oracle = VecDeque::<(u64, usize, Arc<Woken>)>::new();
            for (units, operation) in operations.into_iter().enumerate() {
                match operation {
                    Operation::Push => {
                        let (woken, waker) = waker();
                        let ticket = line.push(waker, units, 0, called);
                        prop_assert!(ticket > oracle.back().map_or(called, |last| last.0));
                        oracle.push_back((ticket, units, woken));
                    }
                    Operation::CallFirst => {
                        let mut wakers = Wakers::new();
                        let ticket = line.call_first(&mut wakers);
                        drop(wakers);
                        let first = oracle.pop_front();
                        prop_assert_eq!(ticket, first.as_ref().map(|first| first.0));
                        if let Some((ticket, _, woken)) = first {
                            prop_assert_eq!(woken.0.load(Ordering::Relaxed), 1);
                            called = ticket;
                        }
                    }
                    Operation::Leave(choice) => {
                        let Some(at) = choice.checked_rem(oracle.len()) else { continue };
                        let (ticket, _, woken) = oracle.remove(at).expect("it is there");
                        prop_assert!(line.leave(ticket).is_some());
                        prop_assert_eq!(woken.0.load(Ordering::Relaxed), 0);
                    }
                    Operation::SetWaker(choice) => {
                        let Some(at) = choice.checked_rem(oracle.len()) else { continue };
                        let (woken, waker) = waker();
                        *line.waker(oracle[at].0) = waker;
                        oracle[at].2 = woken;
                    }
                }
                prop_assert_eq!(line.is_empty(), oracle.is_empty());
                prop_assert_eq!(line.first(), oracle.front().map(|first| first.1));
            }
        }
    }

    #[test]
    fn a_line_that_was_long_gives_its_memory_back() {
        let mut line = Line::new();
        let tickets: Vec<_> =
            (0..1000).map(|units| line.push(Waker::noop().clone(), units, 0, 0)).collect();
        for ticket in tickets {
            assert!(line.leave(ticket).is_some());
        }
        assert_eq!(line.0.capacity(), 0);
    }

    /// The first waits and waits, while others come and give up, none of them the last.
    #[test]
    fn those_who_have_left_take_no_memory() {
        let mut line = Line::new();
        line.push(Waker::noop().clone(), 1, 0, 0);
        let mut last = line.push(Waker::noop().clone(), 1, 0, 0);
        for _ in 0..10_000 {
            let next = line.push(Waker::noop().clone(), 1, 0, 0);
            assert!(line.leave(std::mem::replace(&mut last, next)).is_some());
        }
        assert!(line.0.capacity() < 32, "{}", line.0.capacity());
    }
}
