//! The few newest tasks of one worker, which go before those that are ready.
//!
//! Whoever spawns tasks mostly waits for them. So they run before older ones, in the order in which they were
//! spawned, and what they spawn themselves before their siblings: a tree of tasks is gone through in depth, with few
//! alive at a time, and all in the cache. Whoever is woken because one of its children has ended goes behind the
//! others, so that it finds them all ended. Few means [`ROOM`]; how long all of this may keep others waiting is for
//! `worker.rs` to see to (`NEWCOMER_POLLS`).
//!
//! The order is the worker's own affair ([`Newcomers`]). The tasks lie in slots that thieves see, too
//! ([`NewcomerSlots`]); a thief takes what lies lowest, which mostly is the oldest. What always holds: a slot that the
//! order does not mention is empty, so it can be filled without an exchange; one that it mentions may be empty, when a
//! thief has been there.

use corrente_task::{Runnable, Slot};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// So many tasks there can be. A set of slots is one word.
pub(crate) const ROOM: usize = 32;

/// Where the tasks lie.
pub(crate) struct NewcomerSlots([Slot; ROOM]);

impl NewcomerSlots {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().filter(|slot| slot.is_full()).count()
    }

    /// True if there is one.
    pub(crate) fn has_one(&self) -> bool {
        self.0.iter().any(Slot::is_full)
    }

    /// For thieves: takes one.
    pub(crate) fn steal(&self) -> Option<Runnable> {
        self.0.iter().find_map(Slot::steal)
    }
}

/// The worker's side.
pub(crate) struct Newcomers {
    slots: Arc<NewcomerSlots>,
    len: Cell<usize>,
    order: RefCell<Order>,
}

/// In which order they run: the last one first.
struct Order {
    /// In which slot each lies.
    slots: [u8; ROOM],
    /// Which task has spawned it.
    parents: [u32; ROOM],
    /// The slots that are not mentioned.
    free: u32,
}

/// The parent of those that nobody waits for as a child.
const NOBODY: u32 = 0;

impl Newcomers {
    pub(crate) fn new() -> Self {
        let slots = Arc::new(NewcomerSlots(std::array::from_fn(|_| Slot::new())));
        let order = Order { slots: [0; ROOM], parents: [NOBODY; ROOM], free: u32::MAX };
        Self { slots, len: Cell::new(0), order: RefCell::new(order) }
    }

    /// What thieves see.
    pub(crate) fn slots(&self) -> Arc<NewcomerSlots> {
        self.slots.clone()
    }

    /// How many there are, at most: some may have been stolen.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// A task that `parent` has spawned, behind its siblings. `Err`: there is no room.
    #[inline]
    pub(crate) fn add(&self, task: Runnable, parent: u64) -> Result<(), Runnable> {
        let (parent, len) = (short(parent), self.len());
        if len == ROOM {
            return Err(task);
        }
        let mut order = self.order.borrow_mut();
        let siblings = order.parents[..len].iter().rev().take_while(|p| **p == parent).count();
        let at = len - siblings;
        self.insert(&mut order, task, at, parent)
    }

    /// A task that is woken because a child has ended, behind its other children. `Err`: none of them is here, or
    /// there is no room.
    #[inline]
    pub(crate) fn add_behind_children(&self, task: Runnable) -> Result<(), Runnable> {
        let mut order = self.order.borrow_mut();
        let me = short(task.task().id().get());
        match order.parents[..self.len()].iter().position(|parent| *parent == me) {
            Some(at) => self.insert(&mut order, task, at, NOBODY),
            None => Err(task),
        }
    }

    #[inline]
    fn insert(
        &self,
        order: &mut Order,
        task: Runnable,
        at: usize,
        parent: u32,
    ) -> Result<(), Runnable> {
        let (len, slot) = (self.len(), order.free.trailing_zeros());
        // Those that were stolen keep their places in the order until their turn comes, and count.
        let Some(place) = self.slots.0.get(slot as usize) else { return Err(task) };
        order.free &= order.free - 1;
        place.fill(task);
        order.slots.copy_within(at..len, at + 1);
        order.parents.copy_within(at..len, at + 1);
        order.slots[at] = slot as u8;
        order.parents[at] = parent;
        self.len.set(len + 1);
        Ok(())
    }

