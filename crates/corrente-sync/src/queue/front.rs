//! The items of an unbounded queue that are next to go out, under a lock of their own.
//!
//! Who gets finds the queue's lock contended by those who put. So he takes with his item all that stand behind it,
//! at one stroke, and leaves them here; the getters who come after him need no other lock, until these are used up.
//!
//! What always holds when nobody has the queue's lock:
//! * What is here was put before all that is in the queue's own store.
//! * While something is here, nobody is in the line of getters, so nothing is promised to anybody.
//!
//! It is *filled* only by the owner of the queue's lock, and only while that line is empty; it is *emptied* by anybody.
//! Hence who has the queue's lock and finds nothing here knows that it stays so: then he may join the line.

use super::store::Store;
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::Mutex;

/// Aligned so that it does not lie in the cache line of those who put.
#[repr(align(128))]
pub(super) struct Front<S> {
    /// Something may be here. False is certain for the owner of the queue's lock.
    filled: AtomicBool,
    store: Mutex<S>,
}

impl<S: Store> Front<S> {
    pub(super) fn new() -> Self {
        Self { filled: AtomicBool::new(false), store: Mutex::new(S::new()) }
    }

    /// The oldest item, if one is here.
    #[inline]
    pub(super) fn pop(&self) -> Option<S::Item> {
        // Relaxed: a hint, what is reached by it is under the lock. Whoever has the queue's lock sees the last fill,
        // since that was done under it; and a later false is true.
        if self.filled.load(Ordering::Relaxed) { self.pop_filled() } else { None }
    }

    #[inline(never)]
    fn pop_filled(&self) -> Option<S::Item> {
        let mut store = self.store.lock();
        let item = store.pop();
        if store.len() == 0 {
            self.filled.store(false, Ordering::Relaxed);
        }
        item
    }

    /// Takes all that is in `store`. The caller has the queue's lock, has found nothing here, and nobody is in the line
    /// of getters.
    #[inline(never)]
    pub(super) fn fill(&self, store: &mut S) {
        let mut front = self.store.lock();
        std::mem::swap(&mut *front, store);
        self.filled.store(true, Ordering::Relaxed);
    }

    /// How many items are here.
    pub(super) fn len(&self) -> usize {
        self.store.lock().len()
    }

    /// Takes all items away.
    pub(super) fn take(&self) -> S {
        let mut front = self.store.lock();
        self.filled.store(false, Ordering::Relaxed);
        std::mem::replace(&mut *front, S::new())
    }
}
