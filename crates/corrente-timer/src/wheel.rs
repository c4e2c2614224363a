//! The wheel: which of many deadlines have come. Pure: no clock, no thread, no waker.
//!
//! Whoever owns one may use it. What always holds, with the *cursor* as the point up to which the
//! wheel has been turned:
//! * Every entry in a slot has a deadline at or after the cursor; the ones before it that were put
//!   in too late are in the overdue list, the ones that never come in the never list.
//! * An entry is in the slot in which it would be put now ([`Place::of`] of deadline and cursor).
//!   So all entries of one deadline are in one list, in the order of their insertion, and what is
//!   given out is in the order of (deadline, insertion) without a sequence number or sorting.
//! * One exception: while a slot is being moved to the levels below, which may take several calls,
//!   its remainder stays there, and what is inserted for its stretch of time goes there too.
//! * Another: what was in a short slot that is not too full is sorted when the cursor enters it, and is
//!   the [`Run`] then. It is older than what the levels have for the same deadline, and all of it is at
//!   or after the cursor, too.

mod entries;
mod level;
mod run;

use std::fmt;

use crate::Tick;
use entries::Entries;
pub use entries::Key;
use level::{Levels, Place};
use run::Run;

/// How many entries of a slot are looked at to find the earliest. If there are more, the beginning
/// of the slot is taken for it: whoever waits comes early, and moves those many entries then.
const SCAN: usize = 32;

/// The highest level whose slots may become the run; they are 4 ms long. While a run lasts there can be
/// no other, so a long one with few entries would be in the way of those that are worth it.
const RUN_LEVELS: usize = 2;

/// A set of values, each with a deadline, that gives out those whose deadline has come.
///
/// ```
/// use corrente_timer::{Tick, Wheel};
///
/// let mut wheel = Wheel::new();
/// let tea = wheel.insert(Tick::from_micros(300), "tea");
/// wheel.insert(Tick::from_micros(200), "rice");
/// wheel.insert(Tick::from_micros(200), "beans");
/// assert_eq!(wheel.next_due(), Some(Tick::from_micros(200)));
///
/// let mut ready = Vec::new();
/// wheel.advance(Tick::from_micros(250), usize::MAX, |_, value| ready.push(value));
/// assert_eq!(ready, ["rice", "beans"]);
/// assert_eq!(wheel.remove(tea), Some("tea"));
/// assert_eq!(wheel.next_due(), None);
/// ```
pub struct Wheel<T> {
    /// Up to here the wheel has been turned.
    cursor: Tick,
    levels: Levels,
    /// The slot that is being moved down, if one is.
    moving: Option<Moving>,
    /// Whether the overdue list is in the order of its deadlines.
    overdue_sorted: bool,
    /// For sorting the overdue list; empty otherwise.
    scratch: Vec<(u32, Tick)>,
    run: Run,
    entries: Entries<T>,
}

/// A slot that is being moved to the levels below.
#[derive(Clone, Copy)]
struct Moving {
    place: Place,
    /// The last tick the slot stands for.
    last: Tick,
}

impl<T> Wheel<T> {
    /// An empty wheel that stands at [`Tick::ZERO`]. Takes 6 KiB, and 40 bytes for each entry of
    /// the size of a `Waker`, which it keeps for reuse.
    pub const fn new() -> Self {
        Self {
            cursor: Tick::ZERO,
            levels: Levels::new(),
            moving: None,
            overdue_sorted: true,
            scratch: Vec::new(),
            run: Run::new(),
            entries: Entries::new(),
        }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to where the wheel has been turned: every value with a deadline before this has been
    /// given out, unless it was put in after its time and not asked for since.
    pub fn cursor(&self) -> Tick {
        self.cursor
    }

    /// Puts `value` in, to be given out once `deadline` has come. A deadline that is past is due
    /// at once; one at [`Tick::NEVER`] never is.
    ///
    /// # Panics
    ///
    /// If it holds four billion values.
    #[inline]
    pub fn insert(&mut self, deadline: Tick, value: T) -> Key {
        let key = self.entries.insert(deadline, value);
        self.link(deadline, key.index());
        key
    }

    /// Takes a value out before its time; `None` if it was given out or taken before.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.entries.find(key)?;
        self.unlink(index);
        Some(self.entries.free(index).1)
    }

