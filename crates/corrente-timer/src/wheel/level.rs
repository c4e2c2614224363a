//! The levels of a wheel: where a deadline belongs, and which slots hold something.
//!
//! Only `wheel.rs` touches it. What always holds: a slot's bit is set if its list is not empty, and a
//! level's bit in `used` is set if a bit of that level is.
//!
//! A deadline is read as eleven digits of six bits. Its level is the place of the first digit in
//! which it differs from the cursor, its slot is that digit. All bits above agree with the cursor's,
//! so a slot stands for one stretch of time and nothing ever wraps around; the top level has four
//! bits left and uses sixteen slots.

use super::entries::List;
use crate::Tick;

/// Bits of a digit.
const BITS: u32 = 6;
/// Slots of a level.
const SLOTS: usize = 1 << BITS;
/// As many digits as it takes for 64 bits.
pub(super) const LEVELS: usize = 11;

/// The list an entry is in: a slot of a level, or one of two lists beside the levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    /// Deadlines before the cursor.
    pub(super) const OVERDUE: Place = Place((LEVELS * SLOTS) as u16);
    /// Deadlines at [`Tick::NEVER`].
    pub(super) const NEVER: Place = Place((LEVELS * SLOTS + 1) as u16);
    /// No list: the run.
    pub(super) const RUN: Place = Place((LEVELS * SLOTS + 2) as u16);
    const COUNT: usize = LEVELS * SLOTS + 2;

    /// The slot for `deadline`, which is not before `cursor`.
    #[inline]
    pub(super) fn of(deadline: Tick, cursor: Tick) -> Place {
        let (deadline, cursor) = (deadline.as_micros(), cursor.as_micros());
        debug_assert!(deadline >= cursor);
        // The lowest digit is the place to be when no higher one differs.
        let first_difference = ((deadline ^ cursor) | (SLOTS as u64 - 1)).ilog2();
        let level = first_difference / BITS;
        let slot = (deadline >> (level * BITS)) as usize % SLOTS;
        Place((level as usize * SLOTS + slot) as u16)
    }

    pub(super) fn level(self) -> usize {
        usize::from(self.0) / SLOTS
    }

    fn slot(self) -> usize {
        usize::from(self.0) % SLOTS
    }

    fn is_slot(self) -> bool {
        self.level() < LEVELS
    }

    /// The first tick this slot stands for, seen from `cursor`.
    pub(super) fn first_tick(self, cursor: Tick) -> Tick {
        let shift = self.level() as u32 * BITS;
        let below = (1 << shift) - 1;
        let digit = (SLOTS as u64 - 1) << shift;
        let above = cursor.as_micros() & !(digit | below);
        Tick::from_micros(above | ((self.slot() as u64) << shift))
    }

    /// The last tick this slot stands for, seen from `cursor`.
    pub(super) fn last_tick(self, cursor: Tick) -> Tick {
        let below = (1 << (self.level() as u32 * BITS)) - 1;
        Tick::from_micros(self.first_tick(cursor).as_micros() | below)
    }
}

/// See the top of this file.
#[derive(Debug)]
pub(super) struct Levels {
    /// A bit for each level that holds something.
    used: u16,
    /// For each level a bit for each slot that holds something.
    occupied: [u64; LEVELS],
    lists: [List; Place::COUNT],
}

impl Levels {
    pub(super) const fn new() -> Self {
        Self { used: 0, occupied: [0; LEVELS], lists: [List::EMPTY; Place::COUNT] }
    }

    pub(super) fn list(&self, place: Place) -> List {
        self.lists[usize::from(place.0)]
    }

    /// The list of `place`, to put an entry into: it is marked as holding something.
    #[inline]
    pub(super) fn list_to_fill(&mut self, place: Place) -> &mut List {
        if let Some(occupied) = self.occupied.get_mut(place.level()) {
            *occupied |= 1 << place.slot();
            self.used |= 1 << place.level();
        }
        &mut self.lists[usize::from(place.0)]
    }

