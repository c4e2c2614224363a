//! All registered sources, by key.
//!
//! A key is a place in a slab and the number of the registration, so that an event of an earlier
//! registration in the same place finds nothing. Such events exist: they can stand in a batch that was
//! fetched before the registration ended, and they go on for ever if a descriptor was duplicated and then
//! closed behind our back, since the registration lives on with the duplicate and cannot be named any more.
//!
//! ```text
//! 64 bits:  | generation: 32 | index: 32 |      32 bits:  | generation: 12 | index: 20 |
//! ```
//!
//! A stale key is mistaken for a living one only if its place is taken again after exactly 2^32 (or 2^12)
//! registrations. Three keys with the highest index are nobody's: `usize::MAX` belongs to polling, two to
//! the epoll path.
use std::io;
use std::sync::Arc;

use rustix::fd::RawFd;
use slab::Slab;

use crate::source::Source;

const INDEX_BITS: u32 = if usize::BITS < 64 { 20 } else { 32 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
/// The interrupter of the epoll path.
pub(crate) const BELL_KEY: usize = usize::MAX - 1;
/// The timer of the epoll path.
pub(crate) const TIMER_KEY: usize = usize::MAX - 2;
/// One more than the highest index: the three reserved keys stay free.
const INDEX_LIMIT: usize = INDEX_MASK - 2;

/// All registered sources.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slab: Slab<Registered>,
    registrations: usize,
}

#[derive(Debug)]
struct Registered {
    source: Arc<Source>,
    descriptor: RawFd,
}

impl Table {
    /// Takes the place and the key of a new source of `descriptor`, which `make` makes from its key.
    ///
    /// # Errors
    ///
    /// When all places are taken (2^20 on 32-bit systems).
    pub(crate) fn insert(
        &mut self,
        descriptor: RawFd,
        make: impl FnOnce(usize) -> Source,
    ) -> io::Result<Arc<Source>> {
        let place = self.slab.vacant_entry();
        if place.key() >= INDEX_LIMIT {
            return Err(io::Error::other("too many descriptors are registered with one reactor"));
        }
        self.registrations = self.registrations.wrapping_add(1);
        let key = (self.registrations << INDEX_BITS) | place.key();
        let source = Arc::new(make(key));
        place.insert(Registered { source: Arc::clone(&source), descriptor });
        Ok(source)
    }

    /// The source of exactly this registration, if it still exists.
    pub(crate) fn get(&self, key: usize) -> Option<&Source> {
        self.registered(key).map(|registered| &*registered.source)
    }

    /// The number of its descriptor.
    pub(crate) fn descriptor(&self, key: usize) -> Option<RawFd> {
        self.registered(key).map(|registered| registered.descriptor)
    }

    fn registered(&self, key: usize) -> Option<&Registered> {
        self.slab.get(key & INDEX_MASK).filter(|registered| registered.source.key() == key)
    }

    /// Ends a registration and gives back the table's share of its source, to be dropped without the lock.
    pub(crate) fn remove(&mut self, key: usize) -> Option<Arc<Source>> {
        self.get(key)?;
        self.slab.try_remove(key & INDEX_MASK).map(|registered| registered.source)
    }

    /// How many sources there are.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Every source.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.slab.iter().map(|(_, registered)| &*registered.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Interest, Watch};

    fn source(key: usize) -> Source {
        Source::new(key, Watch { armed: Interest::NONE, oneshot: false, reports_ends: false })
    }

    #[test]
    fn a_key_names_one_registration_only() {
        let mut table = Table::default();
        let first = table.insert(0, source).unwrap().key();
        assert!(table.remove(first).is_some());
        let second = table.insert(0, source).unwrap().key();
        assert_eq!(first & INDEX_MASK, second & INDEX_MASK, "the place is used again");
        assert!(table.get(first).is_none() && table.remove(first).is_none());
        assert_eq!(table.get(second).map(Source::key), Some(second));
    }

    #[test]
    fn reserved_keys_are_nobodys() {
        for reserved in [usize::MAX, BELL_KEY, TIMER_KEY] {
            assert!(reserved & INDEX_MASK >= INDEX_LIMIT);
        }
    }

    #[test]
    fn the_generation_wraps() {
        let mut table = Table { registrations: usize::MAX, ..Table::default() };
        let first = table.insert(0, source).unwrap().key();
        assert_eq!(first >> INDEX_BITS, 0);
        assert!(table.get(first).is_some());
    }
}