    /// Gives a value another deadline. In the order of insertion it is the newest then. False if
    /// it was given out or taken before.
    pub fn reset(&mut self, key: Key, deadline: Tick) -> bool {
        let Some(index) = self.entries.find(key) else {
            return false;
        };
        self.unlink(index);
        self.entries.set_deadline(index, deadline);
        self.link(deadline, index);
        true
    }

    /// The value of `key`, if it is still here.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let index = self.entries.find(key)?;
        self.entries.value_mut(index)
    }

    /// Turns the wheel to `now` and gives out, by deadline and then by insertion, the values due at
    /// or before it. Time does not go back: an older `now` counts as the newest that was seen.
    ///
    /// Takes at most `limit` steps (a value given out, or moved from one level to another), and
    /// returns how many it took. If that is less than `limit`, everything due has been given out;
    /// otherwise there may be more, and the next call goes on with it.
    pub fn advance(&mut self, now: Tick, limit: usize, mut give: impl FnMut(Tick, T)) -> usize {
        let now = now.min(Tick::LAST).max(self.cursor);
        let mut steps = self.give_overdue(limit, &mut give);
        while steps < limit {
            let slot = self.first_slot(now);
            // Of the same tick the run comes first, as it is older.
            let until = slot.map_or(now, |place| place.first_tick(self.cursor));
            steps += self.give_run(until, limit - steps, &mut give);
            if steps == limit {
                break;
            }
            let Some(place) = slot else {
                self.cursor = now;
                break;
            };
            steps += if place.level() == 0 {
                self.cursor = place.first_tick(self.cursor);
                self.give_slot(place, limit - steps, &mut give)
            } else {
                self.enter(place, limit - steps)
            };
        }
        steps
    }

    /// Turns the wheel towards `now`, in at most `limit` steps, but only until something is due:
    /// gives nothing out. A wheel whose cursor lags behind puts what is inserted into slots that are
    /// coarser than need be, all of which must be moved when the first is due.
    pub fn catch_up(&mut self, now: Tick, limit: usize) {
        let mut steps = 0;
        while steps < limit {
            let now = self.run.peek(&self.entries).unwrap_or(Tick::LAST).min(now);
            if self.cursor >= now {
                break;
            }
            match self.first_slot(now) {
                None => self.cursor = now,
                Some(place) if place.level() == 0 => break,
                Some(place) => steps += self.enter(place, limit - steps),
            }
        }
    }

    /// The earliest deadline, or a time before it. It is earlier only if a slot holds more than 32
    /// values, and then it is the beginning of the slot: turning the wheel to it moves them to
    /// slots so much finer that a value comes into question at most eleven times. `None` if nothing
    /// will ever be due.
    pub fn next_due(&self) -> Option<Tick> {
        let overdue = self.levels.list(Place::OVERDUE);
        if !overdue.is_empty() {
            return Some(self.earliest(Place::OVERDUE, Tick::ZERO));
        }
        // Rests of the slot and what has been moved already: which is first would have to be seen.
        if self.moving.is_some_and(|moving| !self.levels.list(moving.place).is_empty()) {
            return Some(self.cursor);
        }
        let run = self.run.first(&self.entries);
        let Some(place) = self.levels.first() else { return run };
        let first_tick = place.first_tick(self.cursor);
        match run {
            Some(first) if first <= first_tick => run,
            _ if place.level() == 0 => Some(first_tick),
            _ => run.into_iter().chain([self.earliest(place, first_tick)]).min(),
        }
    }

    /// Gives out everything, due or not, in no particular order.
    pub fn drain(&mut self, give: impl FnMut(Tick, T)) {
        self.levels = Levels::new();
        self.moving = None;
        self.overdue_sorted = true;
        self.entries.drain(give);
    }

    /// The earliest deadline of a list that is not long, else `bound`.
    fn earliest(&self, place: Place, bound: Tick) -> Tick {
        let list = self.levels.list(place);
        let mut earliest = Tick::NEVER;
        for (count, (_, deadline)) in self.entries.iter(list).enumerate() {
            if count == SCAN {
                return bound;
            }
            earliest = earliest.min(deadline);
        }
        earliest
    }

    /// Puts an entry into the list where it belongs.
    #[inline]
    fn link(&mut self, deadline: Tick, index: u32) {
        let place = self.place_for(deadline);
        self.entries.push_back(self.levels.list_to_fill(place), place, index);
    }

    #[inline]
    fn place_for(&mut self, deadline: Tick) -> Place {
        if deadline < self.cursor {
            let list = self.levels.list(Place::OVERDUE);
            self.overdue_sorted = match self.entries.last_deadline(list) {
                Some(last) => self.overdue_sorted && last <= deadline,
                None => true,
            };
            return Place::OVERDUE;
        }
        if deadline.is_never() {
            return Place::NEVER;
        }
        match self.moving {
            Some(moving) if deadline <= moving.last => moving.place,
            _ => Place::of(deadline, self.cursor),
        }
    }

    /// Takes an entry out of the list it is in.
    #[inline]
    fn unlink(&mut self, index: u32) {
        let place = self.entries.place(index);
        if place == Place::RUN {
            // It is passed over there, as it will be free, or elsewhere.
            return;
        }
        self.entries.unlink(self.levels.list_to_take(place), index);
        self.levels.note_if_empty(place);
    }

    /// Takes the first entry out of the list of `place`.
    #[inline]
    fn pop(&mut self, place: Place) -> Option<u32> {
        let index = self.entries.pop_front(self.levels.list_to_take(place));
        self.levels.note_if_empty(place);
        index
    }

    /// The slot to see to next when it is `now`: the one that is being moved, or the first whose time
    /// has come.
    #[inline]
    fn first_slot(&self, now: Tick) -> Option<Place> {
        match self.moving {
            Some(moving) => Some(moving.place),
            None => self.levels.first().filter(|place| place.first_tick(self.cursor) <= now),
        }
    }

    /// Gives out what the run has up to `until`.
    #[inline]
    fn give_run(&mut self, until: Tick, limit: usize, give: &mut impl FnMut(Tick, T)) -> usize {
        let mut steps = 0;
        while steps < limit {
            let Some(index) = self.run.pop(until, &self.entries) else {
                break;
            };
            let (deadline, value) = self.entries.free(index);
            give(deadline, value);
            steps += 1;
        }
        steps
    }

    /// The cursor enters a slot, or is in it: makes it the run if it can, or else moves its entries down.
    fn enter(&mut self, place: Place, limit: usize) -> usize {
        let may_run = self.moving.is_none() && place.level() <= RUN_LEVELS;
        if may_run && self.run.peek(&self.entries).is_none() {
            let list = self.levels.list_to_take(place);
            if let Some(steps) = self.run.collect(list, limit, &mut self.entries) {
                self.cursor = place.first_tick(self.cursor);
                self.levels.note_if_empty(place);
                return steps;
            }
        }
        self.move_down(place, limit)
    }

    /// Gives out the entries of a slot of the lowest level. They all have one deadline.
    fn give_slot(&mut self, place: Place, limit: usize, give: &mut impl FnMut(Tick, T)) -> usize {
        let mut steps = 0;
        while steps < limit {
            let Some(index) = self.pop(place) else {
                break;
            };
            let (deadline, value) = self.entries.free(index);
            give(deadline, value);
            steps += 1;
        }
        steps
    }

    /// Moves the entries of a slot to the levels below, in their order. The cursor enters the slot.
    fn move_down(&mut self, from: Place, limit: usize) -> usize {
        if self.moving.is_none() {
            self.moving = Some(Moving { place: from, last: from.last_tick(self.cursor) });
            self.cursor = from.first_tick(self.cursor);
        }
        let mut steps = 0;
        while steps < limit {
            let Some(index) = self.pop(from) else {
                self.moving = None;
                break;
            };
            let to = Place::of(self.entries.deadline(index), self.cursor);
            debug_assert!(to.level() < from.level());
            self.entries.push_back(self.levels.list_to_fill(to), to, index);
            steps += 1;
        }
        steps
    }

    /// Gives out what was put in after its time: all of it is before everything else.
    fn give_overdue(&mut self, limit: usize, give: &mut impl FnMut(Tick, T)) -> usize {
        if !self.overdue_sorted {
            self.sort_overdue();
        }
        self.give_slot(Place::OVERDUE, limit, give)
    }

    /// Brings the overdue list into the order of its deadlines; equal ones keep their order.
    #[cold]
    fn sort_overdue(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let list = self.levels.list_to_fill(Place::OVERDUE);
        scratch.extend(self.entries.iter(*list));
        scratch.sort_by_key(|&(_, deadline)| deadline);
        *list = entries::List::EMPTY;
        for &(index, _) in &scratch {
            self.entries.push_back(list, Place::OVERDUE, index);
        }
        self.overdue_sorted = true;
        scratch.clear();
        self.scratch = scratch;
    }
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Wheel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("cursor", &self.cursor)
            .field("len", &self.len())
            .field("next_due", &self.next_due())
            .finish()
    }
}
