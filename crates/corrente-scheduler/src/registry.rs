//! All living tasks: for `all_tasks`, and for a shutdown that must find each of them.
//!
//! Sharded by who spawned, so that workers that spawn do not meet; entering and leaving take no lock
//! (`registry/slots.rs`). A `TaskRef` that comes out is dropped by the caller, under no lock. What always
//! holds: a task that was entered before a shard closed is in the list that closing gives, or has ended; a
//! task that comes later is refused. So a shutdown misses none.

mod slots;

pub use slots::Slots;
pub(crate) use slots::Spare;

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
pub(crate) const PLACES: u32 = (1 << PLACE_BITS) - 256;
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
    shards: Box<[CachePadded<Slots<TaskRef>>]>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| CachePadded::default()).collect() }
    }

    /// Reserves a place in `shard`, or, if that is full, in the next one with room. `None`: all are full
    /// (4 billion tasks) or the registry is closed.
    pub(crate) fn reserve(&self, shard: usize) -> Option<Slot> {
        (0..SHARDS).map(|step| (shard + step) % SHARDS).find_map(|shard| {
            self.shards[shard].reserve(PLACES).map(|place| Slot::new(shard, place))
        })
    }

    /// Reserves a place in `shard` for a worker, who keeps some in `spare` for those to come.
    #[inline]
    pub(crate) fn reserve_from(&self, shard: usize, spare: &mut Spare) -> Option<Slot> {
        if let Some(place) = spare.pop() {
            return Some(Slot::new(shard, place));
        }
        *spare = self.shards[shard].reserve_run(PLACES).unwrap_or_default();
        spare.pop().map(|place| Slot::new(shard, place)).or_else(|| self.reserve(shard))
    }

    /// Enters a task at its place. False: the registry is closed, and the task must not run.
    #[inline]
    #[must_use]
    pub(crate) fn enter(&self, slot: Slot, task: TaskRef, callback: bool) -> bool {
        self.shards[slot.shard()].enter(slot.place(), task, callback).is_ok()
    }

    /// A task has ended: gives its place back.
    #[inline]
    pub(crate) fn leave(&self, slot: Slot) {
        drop(self.shards[slot.shard()].leave(slot.place()));
    }

    /// The task at this place may end soon.
    #[inline]
    pub(crate) fn prefetch(&self, slot: Slot) {
        self.shards[slot.shard()].prefetch(slot.place());
    }

    /// Refuses new tasks from now on, and gives back those that live.
    pub(crate) fn close(&self) -> Vec<TaskRef> {
        self.shards.iter().for_each(|shard| shard.close());
        self.list(|_, _| true)
    }

    /// The living tasks, without callbacks.
    pub(crate) fn tasks(&self) -> Vec<TaskRef> {
        self.list(|_, callback| !callback)
    }

    /// The living task with this number.
    pub(crate) fn find(&self, number: u64) -> Option<TaskRef> {
        let is_it = |task: &TaskRef| (task.id().get() == number).then(|| task.clone());
        self.shards.iter().find_map(|shard| shard.find(|task, _| is_it(task)))
    }

    /// How many places tasks and callbacks have, and workers in reserve.
    pub(crate) fn taken(&self) -> usize {
        self.shards.iter().map(|shard| shard.taken()).sum()
    }

    fn list(&self, which: impl Fn(&TaskRef, bool) -> bool) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        for shard in &self.shards {
            let _: Option<()> = shard.find(|task, callback| {
                tasks.extend(which(task, callback).then(|| task.clone()));
                None
            });
        }
        tasks
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
        assert_eq!((registry.taken(), registry.tasks().len()), (3, 1));
        assert_eq!(registry.close().len(), 2);
        assert!(!registry.enter(slots[2], task(), false));
        assert_eq!(registry.reserve(0), None);
        slots.into_iter().for_each(|slot| registry.leave(slot));
        assert_eq!(registry.taken(), 0);
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
