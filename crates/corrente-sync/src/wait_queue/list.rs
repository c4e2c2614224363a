//! The line itself: waiters in order of arrival, as a slab with index links.
//!
//! A pure structure: no lock, no atomics, and it wakes nobody. Each primitive keeps its lists under its
//! own lock and is the only one who touches them. Compared with a queue of boxed nodes it allocates
//! only when it grows, leaves in O(1) from the middle, and needs no unsafe code.
//!
//! What always holds:
//! * A slot is free, waiting or granted. Waiting slots form a doubly linked list, first come first;
//!   granted ones are in no list and stay only until their owner has taken note.
//! * Grants are given from the front, so whoever waits came after all who were granted.
//! * A waiter holds the only [`Key`] of its slot from `push` to `remove`. The generation in it is
//!   compared at every use: a key of a slot that was given to somebody else is a bug, and panics.

use super::wakers::Wakers;
use std::task::Waker;

/// No slot.
const NIL: u32 = u32::MAX;
/// An empty list gives its memory back if it has room for more than this many waiters.
const KEEP: usize = 32;

/// A waiter's place in a [`List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

/// How somebody stood when it left.
#[derive(Debug)]
pub(crate) enum Left<W> {
    /// It was waiting; this is its waker, to be dropped outside the lock.
    Waiting(Waker),
    /// It had been granted this.
    Granted(W),
}

/// Waiters in order of arrival, each with what it wants.
#[derive(Debug)]
pub(crate) struct List<W> {
    slots: Vec<Slot<W>>,
    free: u32,
    first: u32,
    last: u32,
    waiting: u32,
    granted: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    previous: u32,
    /// The next one in line; of a free slot, the next free one.
    next: u32,
    /// Its number in the book of waits; 0 if it is in none.
    booked: u64,
    occupant: Occupant<W>,
}

#[derive(Debug)]
enum Occupant<W> {
    Nobody,
    Waiting(Waker, W),
    Granted(W),
}

