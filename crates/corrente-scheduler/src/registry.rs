//! All living tasks: for `all_tasks`, and for a shutdown that must find each of them.
//!
//! Sharded by who spawned, so that a spawn and an end on the same worker meet nobody. A lock is held for
//! a few instructions and never over user code: a `TaskRef` that comes out is dropped by the caller,
//! outside. What always holds: a task that was entered before a shard closed is in the list that closing
//! gives, or has ended; a task that comes later is refused. So a shutdown misses none.

mod slots;

pub(crate) use slots::{Slots, Spare};

use corrente_shim::sync::Mutex;
use corrente_task::TaskRef;
use crossbeam_utils::CachePadded;
use std::num::NonZeroU32;

/// Where a task's entry is: its shard, and the place in it. One more than this number, so that `Option` is as small:
///
/// ```text
/// bit   31..25  shard      24..0  place
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(NonZeroU32);

const PLACE_BITS: u32 = 25;
/// The last places of a shard are not used: so one more than a slot's number is still a `u32`.
const PLACES: u32 = (1 << PLACE_BITS) - 256;
const SHARDS: usize = 1 << (32 - PLACE_BITS);

impl Slot {
    fn new(shard: usize, place: u32) -> Self {
        let number = (shard as u32) << PLACE_BITS | place;
        Self(NonZeroU32::MIN.saturating_add(number))
    }
    fn number(self) -> u32 {
        self.0.get() - 1
    }
    fn shard(self) -> usize {
        (self.number() >> PLACE_BITS) as usize
    }
    fn place(self) -> u32 {
        self.number() & ((1 << PLACE_BITS) - 1)
    }
}

/// See the module.
pub(crate) struct Registry {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

#[derive(Default)]
struct Shard {
    slots: Slots,
    closed: bool,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| CachePadded::new(Mutex::default())).collect() }
    }

    /// Reserves a place in `shard`, or, if that is full, in the next one with room. `None`: all are full
    /// (4 billion tasks) or the registry is closed.
    pub(crate) fn reserve(&self, shard: usize) -> Option<Slot> {
        (0..SHARDS).map(|step| (shard + step) % SHARDS).find_map(|shard| {
            let mut state = self.shards[shard].lock();
            if state.closed {
                None
            } else {
                state.slots.reserve(PLACES).map(|p| Slot::new(shard, p))
            }
        })
    }

    /// Reserves a place in `shard` for a worker, who keeps some in `spare` for those to come.
    #[inline]
    pub(crate) fn reserve_from(&self, shard: usize, spare: &mut Spare) -> Option<Slot> {
        if let Some(place) = spare.pop() {
            return Some(Slot::new(shard, place));
        }
        self.refill(shard, spare);
        spare.pop().map(|place| Slot::new(shard, place)).or_else(|| self.reserve(shard))
    }

    #[cold]
    fn refill(&self, shard: usize, spare: &mut Spare) {
        let mut state = self.shards[shard].lock();
        if !state.closed {
            *spare = state.slots.reserve_run(PLACES).unwrap_or_default();
        }
    }

    /// Enters a task at its place. False: the registry is closed, and the task must not run.
    #[must_use]
    pub(crate) fn enter(&self, slot: Slot, task: TaskRef, callback: bool) -> bool {
        let mut state = self.shards[slot.shard()].lock();
        if state.closed {
            drop(state);
            drop(task);
            return false;
        }
        state.slots.fill(slot.place(), task, callback);
        true
    }

    /// A task has ended: gives its place back.
    pub(crate) fn leave(&self, slot: Slot) {
        let task = self.shards[slot.shard()].lock().slots.vacate(slot.place());
        drop(task);
    }

    /// Refuses new tasks from now on, and gives back those that live.
    pub(crate) fn close(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for shard in &self.shards {
            let mut state = shard.lock();
            state.closed = true;
            tasks.extend(state.slots.iter().map(|(task, _)| task.clone()));
        }
        tasks
    }

    /// The living tasks, without callbacks.
    pub(crate) fn tasks(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for shard in &self.shards {
            let state = shard.lock();
            let entries = state.slots.iter().filter(|(_, callback)| !callback);
            tasks.extend(entries.map(|(task, _)| task.clone()));
        }
        tasks
    }

    /// The living task with this number.
    pub(crate) fn find(&self, number: u64) -> Option<TaskRef> {
        self.shards.iter().find_map(|shard| {
            let state = shard.lock();
            state.slots.iter().find(|(task, _)| task.id().get() == number).map(|(t, _)| t.clone())
        })
    }

    /// How many tasks and callbacks live.
    pub(crate) fn living(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.living()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corrente_task::{Cause, Options, Runnable, Schedule, spawn};

    #[derive(Clone)]
    struct Nowhere;
    impl Schedule for Nowhere {
        fn schedule(&self, _: Runnable, _: Cause) {}
    }

    fn task() -> TaskRef {
        spawn(async {}, Nowhere, Options::default()).task_ref
    }

    #[test]
    fn a_slot_says_where_it_is() {
        for (shard, place) in [(0, 0), (0, 1), (1, 0), (5, PLACES - 1), (SHARDS - 1, PLACES - 1)] {
            let slot = Slot::new(shard, place);
            assert_eq!((slot.shard(), slot.place()), (shard, place));
        }
        assert_eq!(size_of::<Option<Slot>>(), size_of::<u32>());
    }

    #[test]
    fn a_closed_registry_refuses() {
        let registry = Registry::new();
        let slots: Vec<Slot> = (0..3).filter_map(|shard| registry.reserve(shard)).collect();
        assert!(registry.enter(slots[0], task(), false));
        assert!(registry.enter(slots[1], task(), true));
        assert_eq!((registry.living(), registry.tasks().len()), (2, 1));
        assert_eq!(registry.close().len(), 2);
        assert!(!registry.enter(slots[2], task(), false));
        assert_eq!(registry.reserve(0), None);
        slots.into_iter().for_each(|slot| registry.leave(slot));
        assert_eq!(registry.living(), 0);
    }

    #[test]
    fn spare_places_come_from_the_shard_that_was_asked() {
        let (registry, mut spare) = (Registry::new(), Spare::default());
        for place in 0..200 {
            let slot = registry.reserve_from(5, &mut spare);
            assert_eq!(slot.map(|slot| (slot.shard(), slot.place())), Some((5, place)));
        }
        assert_eq!(registry.reserve(5).map(Slot::place), Some(256), "four words were reserved");
        registry.close();
        let left = std::iter::from_fn(|| registry.reserve_from(5, &mut spare)).count();
        assert_eq!(left, 56, "what is spare may be had, but not entered");
    }

    #[test]
    fn a_task_is_found_by_its_number() {
        let registry = Registry::new();
        let wanted = task();
        for shard in 0..SHARDS {
            let entered = registry.reserve(shard).is_some_and(|slot| {
                registry.enter(slot, if shard == 90 { wanted.clone() } else { task() }, false)
            });
            assert!(entered);
        }
        assert_eq!(registry.find(wanted.id().get()), Some(wanted));
        assert_eq!(registry.find(u64::MAX), None);
    }
}
