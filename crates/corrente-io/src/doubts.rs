//! The sources in doubt: somebody waits for an event about each without having asked the system (`readiness.rs`).
//!
//! A waiter enlists its source before it waits, and the thread that turns the reactor asks for all of them, with one
//! system call for many, if no event has come before. In a request and its answer that is seldom necessary: the next
//! event comes while there is other work. What always holds: no turn waits while a source is in the list.
//!
//! # Why no doubt is left alone
//!
//! *Whoever cannot rely on the list does not.* While a turn waits, or is about to, nobody is enlisted; a waiter that
//! is refused tries. What is in the list when a turn is about to wait is asked for first. Both go by one flag under the
//! list's lock.
//!
//! *Whoever is in the list relies on the turns to come*, as all do who wait for events. Turns that only look, whether
//! they find something or not, ask for what has grown old. The list is in the order of enlisting, and an entry is old
//! after twice as many events as there are entries: by then each source has had its turn, if it is one of many that
//! are busy. A look that finds nothing counts as some events, so that they add up where there are none.
//!
//! *A doubt that ends between the enlisting and the wait* does not hold its waiter, who names the doubt when it waits:
//! see "Doubt" in `readiness.rs`.
use std::collections::VecDeque;

use corrente_shim::atomic::Ordering;
use corrente_shim::sync::Mutex;

use crate::readiness::Doubt;
use crate::source::{Direction, Source};

/// So many at most are taken at once.
pub(crate) const SOME: usize = 32;
/// An entry is old after so many events and two for each entry,
const OLD: usize = 64;
/// but after so many in any case.
const OLD_AT_LAST: usize = 8192;
/// A look that finds nothing counts as so many events.
const EMPTY_LOOK: usize = 64;

/// See the module. Any thread enlists; the one that turns the reactor does the rest.
#[derive(Debug, Default)]
pub struct Doubts {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    entries: VecDeque<Entry>,
    /// How many events there were, more or less.
    events: usize,
    /// A turn waits, or is about to.
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    key: usize,
    doubt: Doubt,
    /// How many events there were before.
    since: usize,
}

impl Doubts {
    /// True if a turn will settle this `doubt` about `source` in case no event does. False: its owner must try.
    pub fn enlist(&self, source: &Source, doubt: Doubt) -> bool {
        // Rather a system call than a queue of threads at one lock.
        let Some(mut list) = self.list.try_lock() else { return false };
        if list.closed {
            return false;
        }
        // Relaxed, here and below: changed only under the lock.
        if !source.listed.swap(true, Ordering::Relaxed) {
            let since = list.events;
            list.entries.push_back(Entry { key: source.key(), doubt, since });
        }
        true
    }

    /// A turn is about to wait: nobody is enlisted any more. True if nobody is in the list either; else what is there
    /// must be settled before the wait.
    pub fn close(&self) -> bool {
        let mut list = self.list.lock();
        list.closed = true;
        list.entries.is_empty()
    }

    /// The wait is over.
    pub fn open(&self) {
        self.list.lock().closed = false;
    }

    /// A turn has only looked, and found so many events. True if something has grown old.
    pub fn looked(&self, events: usize) -> bool {
        let mut list = self.list.lock();
        list.events = list.events.wrapping_add(if events == 0 { EMPTY_LOOK } else { events });
        list.has_old()
    }

    /// Takes some sources out of the list whose doubts are to be settled: old ones, or any if `all` are to be. `find`
    /// knows a source by its key.
    pub fn take<'a>(
        &self,
        all: bool,
        find: impl Fn(usize) -> Option<&'a Source>,
    ) -> Vec<&'a Source> {
        let mut taken = Vec::with_capacity(SOME);
        let mut list = self.list.lock();
        while taken.len() < SOME && (all || list.has_old()) {
            let Some(entry) = list.entries.pop_front() else { break };
            // None: its registration has ended.
            let Some(source) = find(entry.key) else { continue };
            match source.direction(Direction::Read).doubt() {
                // Another one than was enlisted, so it is not old.
                Some(doubt) if doubt != entry.doubt && !all => {
                    let since = list.events;
                    list.entries.push_back(Entry { doubt, since, ..entry });
                }
                doubt => {
                    source.listed.store(false, Ordering::Relaxed);
                    taken.extend(doubt.map(|_| source));
                }
            }
        }
        taken
    }
}

impl List {
    fn has_old(&self) -> bool {
        let old = (2 * self.entries.len() + OLD).min(OLD_AT_LAST);
        self.entries.front().is_some_and(|entry| self.events.wrapping_sub(entry.since) >= old)
    }
}
