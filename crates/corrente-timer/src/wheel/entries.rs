//! The store of a wheel: a slab whose keys carry generations, and lists linked by index.
//!
//! Only `wheel.rs` touches it. What always holds:
//! * An entry in use is in exactly one list, the one of its `place`, or in the run; a free one is in none,
//!   and its `next` links the free entries.
//! * A key finds its own entry or nothing: the generation of an entry changes when it is freed, and
//!   an entry that has used up its generations is never used again (that costs its 40 bytes once in
//!   four billion timers).
//! * Memory is kept for reuse, not given back: as many entries as were ever in use at once.

use std::num::NonZeroU32;

use super::level::Place;
use crate::Tick;

/// "No entry": the end of a list.
const NIL: u32 = u32::MAX;

/// Names one entry of a [`Wheel`](crate::Wheel), even after it has gone: then it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}

impl Key {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// The ends of a list of entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(super) const EMPTY: List = List { head: NIL, tail: NIL };

    pub(super) fn is_empty(self) -> bool {
        self.head == NIL
    }
}

/// One timer, or a free place for one. 40 bytes for a `Waker`.
#[derive(Debug)]
struct Entry<T> {
    deadline: Tick,
    /// `None`: free.
    value: Option<T>,
    next: u32,
    prev: u32,
    generation: NonZeroU32,
    place: Place,
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Entries<T> {
    slab: Vec<Entry<T>>,
    /// The first free entry.
    free: u32,
    len: usize,
}

impl<T> Entries<T> {
    pub(super) const fn new() -> Self {
        Self { slab: Vec::new(), free: NIL, len: 0 }
    }

    /// How many entries are in use.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes an entry into use, in no list yet.
    ///
    /// # Panics
    ///
    /// If four billion are in use.
    #[inline]
    pub(super) fn insert(&mut self, deadline: Tick, value: T) -> Key {
        let index = self.free;
        if let Some(entry) = self.slab.get_mut(index as usize) {
            self.len += 1;
            self.free = entry.next;
            entry.deadline = deadline;
            entry.value = Some(value);
            return Key { index, generation: entry.generation };
        }
        self.grow(deadline, value)
    }

    #[cold]
    fn grow(&mut self, deadline: Tick, value: T) -> Key {
        let index = u32::try_from(self.slab.len()).unwrap_or(NIL);
        assert_ne!(index, NIL, "a timer wheel holds at most 4,294,967,295 timers");
        let generation = NonZeroU32::MIN;
        self.slab.push(Entry {
            deadline,
            value: Some(value),
            next: NIL,
            prev: NIL,
            generation,
            place: Place::OVERDUE,
        });
        self.len += 1;
        Key { index, generation }
    }

    /// The entry `key` names, unless it has gone.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        let entry = self.slab.get(key.index as usize)?;
        (entry.generation == key.generation && entry.value.is_some()).then_some(key.index)
    }

    /// Frees an entry that is in no list any more.
    #[inline]
    pub(super) fn free(&mut self, index: u32) -> (Tick, T) {
        let entry = &mut self.slab[index as usize];
        let Some(value) = entry.value.take() else {
            unreachable!("only entries in use are freed");
        };
        self.len -= 1;
        if let Some(generation) = entry.generation.checked_add(1) {
            entry.generation = generation;
            entry.next = self.free;
            self.free = index;
        }
        (entry.deadline, value)
    }

    #[inline]
    pub(super) fn deadline(&self, index: u32) -> Tick {
        self.slab[index as usize].deadline
    }

    #[inline]
    pub(super) fn set_deadline(&mut self, index: u32, deadline: Tick) {
        self.slab[index as usize].deadline = deadline;
    }

    #[inline]
    pub(super) fn place(&self, index: u32) -> Place {
        self.slab[index as usize].place
    }

