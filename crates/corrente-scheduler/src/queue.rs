//! The places where tasks wait: a worker's own queue, its thieves' end, the injector; and a place for one thing.
//!
//! Everything the pool needs of crossbeam goes through this file, so that a model checker can be given
//! the twin in `queue/model.rs` instead: crossbeam has no loom build. What always holds: an item is in
//! exactly one place, and comes out exactly once.

#[cfg(not(corrente_loom))]
pub use real::{Injector, LocalQueue, Place, Stealer};

#[cfg(corrente_loom)]
pub use model::{Injector, LocalQueue, Place, Stealer};

#[cfg(any(corrente_loom, test))]
mod model;

/// The most that one steal moves. Half of a long queue would be a long time in one critical loop, and
/// the rest can be stolen again.
const STEAL_LIMIT: usize = 128;

#[cfg(not(corrente_loom))]
mod real {
    use super::STEAL_LIMIT;
    use crossbeam_deque as deque;
    use crossbeam_utils::atomic::AtomicCell;

    /// The queue of one worker, first in, first out. Only its worker pushes and pops.
    #[derive(Debug)]
    pub struct LocalQueue<T>(deque::Worker<T>);

    /// The thieves' end of a [`LocalQueue`].
    #[derive(Debug)]
    pub struct Stealer<T>(deque::Stealer<T>);

    /// The queue for everyone who is no worker.
    #[derive(Debug)]
    pub struct Injector<T>(deque::Injector<T>);

    /// A place for one item. Anybody may put one in or take it out.
    pub struct Place<T>(AtomicCell<Option<T>>);

    impl<T> LocalQueue<T> {
        /// An empty queue.
        pub fn new() -> Self {
            Self(deque::Worker::new_fifo())
        }
        /// The end for thieves.
        pub fn stealer(&self) -> Stealer<T> {
            Stealer(self.0.stealer())
        }
        /// Appends an item. Publishes it, but gives no order with later loads: whoever decides
        /// afterwards whether to wake a thief needs a full fence in between.
        #[inline]
        pub fn push(&self, item: T) {
            self.0.push(item);
        }
        /// Takes the oldest item.
        #[inline]
        pub fn pop(&self) -> Option<T> {
            self.0.pop()
        }
        /// How many items are in it; thieves may take some meanwhile.
        #[inline]
        pub fn len(&self) -> usize {
            self.0.len()
        }
        /// True if nothing is in it.
        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl<T> Default for LocalQueue<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    impl<T> Stealer<T> {
        /// How many items are in the queue. Costs a full fence.
        pub fn len(&self) -> usize {
            self.0.len()
        }
        /// True if nothing is in the queue. Costs a full fence.
        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
        /// Moves half of the queue to the thief's own and gives back the oldest item of it.
        pub fn steal_into(&self, thief: &LocalQueue<T>) -> Option<T> {
            until_decided(|| self.0.steal_batch_with_limit_and_pop(&thief.0, STEAL_LIMIT))
        }
    }

    impl<T> Injector<T> {
        /// An empty queue.
        pub fn new() -> Self {
            Self(deque::Injector::new())
        }
        /// Appends an item.
        pub fn push(&self, item: T) {
            self.0.push(item);
        }
        /// True if nothing is in it. Two plain loads.
        #[inline]
        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
        /// How many items are in it, roughly.
        pub fn len(&self) -> usize {
            self.0.len()
        }
        /// Moves up to `limit` items to the worker's own queue and gives back the oldest of them.
        pub fn take_into(&self, worker: &LocalQueue<T>, limit: usize) -> Option<T> {
            until_decided(|| self.0.steal_batch_with_limit_and_pop(&worker.0, limit.max(1)))
        }
        /// Takes the oldest item.
        pub fn take(&self) -> Option<T> {
            until_decided(|| self.0.steal())
        }
    }

    impl<T> Default for Injector<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    /// A retry means that somebody else has just made progress, so this ends.
    fn until_decided<T>(steal: impl Fn() -> deque::Steal<T>) -> Option<T> {
        loop {
            match steal() {
                deque::Steal::Success(item) => return Some(item),
                deque::Steal::Empty => return None,
                deque::Steal::Retry => corrente_shim::spin_loop(),
            }
        }
    }

    impl<T> Place<T> {
        /// An empty slot.
        pub const fn new() -> Self {
            Self(AtomicCell::new(None))
        }
        /// True if an exchange is one instruction and not a lock: so it is for anything of a pointer's size.
        pub const fn is_lock_free() -> bool {
            AtomicCell::<Option<T>>::is_lock_free()
        }
        /// Puts an item in; what was there comes out.
        #[inline]
        pub fn put(&self, item: T) -> Option<T> {
            self.0.swap(Some(item))
        }
        /// Takes the item out.
        #[inline]
        pub fn take(&self) -> Option<T> {
            self.0.swap(None)
        }
    }

    impl<T> Default for Place<T> {
        fn default() -> Self {
            Self::new()
        }
    }

    impl<T> std::fmt::Debug for Place<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            // What is in it cannot be looked at without taking it.
            f.write_str("Place")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corrente_task::Runnable;

    /// The real places and their twin keep the same promises.
    macro_rules! promises {
        ($name:ident, $places:path) => {
            mod $name {
                use $places::*;

                #[test]
                fn first_in_first_out_and_half_for_the_thief() {
                    let (mine, thief) = (LocalQueue::new(), LocalQueue::new());
                    assert!(mine.is_empty());
                    (0..10).for_each(|n| mine.push(n));
                    let stealer = mine.stealer();
                    assert_eq!((stealer.len(), stealer.is_empty()), (10, false));
                    assert_eq!(stealer.steal_into(&thief), Some(0));
                    assert_eq!((mine.len(), thief.len()), (5, 4));
                    assert_eq!((thief.pop(), mine.pop()), (Some(1), Some(5)));
                }

                #[test]
                fn a_steal_moves_a_bounded_number() {
                    let (mine, thief) = (LocalQueue::new(), LocalQueue::new());
                    (0..10_000).for_each(|n| mine.push(n));
                    assert_eq!(mine.stealer().steal_into(&thief), Some(0));
                    assert!(thief.len() < super::super::STEAL_LIMIT, "{} moved", thief.len());
                }

                #[test]
                fn the_injector_gives_in_order_and_no_more_than_asked() {
                    let (injector, mine) = (Injector::new(), LocalQueue::new());
                    assert_eq!(injector.take_into(&mine, 4), None);
                    (0..40).for_each(|n| injector.push(n));
                    assert_eq!((injector.len(), injector.is_empty()), (40, false));
                    assert_eq!(injector.take_into(&mine, 4), Some(0));
                    assert_eq!((mine.len(), mine.pop()), (3, Some(1)));
                    assert_eq!(injector.take(), Some(4));
                }

                #[test]
                fn a_place_holds_one() {
                    let slot = Place::new();
                    assert_eq!(slot.put(Box::new(1)), None);
                    assert_eq!(slot.put(Box::new(2)), Some(Box::new(1)));
                    assert_eq!(slot.take(), Some(Box::new(2)));
                    assert_eq!(slot.take(), None);
                }
            }
        };
    }
    promises!(the_real_ones, crate::queue);
    promises!(the_twin, crate::queue::model);

    #[test]
    fn a_place_is_no_lock() {
        assert!(Place::<Runnable>::is_lock_free());
        assert!(!model::Place::<Runnable>::is_lock_free());
    }
}