impl<W: Copy> List<W> {
    /// A list without waiters. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NIL,
            first: NIL,
            last: NIL,
            waiting: 0,
            granted: 0,
            generation: 0,
        }
    }

    /// True if nobody waits and every grant has been taken note of.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0 && self.granted == 0
    }

    /// How many wait.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting as usize
    }

    /// How many were granted and have not taken note yet.
    #[inline]
    pub(crate) fn granted(&self) -> usize {
        self.granted as usize
    }

    /// Joins the end of the line.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker, want: W, booked: u64) -> Key {
        let index = self.take_slot(Occupant::Waiting(waker, want), booked);
        let last = self.last;
        self.link(last, index, NIL);
        Key { index, generation: self.slots[index as usize].generation }
    }

    /// What the first in line wants.
    #[inline]
    pub(crate) fn first(&mut self) -> Option<&mut W> {
        let first = self.slots.get_mut(self.first as usize)?;
        match &mut first.occupant {
            Occupant::Waiting(_, want) => Some(want),
            Occupant::Granted(_) | Occupant::Nobody => None,
        }
    }

    /// Grants the first in line what it wants; its waker joins `wakers`. False if nobody waits.
    #[inline]
    pub(crate) fn grant_first(&mut self, wakers: &mut Wakers) -> bool {
        let index = self.first;
        if index == NIL {
            return false;
        }
        self.unlink(index);
        self.granted += 1;
        let slot = &mut self.slots[index as usize];
        if let Occupant::Waiting(waker, want) =
            std::mem::replace(&mut slot.occupant, Occupant::Nobody)
        {
            slot.occupant = Occupant::Granted(want);
            wakers.push(waker, slot.booked);
        }
        true
    }

    /// Grants all who wait.
    pub(crate) fn grant_all(&mut self, wakers: &mut Wakers) {
        while self.grant_first(wakers) {}
    }

    /// A granted waiter found its grant taken: it waits again, as the first in line.
    pub(crate) fn wait_again(&mut self, key: Key, waker: Waker) {
        let slot = self.slot(key);
        let Occupant::Granted(want) = slot.occupant else {
            unreachable!("only a granted waiter can wait again");
        };
        slot.occupant = Occupant::Waiting(waker, want);
        self.granted -= 1;
        let first = self.first;
        self.link(NIL, key.index, first);
    }

    /// What the waiter was granted. `None`: it is not its turn yet.
    #[inline]
    pub(crate) fn grant(&self, key: Key) -> Option<W> {
        match self.look(key).occupant {
            Occupant::Granted(want) => Some(want),
            Occupant::Waiting(..) | Occupant::Nobody => None,
        }
    }

    /// True if a grant would wake what `waker` wakes.
    pub(crate) fn would_wake(&self, key: Key, waker: &Waker) -> bool {
        match &self.look(key).occupant {
            Occupant::Waiting(stored, _) => stored.will_wake(waker),
            Occupant::Granted(_) | Occupant::Nobody => true,
        }
    }

    /// From now on a grant wakes `waker`. Gives back the one that must be dropped outside the lock.
    pub(crate) fn set_waker(&mut self, key: Key, waker: Waker) -> Waker {
        match &mut self.slot(key).occupant {
            Occupant::Waiting(stored, _) => std::mem::replace(stored, waker),
            Occupant::Granted(_) | Occupant::Nobody => waker,
        }
    }

    /// Leaves the line, or takes note of the grant. Gives back its number in the book of waits, too.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> (Left<W>, u64) {
        let slot = self.slot(key);
        let booked = slot.booked;
        match std::mem::replace(&mut slot.occupant, Occupant::Nobody) {
            Occupant::Waiting(waker, _) => {
                self.unlink(key.index);
                self.give_slot_back(key.index);
                (Left::Waiting(waker), booked)
            }
            Occupant::Granted(want) => {
                self.granted -= 1;
                self.give_slot_back(key.index);
                (Left::Granted(want), booked)
            }
            Occupant::Nobody => unreachable!("a key without a waiter"),
        }
    }

    #[inline]
    fn look(&self, key: Key) -> &Slot<W> {
        let slot = &self.slots[key.index as usize];
        assert!(slot.generation == key.generation, "a stale key of a wait queue");
        slot
    }

    #[inline]
    fn slot(&mut self, key: Key) -> &mut Slot<W> {
        let slot = &mut self.slots[key.index as usize];
        assert!(slot.generation == key.generation, "a stale key of a wait queue");
        slot
    }

    #[inline]
    fn take_slot(&mut self, occupant: Occupant<W>, booked: u64) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        if self.free == NIL {
            let index = u32::try_from(self.slots.len()).unwrap_or(NIL);
            assert!(index != NIL, "more waiters than a wait queue can hold");
            self.slots.push(Slot { generation, previous: NIL, next: NIL, booked, occupant });
            return index;
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next;
        slot.generation = generation;
        slot.booked = booked;
        slot.occupant = occupant;
        index
    }

    #[inline]
    fn give_slot_back(&mut self, index: u32) {
        if self.is_empty() && self.slots.len() > KEEP {
            self.slots = Vec::new();
            self.free = NIL;
            return;
        }
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = index;
    }

    /// Puts `index` between two neighbours in the line.
    #[inline]
    fn link(&mut self, previous: u32, index: u32, next: u32) {
        self.waiting += 1;
        let slot = &mut self.slots[index as usize];
        slot.previous = previous;
        slot.next = next;
        self.point_at(previous, index, next, index);
    }

    /// Takes `index` out of the line.
    #[inline]
    fn unlink(&mut self, index: u32) {
        self.waiting -= 1;
        let Slot { previous, next, .. } = self.slots[index as usize];
        self.point_at(previous, next, next, previous);
    }

    /// Makes `previous` lead to `forward` and `next` lead back to `backward`; NIL is the list's own end.
    #[inline]
    fn point_at(&mut self, previous: u32, forward: u32, next: u32, backward: u32) {
        match previous {
            NIL => self.first = forward,
            _ => self.slots[previous as usize].next = forward,
        }
        match next {
            NIL => self.last = backward,
            _ => self.slots[next as usize].previous = backward,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waiter in the list, with what the oracle knows of it.
    struct Member {
        key: Key,
        want: usize,
        woken: Arc<Woken>,
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Push,
        GrantFirst,
        GrantAll,
        Remove(usize),
        WaitAgain(usize),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            6 => Just(Operation::Push),
            3 => Just(Operation::GrantFirst),
            1 => Just(Operation::GrantAll),
            4 => any::<usize>().prop_map(Operation::Remove),
            2 => any::<usize>().prop_map(Operation::WaitAgain),
        ]
    }

    fn waker() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        (Arc::clone(&woken), Waker::from(woken))
    }

    fn check(list: &mut List<usize>, waiting: &VecDeque<Member>, granted: &[Member]) {
        assert_eq!((list.waiting(), list.granted()), (waiting.len(), granted.len()));
        assert_eq!(list.is_empty(), waiting.is_empty() && granted.is_empty());
        assert_eq!(list.first().copied(), waiting.front().map(|member| member.want));
        for member in waiting {
            assert_eq!((list.grant(member.key), member.woken.0.load(Ordering::Relaxed)), (None, 0));
        }
        for member in granted {
            let woken = member.woken.0.load(Ordering::Relaxed);
            assert_eq!((list.grant(member.key), woken), (Some(member.want), 1));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_is_a_deque_from_which_anybody_can_leave(
            operations in prop::collection::vec(operation(), 0..200),
        ) {
            let mut list = List::new();
            let mut waiting = VecDeque::<Member>::new();
            let mut granted = Vec::<Member>::new();
            for (want, operation) in operations.into_iter().enumerate() {
                let mut wakers = Wakers::new();
                match operation {
                    Operation::Push => {
                        let (woken, waker) = waker();
                        waiting.push_back(Member { key: list.push(waker, want, 0), want, woken });
                    }
                    Operation::GrantFirst => {
                        prop_assert_eq!(list.grant_first(&mut wakers), !waiting.is_empty());
                        granted.extend(waiting.pop_front());
                    }
                    Operation::GrantAll => {
                        list.grant_all(&mut wakers);
                        granted.extend(waiting.drain(..));
                    }
                    Operation::Remove(choice) => {
                        let Some(at) = choice.checked_rem(waiting.len() + granted.len()) else {
                            continue;
                        };
                        match at.checked_sub(waiting.len()) {
                            None => {
                                let member = waiting.remove(at).expect("it is there");
                                prop_assert!(matches!(list.remove(member.key).0, Left::Waiting(_)));
                            }
                            Some(at) => {
                                let member = granted.swap_remove(at);
                                let left = list.remove(member.key).0;
                                prop_assert!(matches!(left, Left::Granted(want) if want == member.want));
                            }
                        }
                    }
                    Operation::WaitAgain(choice) => {
                        let Some(at) = choice.checked_rem(granted.len()) else { continue };
                        let (woken, waker) = waker();
                        let member = granted.swap_remove(at);
                        list.wait_again(member.key, waker);
                        waiting.push_front(Member { woken, ..member });
                    }
                }
                drop(wakers);
                check(&mut list, &waiting, &granted);
            }
        }
    }

    #[test]
    fn a_list_that_was_long_gives_its_memory_back() {
        let mut list = List::new();
        let keys: Vec<_> =
            (0..1000).map(|want| list.push(Waker::noop().clone(), want, 0)).collect();
        for key in keys {
            list.remove(key);
        }
        assert_eq!(list.slots.capacity(), 0);
    }

    #[test]
    fn slots_are_used_again() {
        let mut list = List::new();
        for want in 0..1000 {
            let key = list.push(Waker::noop().clone(), want, 0);
            list.remove(key);
        }
        assert_eq!(list.slots.len(), 1);
    }

    #[test]
    #[should_panic(expected = "stale key")]
    fn a_key_is_good_for_one_stay() {
        let mut list = List::new();
        let key = list.push(Waker::noop().clone(), 1, 0);
        list.remove(key);
        list.push(Waker::noop().clone(), 2, 0);
        list.grant(key);
    }
}