    pub(super) fn value_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slab[index as usize].value.as_mut()
    }

    /// Puts an entry at the end of `list`, the list of `place`.
    #[inline]
    pub(super) fn push_back(&mut self, list: &mut List, place: Place, index: u32) {
        let tail = std::mem::replace(&mut list.tail, index);
        let entry = &mut self.slab[index as usize];
        entry.place = place;
        entry.next = NIL;
        entry.prev = tail;
        match self.slab.get_mut(tail as usize) {
            Some(before) => before.next = index,
            None => list.head = index,
        }
    }

    /// Takes an entry out of `list`, the list of its place.
    #[inline]
    pub(super) fn unlink(&mut self, list: &mut List, index: u32) {
        let Entry { next, prev, .. } = self.slab[index as usize];
        match self.slab.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => list.head = next,
        }
        match self.slab.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => list.tail = prev,
        }
    }

    /// Takes the first entry out of `list`.
    #[inline]
    pub(super) fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        let index = list.head;
        let next = self.slab.get(index as usize)?.next;
        list.head = next;
        match self.slab.get_mut(next as usize) {
            Some(after) => after.prev = NIL,
            None => list.tail = NIL,
        }
        Some(index)
    }

    /// The deadline of the last entry of `list`.
    pub(super) fn last_deadline(&self, list: List) -> Option<Tick> {
        self.slab.get(list.tail as usize).map(|entry| entry.deadline)
    }

    /// The entries of `list` from first to last, as index and deadline.
    pub(super) fn iter(&self, list: List) -> impl Iterator<Item = (u32, Tick)> + '_ {
        let mut index = list.head;
        std::iter::from_fn(move || {
            let entry = self.slab.get(index as usize)?;
            let item = (index, entry.deadline);
            index = entry.next;
            Some(item)
        })
    }

    /// The entries of `list`, as index and deadline, if there are at most `limit`: the first of them to
    /// `front`, the others, last first, to `back`. Goes from both ends at once: an entry says where the next
    /// one is, and in a big wheel neither is in the caches, so two waits for memory overlap. False if there
    /// are more.
    pub(super) fn walk(
        &self,
        list: List,
        limit: usize,
        front: &mut Vec<(u32, Tick)>,
        back: &mut Vec<(u32, Tick)>,
    ) -> bool {
        let (mut first, mut last) = (list.head, list.tail);
        for _ in 0..limit.div_ceil(2) {
            let entry = &self.slab[first as usize];
            front.push((first, entry.deadline));
            if first == last {
                return true;
            }
            first = entry.next;
            if front.len() + back.len() == limit {
                return false;
            }
            let entry = &self.slab[last as usize];
            back.push((last, entry.deadline));
            if first == last {
                return true;
            }
            last = entry.prev;
        }
        false
    }

    /// Whether an entry that was put into the run is still there.
    #[inline]
    pub(super) fn is_in_run(&self, index: u32) -> bool {
        let entry = &self.slab[index as usize];
        entry.place == Place::RUN && entry.value.is_some()
    }

    /// An entry that was in a list is in the run now.
    #[inline]
    pub(super) fn put_into_run(&mut self, index: u32) {
        self.slab[index as usize].place = Place::RUN;
    }

    /// Frees everything, in the order of the store, and gives it to `give`. The lists are void then.
    pub(super) fn drain(&mut self, mut give: impl FnMut(Tick, T)) {
        for index in 0..self.slab.len() {
            if self.slab[index].value.is_some() {
                let (deadline, value) = self.free(index as u32);
                give(deadline, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn an_entry_with_a_waker_is_40_bytes_and_a_key_8() {
        assert_eq!(size_of::<Entry<Waker>>(), 40);
        assert_eq!(size_of::<Option<Key>>(), 8);
    }

    #[test]
    fn a_key_finds_nothing_after_its_entry_was_freed_and_reused() {
        let mut entries = Entries::new();
        let old = entries.insert(Tick::ZERO, 'a');
        let index = entries.find(old).expect("it is in use");
        assert_eq!(entries.free(index), (Tick::ZERO, 'a'));
        assert_eq!(entries.find(old), None);
        let new = entries.insert(Tick::ZERO, 'b');
        assert_eq!(new.index, old.index);
        assert_eq!(entries.find(old), None);
        assert_eq!(entries.find(new), Some(new.index));
    }

    #[test]
    fn an_entry_out_of_generations_is_retired() {
        let mut entries = Entries::new();
        entries.insert(Tick::ZERO, 'a');
        entries.slab[0].generation = NonZeroU32::MAX;
        let last = Key { index: 0, generation: NonZeroU32::MAX };
        let index = entries.find(last).expect("it is in use");
        entries.free(index);
        assert_eq!(entries.find(last), None);
        let next = entries.insert(Tick::ZERO, 'b');
        assert_eq!(next.index, 1);
        assert_eq!(entries.find(last), None);
        assert_eq!(entries.len(), 1);
    }

    #[test]
    fn lists_keep_their_order_and_lose_any_element() {
        for gone in 0..3u32 {
            let mut entries = Entries::new();
            let mut list = List::EMPTY;
            for i in 0..3 {
                let key = entries.insert(Tick::from_micros(i), i);
                entries.push_back(&mut list, Place::OVERDUE, key.index);
            }
            entries.unlink(&mut list, gone);
            let left: Vec<u32> = entries.iter(list).map(|(index, _)| index).collect();
            let expected: Vec<u32> = (0..3).filter(|&i| i != gone).collect();
            assert_eq!(left, expected);
            assert_eq!(entries.pop_front(&mut list), Some(expected[0]));
            assert_eq!(entries.pop_front(&mut list), Some(expected[1]));
            assert_eq!(entries.pop_front(&mut list), None);
            assert!(list.is_empty());
            assert_eq!(entries.last_deadline(list), None);
        }
    }
}