    /// Takes the one whose turn it is.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        let mut order = self.order.borrow_mut();
        while let Some(len) = self.len().checked_sub(1) {
            self.len.set(len);
            let slot = order.slots[len];
            if let Some(task) = self.empty(&mut order, slot) {
                return Some(task);
            }
        }
        None
    }

    /// Takes the one whose turn comes last.
    pub(crate) fn pop_last(&self) -> Option<Runnable> {
        let mut order = self.order.borrow_mut();
        while let Some(len) = self.len().checked_sub(1) {
            let slot = order.slots[0];
            order.slots.copy_within(1..=len, 0);
            order.parents.copy_within(1..=len, 0);
            self.len.set(len);
            if let Some(task) = self.empty(&mut order, slot) {
                return Some(task);
            }
        }
        None
    }

    #[inline]
    fn empty(&self, order: &mut Order, slot: u8) -> Option<Runnable> {
        order.free |= 1 << slot;
        self.slots.0[usize::from(slot)].take()
    }
}

/// Enough of a task's number to tell few tasks apart. At worst a task goes behind one that is not its child.
#[inline]
fn short(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use corrente_task::{Cause, Options, Schedule, Spawned, Unobserved, spawn};

    /// A task that is not among these.
    const STRANGER: u64 = 1 << 31;

    #[derive(Clone)]
    struct Nowhere;

    impl Schedule for Nowhere {
        fn schedule(&self, _: Runnable, _: Cause) {}
        fn unobserved(&self, _: &Unobserved<'_>) {}
    }

    fn task() -> (Runnable, u64) {
        let Spawned { runnable, task, task_ref } = spawn(async {}, Nowhere, Options::default());
        task.detach();
        (runnable, task_ref.id().get())
    }

    /// Adds so many children of `parent`, and gives back their numbers.
    fn add<const N: usize>(newcomers: &Newcomers, parent: u64) -> [u64; N] {
        std::array::from_fn(|_| {
            let (runnable, id) = task();
            assert!(newcomers.add(runnable, parent).is_ok());
            id
        })
    }

    fn id(runnable: Option<Runnable>) -> Option<u64> {
        runnable.map(|runnable| runnable.task().id().get())
    }

    #[test]
    fn siblings_run_in_their_order_and_what_they_spawn_before_the_next() {
        let newcomers = Newcomers::new();
        let [a, b, c] = add(&newcomers, STRANGER);
        assert_eq!(id(newcomers.pop()), Some(a));
        let [of_a, also_of_a] = add(&newcomers, a);
        assert_eq!(newcomers.len(), 4);
        assert_eq!(id(newcomers.pop()), Some(of_a));
        assert_eq!(id(newcomers.pop_last()), Some(c));
        assert_eq!([id(newcomers.pop()), id(newcomers.pop())], [Some(also_of_a), Some(b)]);
        assert!(newcomers.pop().is_none() && newcomers.pop_last().is_none());
    }

    #[test]
    fn who_awaits_comes_behind_its_own_children_and_before_others() {
        let newcomers = Newcomers::new();
        let [other] = add(&newcomers, STRANGER);
        let (parent, number) = task();
        let [a, b] = add(&newcomers, number);
        assert!(newcomers.add_behind_children(parent).is_ok());
        let order: Vec<_> = std::iter::from_fn(|| id(newcomers.pop())).collect();
        assert_eq!(order, [a, b, number, other]);
        let (childless, _) = task();
        assert!(newcomers.add_behind_children(childless).is_err());
    }

    #[test]
    fn what_is_stolen_is_passed_over_and_its_place_used_again() {
        let newcomers = Newcomers::new();
        let slots = newcomers.slots();
        let ids: [u64; ROOM] = add(&newcomers, STRANGER);
        assert_eq!((slots.len(), slots.has_one()), (ROOM, true));
        assert_eq!([id(slots.steal()), id(slots.steal())], [Some(ids[0]), Some(ids[1])]);
        let (late, number) = task();
        let late =
            newcomers.add(late, STRANGER + 1).expect_err("a place is free when its turn has come");
        assert_eq!(id(newcomers.pop()), Some(ids[2]));
        assert!(newcomers.add(late, STRANGER + 1).is_ok());
        assert_eq!(id(newcomers.pop()), Some(number));
        assert_eq!(std::iter::from_fn(|| newcomers.pop()).count(), ROOM - 3);
        assert_eq!((slots.len(), slots.has_one(), newcomers.len()), (0, false, 0));
        assert!(slots.steal().is_none());
    }
}
