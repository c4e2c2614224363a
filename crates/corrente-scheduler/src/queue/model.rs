//! The same places over a lock, for the model checker.
//!
//! The lock must not make the model better than the real thing. A real push publishes with a release
//! store, and a thief that only looks reads that word without a lock; so here, too, the length is a word
//! of its own, and looking does not lock. Without this the lock's order would stand in for the fences
//! that the idle protocol needs, and a model with a forgotten fence would stay green.

use super::STEAL_LIMIT;
use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::{Arc, Mutex};
use std::collections::VecDeque;

#[derive(Debug)]
struct Items<T> {
    items: Mutex<VecDeque<T>>,
    len: AtomicUsize,
}

impl<T> Items<T> {
    fn new() -> Self {
        Self { items: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
    }
    fn push(&self, item: T) {
        let mut items = self.items.lock();
        items.push_back(item);
        // Release, as crossbeam's push: what the item carries is seen by who sees the length.
        self.len.store(items.len(), Ordering::Release);
    }
    fn take(&self, many: impl FnOnce(usize) -> usize) -> VecDeque<T> {
        if self.len() == 0 {
            return VecDeque::new();
        }
        let mut items = self.items.lock();
        let many = many(items.len()).min(items.len());
        let rest = items.split_off(many);
        let taken = std::mem::replace(&mut *items, rest);
        self.len.store(items.len(), Ordering::Release);
        taken
    }
    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

/// See the real one.
#[derive(Debug)]
pub struct LocalQueue<T>(Arc<Items<T>>);
/// See the real one.
#[derive(Debug)]
pub struct Stealer<T>(Arc<Items<T>>);
/// See the real one.
#[derive(Debug)]
pub struct Injector<T>(Items<T>);
/// See the real one.
#[derive(Debug)]
pub struct Place<T>(Mutex<Option<T>>);

impl<T> LocalQueue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self(Arc::new(Items::new()))
    }
    /// The end for thieves.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.clone())
    }
    /// Appends an item.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }
    /// Takes the oldest item.
    pub fn pop(&self) -> Option<T> {
        self.0.take(|_| 1).pop_front()
    }
    /// How many items are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for LocalQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Stealer<T> {
    /// How many items are in the queue.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if nothing is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Moves half of the queue to the thief's own and gives back the oldest item of it.
    pub fn steal_into(&self, thief: &LocalQueue<T>) -> Option<T> {
        first_and_rest(self.0.take(|len| len.div_ceil(2).min(STEAL_LIMIT)), thief)
    }
}

impl<T> Injector<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self(Items::new())
    }
    /// Appends an item.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }
    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
    /// How many items are in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Moves up to `limit` items to the worker's own queue and gives back the oldest of them.
    pub fn take_into(&self, worker: &LocalQueue<T>, limit: usize) -> Option<T> {
        first_and_rest(self.0.take(|_| limit.max(1)), worker)
    }
    /// Takes the oldest item.
    pub fn take(&self) -> Option<T> {
        self.0.take(|_| 1).pop_front()
    }
}

impl<T> Default for Injector<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn first_and_rest<T>(mut taken: VecDeque<T>, queue: &LocalQueue<T>) -> Option<T> {
    let first = taken.pop_front();
    taken.into_iter().for_each(|item| queue.push(item));
    first
}

impl<T> Place<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self(Mutex::new(None))
    }
    /// True for the real one.
    pub const fn is_lock_free() -> bool {
        false
    }
    /// Puts an item in; what was there comes out.
    pub fn put(&self, item: T) -> Option<T> {
        self.0.lock().replace(item)
    }
    /// Takes the item out.
    pub fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self::new()
    }
}
