//! The run: what was in one slot, in the order in which it will be given out.
//!
//! Only `wheel.rs` touches it. A slot that is not too full need not be moved down level by level, which
//! touches every entry once for each: its entries are sorted, once. What always holds:
//! * The entries of the run are those of `items` from `next` on that have `Place::RUN` and are not free.
//!   They are in no list. One that is removed or gets another deadline is neither any more, and is passed
//!   over; it does not come back before the next run.
//! * Items are in the order of (deadline, insertion).

use super::entries::{Entries, List};
use crate::Tick;

/// The longest run. Sorting one is work that is not divided.
const LONGEST: usize = 256;

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Run {
    /// Index and deadline of the entries.
    items: Vec<(u32, Tick)>,
    next: usize,
    /// For collecting the items; empty otherwise.
    back: Vec<(u32, Tick)>,
}

impl Run {
    pub(super) const fn new() -> Self {
        Self { items: Vec::new(), next: 0, back: Vec::new() }
    }

    /// The first deadline of the run.
    pub(super) fn first<T>(&self, entries: &Entries<T>) -> Option<Tick> {
        let rest = &self.items[self.next..];
        rest.iter().find(|item| entries.is_in_run(item.0)).map(|item| item.1)
    }

    /// The same, and forgets the items that are passed over.
    #[inline]
    pub(super) fn peek<T>(&mut self, entries: &Entries<T>) -> Option<Tick> {
        while let Some(&(index, deadline)) = self.items.get(self.next) {
            if entries.is_in_run(index) {
                return Some(deadline);
            }
            self.next += 1;
        }
        None
    }

    /// Takes the first entry, if its deadline is not after `until`.
    #[inline]
    pub(super) fn pop<T>(&mut self, until: Tick, entries: &Entries<T>) -> Option<u32> {
        self.peek(entries).filter(|&deadline| deadline <= until)?;
        let (index, _) = self.items[self.next];
        self.next += 1;
        Some(index)
    }

    /// Takes over all entries of `list`, if they are at most `limit` and [`LONGEST`]; how many they were.
    /// The run before it must be over.
    pub(super) fn collect<T>(
        &mut self,
        list: &mut List,
        limit: usize,
        entries: &mut Entries<T>,
    ) -> Option<usize> {
        self.items.clear();
        self.next = 0;
        let all = entries.walk(*list, limit.min(LONGEST), &mut self.items, &mut self.back);
        self.items.extend(self.back.drain(..).rev());
        if !all {
            self.items.clear();
            return None;
        }
        *list = List::EMPTY;
        self.items.sort_by_key(|&(_, deadline)| deadline);
        self.items.iter().for_each(|&(index, _)| entries.put_into_run(index));
        Some(self.items.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::level::Place;
    use super::*;

    #[test]
    fn a_list_that_is_not_longer_than_the_limit_is_collected() {
        for length in [1, 2, 3, 4, 7, 8] {
            for limit in 0..10 {
                let (mut entries, mut list, mut run) = (Entries::new(), List::EMPTY, Run::new());
                for n in 0..length {
                    // From the last deadline to the first, and each twice.
                    let deadline = Tick::from_micros((length - n) / 2);
                    let index = entries.insert(deadline, n).index();
                    entries.push_back(&mut list, Place::NEVER, index);
                }
                let collected = run.collect(&mut list, limit, &mut entries);
                let fits = (length as usize <= limit).then_some(length as usize);
                assert_eq!(collected, fits, "{length} of {limit}");
                assert_eq!(list.is_empty(), fits.is_some());
                let pop = || run.pop(Tick::NEVER, &entries);
                let given: Vec<u64> = std::iter::from_fn(pop).map(u64::from).collect();
                let mut expected: Vec<u64> = (0..fits.map_or(0, |_| length)).collect();
                expected.sort_by_key(|n| (length - n) / 2);
                assert_eq!(given, expected);
            }
        }
        let (mut entries, mut list, mut run) = (Entries::new(), List::EMPTY, Run::new());
        for n in 0..=LONGEST {
            let index = entries.insert(Tick::ZERO, n).index();
            entries.push_back(&mut list, Place::NEVER, index);
        }
        assert_eq!(run.collect(&mut list, usize::MAX, &mut entries), None);
    }
}
