//! [`Slot`]: a place for one [`Runnable`] that its owner fills and that anybody may empty.
//!
//! In it a scheduler keeps what is to run next, where others can steal it. It is one word: the `Runnable`'s address, or
//! null. What always holds:
//! * The reference of the `Runnable` is in the slot as long as the address is, and who exchanges the address for
//!   something else has it. So of all who try to take it exactly one succeeds.
//! * Others write only when they take something. So a slot that its owner has found empty stays so until the owner
//!   fills it, and to do that takes no exchange.

use crate::header::Header;
use crate::runnable::Runnable;
use corrente_shim::atomic::{AtomicPtr, Ordering};
use std::ptr::{self, NonNull};

/// See the module.
pub struct Slot(AtomicPtr<Header>);

impl Slot {
    /// An empty slot.
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts an item in; what was there comes out.
    #[inline]
    pub fn put(&self, item: Runnable) -> Option<Runnable> {
        // Release: who takes the item sees what went before. Acquire: so do we, of the one that comes out.
        own(self.0.swap(item.into_raw().as_ptr(), Ordering::AcqRel))
    }

    /// The same without an exchange, for an owner that knows the slot to be empty: since it last put something in, it
    /// has taken it out, or found that it was gone. An item that is there all the same is never run.
    #[inline]
    pub fn fill(&self, item: Runnable) {
        debug_assert!(!self.is_full(), "a slot is filled that is full");
        // Release: as in `put`.
        self.0.store(item.into_raw().as_ptr(), Ordering::Release);
    }

    /// For the owner: takes the item out, if it is still there.
    #[inline]
    pub fn take(&self) -> Option<Runnable> {
        // Acquire: see `put`. Nothing is published by a null.
        own(self.0.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// For others: takes the item out, if there is one and nobody else takes it at this moment.
    pub fn steal(&self) -> Option<Runnable> {
        let item = self.0.load(Ordering::Relaxed);
        if item.is_null() {
            return None;
        }
        // Acquire: see `put`. It may be another item by now with the same address: then it is this one that we take.
        let taken =
            self.0.compare_exchange(item, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        taken.ok().and_then(own)
    }

    /// True if there is an item. It may be gone already. Relaxed: who acts on it takes the item.
    #[inline]
    pub fn is_full(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_null()
    }
}

#[inline]
fn own(header: *mut Header) -> Option<Runnable> {
    // SAFETY: the address was put in by `put` or `fill`, with the reference of a Runnable, and the exchange that gave
    // it to us has taken it out of the slot: see the module.
    NonNull::new(header).map(|header| unsafe { Runnable::new(header) })
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_full() { "Slot(full)" } else { "Slot(empty)" })
    }
}
