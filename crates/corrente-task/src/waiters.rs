//! Wakers that wait for one thing, each removable by its key, woken in the order in which they came.

use std::collections::BTreeMap;
use std::task::Waker;

/// Lives under the lock of a task's notes, so nothing here may drop a waker: all are handed out.
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    list: BTreeMap<u64, Waker>,
}

impl Waiters {
    pub fn insert(&mut self, waker: Waker) -> u64 {
        let key = self.next;
        self.next += 1;
        self.list.insert(key, waker);
        key
    }

    #[must_use = "a waker is user code and must be dropped outside of the lock"]
    pub fn remove(&mut self, key: u64) -> Option<Waker> {
        self.list.remove(&key)
    }

    /// True if the waker under `key` is still waiting and would do what `waker` does.
    pub fn has(&self, key: u64, waker: &Waker) -> bool {
        self.list.get(&key).is_some_and(|mine| mine.will_wake(waker))
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[must_use = "a waker is user code and must be dropped outside of the lock"]
    pub fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.list).into_values()
    }
}