    /// The list of `place`, to take an entry out; [`note_if_empty`](Self::note_if_empty) must follow.
    #[inline]
    pub(super) fn list_to_take(&mut self, place: Place) -> &mut List {
        &mut self.lists[usize::from(place.0)]
    }

    /// Clears the mark of `place` if its list is empty.
    #[inline]
    pub(super) fn note_if_empty(&mut self, place: Place) {
        if place.is_slot() && self.list(place).is_empty() {
            let occupied = &mut self.occupied[place.level()];
            *occupied &= !(1 << place.slot());
            if *occupied == 0 {
                self.used &= !(1 << place.level());
            }
        }
    }

    /// The slot with the earliest deadlines: the lowest level has them, as everything on a level is
    /// after everything on the levels below.
    #[inline]
    pub(super) fn first(&self) -> Option<Place> {
        let level = self.used.trailing_zeros() as usize;
        let slot = self.occupied.get(level)?.trailing_zeros() as usize;
        Some(Place((level * SLOTS + slot) as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(level: usize, slot: usize) -> Place {
        Place((level * SLOTS + slot) as u16)
    }

    fn of(deadline: u64, cursor: u64) -> Place {
        Place::of(Tick::from_micros(deadline), Tick::from_micros(cursor))
    }

    #[test]
    fn the_first_different_digit_decides() {
        assert_eq!(of(0, 0), place(0, 0));
        assert_eq!(of(63, 0), place(0, 63));
        assert_eq!(of(64, 0), place(1, 1));
        assert_eq!(of(64, 63), place(1, 1));
        assert_eq!(of(4095, 0), place(1, 63));
        assert_eq!(of(4096, 4095), place(2, 1));
        assert_eq!(of(u64::MAX - 1, 0), place(10, 15));
        assert_eq!(of(u64::MAX - 1, u64::MAX - 1), place(0, 62));
    }

    #[test]
    fn a_slot_knows_its_stretch_of_time_on_every_level() {
        for level in 0..LEVELS {
            let shift = level as u32 * BITS;
            let top = if level == LEVELS - 1 { 15 } else { 63 };
            for cursor in [0, 0x1234_5678_9abc_def0 & (u64::MAX >> 4)] {
                // The cursor's own digit on this level is zero, so that slot `top` is ahead of it.
                let cursor = cursor & !(63u64 << shift);
                let seen_from = Tick::from_micros(cursor);
                let slot = place(level, top);
                let first = slot.first_tick(seen_from);
                let last = slot.last_tick(seen_from);
                assert_eq!(last.as_micros() - first.as_micros(), (1u64 << shift) - 1);
                assert_eq!(Place::of(first, seen_from), slot);
                assert_eq!(Place::of(last, seen_from), slot);
                if first > Tick::ZERO && level > 0 {
                    let before = Tick::from_micros(first.as_micros() - 1);
                    assert_ne!(Place::of(before.max(seen_from), seen_from), slot);
                }
            }
        }
    }

    #[test]
    fn marks_follow_the_lists() {
        let mut entries = super::super::entries::Entries::new();
        let mut levels = Levels::new();
        assert_eq!(levels.first(), None);
        let mut put = |levels: &mut Levels, at: Place| {
            let key = entries.insert(Tick::ZERO, ());
            let index = entries.find(key).expect("just put in");
            entries.push_back(levels.list_to_fill(at), at, index);
        };
        put(&mut levels, Place::NEVER);
        put(&mut levels, Place::OVERDUE);
        assert_eq!(levels.first(), None);
        put(&mut levels, place(10, 15));
        assert_eq!(levels.first(), Some(place(10, 15)));
        put(&mut levels, place(3, 9));
        put(&mut levels, place(3, 7));
        for slot in [7, 9] {
            let first = levels.first().expect("something is there");
            assert_eq!(first, place(3, slot));
            assert!(entries.pop_front(levels.list_to_take(first)).is_some());
            levels.note_if_empty(first);
        }
        assert_eq!(levels.first(), Some(place(10, 15)));
    }
}
