//! Places for tasks, each with a number that stays while the task lives; entering and leaving take no lock.
//!
//! Places lie in rows of 64, with a bitmap each that says which are taken; rows lie in tiers, each twice as
//! long as the one before, which are made when they are needed and stay as long as the `Slots`: 8 bytes for
//! each task of the time when there were most. So a number is a fixed address.
//!
//! Who does what:
//! * *Reserve* takes free places of a row, under the lock of `growth`; a worker takes a whole row at once.
//! * *Enter* puts the task in: one exchange, at a place that is nobody else's.
//! * *Leave* takes it out and then gives the place back, by one step each.
//! * *Look* goes through all places, under the lock `looking`. It cannot read a task that somebody may take
//!   out at that moment, so it takes each out itself, and puts it back.
//!
//! What always holds, with the reasons:
//! * **A place that is taken is nobody else's.** Bits are set under the lock of `growth` only, and cleared by
//!   the one task that has the place, after it was emptied.
//! * **A row with a free place is in `open`,** or whoever has made the first one free is about to put it
//!   there: that is the one whose clearing found the row full. It is put there once: only `reserve`, under the
//!   lock, makes a row full, and takes it out of `open` then.
//! * **Who leaves misses nothing.** It finds its place empty only if a look has the task in its hands (or it
//!   never entered). The look has it back before it gives up the lock, so who then takes that lock finds it.
//! * **A close misses nobody.** It sets `closed` and then looks into every place, taken or not, by an exchange.
//!   Of that exchange and the one of `enter` at the same place one comes first. If it is that of `enter`, the
//!   look finds the task. If not, `enter` has read what the look left there, and so sees `closed`, which was
//!   set before: it takes its task back. A row that the look did not know of yet was made under the lock of
//!   `growth` after the look had it, and so `reserve` sees `closed` there. (Both may know of a task: found by
//!   the look, and taken back then. Who closes finds that it has ended.)

use crate::queue::Place;
use corrente_shim::atomic::{AtomicBool, AtomicU64, Ordering};
use corrente_shim::sync::Mutex;
use corrente_task::prefetch;
use std::sync::OnceLock;

/// So many places have one bitmap. Few in a model, where each is an object to watch.
const ROW: u32 = if cfg!(corrente_loom) { 2 } else { 64 };
const FULL: u64 = u64::MAX >> (64 - ROW);
/// Tier `t` has 2^t rows, so these hold all numbers of 25 bits.
const TIERS: usize = 20;

/// See the module.
pub struct Slots<T> {
    tiers: [OnceLock<Box<[Row<T>]>>; TIERS],
    growth: Mutex<Growth>,
    looking: Mutex<()>,
    closed: AtomicBool,
}

struct Row<T> {
    places: [Place<T>; ROW as usize],
    /// Which places are taken.
    taken: AtomicU64,
    /// Which of them have callbacks, which are no tasks to those who look.
    callbacks: AtomicU64,
}

#[derive(Default)]
struct Growth {
    /// Rows with free places; the last is the one that is used next.
    open: Vec<u32>,
    /// So many rows have been in use.
    rows: u32,
}

/// Places that were reserved together, for a worker that will soon want them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spare {
    first: u32,
    /// A bit for each that is left, counted from the first.
    places: u64,
}

impl Spare {
    /// The lowest place that is left.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        if self.places == 0 {
            return None;
        }
        let place = self.first + self.places.trailing_zeros();
        self.places &= self.places - 1;
        Some(place)
    }

    /// How many are left.
    #[inline]
    pub fn len(&self) -> u32 {
        self.places.count_ones()
    }
}

impl<T> Row<T> {
    fn new() -> Self {
        Self {
            places: std::array::from_fn(|_| Place::new()),
            taken: AtomicU64::new(0),
            callbacks: AtomicU64::new(0),
        }
    }
}

/// In which tier a row is, and where in it.
#[inline]
fn tier(row: u32) -> (usize, usize) {
    let tier = (row + 1).ilog2();
    (tier as usize, (row + 1 - (1 << tier)) as usize)
}

impl<T> Slots<T> {
    /// No places yet.
    pub fn new() -> Self {
        Self {
            tiers: std::array::from_fn(|_| OnceLock::new()),
            growth: Mutex::default(),
            looking: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    fn row(&self, row: u32) -> Option<&Row<T>> {
        let (tier, index) = tier(row);
        self.tiers.get(tier)?.get()?.get(index)
    }

    /// Takes a place; it is empty until [`enter`](Self::enter). `None`: `limit` numbers are in use, or closed.
    pub fn reserve(&self, limit: u32) -> Option<u32> {
        self.reserve_some(limit, |free| free & free.wrapping_neg())?.pop()
    }

    /// Takes several places at once, at most a row.
    pub fn reserve_run(&self, limit: u32) -> Option<Spare> {
        self.reserve_some(limit, |free| free)
    }

    fn reserve_some(&self, limit: u32, choose: impl FnOnce(u64) -> u64) -> Option<Spare> {
        let mut growth = self.growth.lock();
        // Relaxed: who closes takes this lock, too.
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        if growth.open.is_empty() {
            if growth.rows >= limit / ROW {
                return None;
            }
            let row = growth.rows;
            let (tier, _) = tier(row);
            let rows = || (0..1_usize << tier).map(|_| Row::new()).collect();
            self.tiers.get(tier)?.get_or_init(rows);
            growth.open.push(row);
            growth.rows += 1;
        }
        let number = *growth.open.last()?;
        let row = self.row(number)?;
        // Acquire: whoever has cleared a bit had emptied the place before.
        let chosen = choose(!row.taken.load(Ordering::Acquire) & FULL);
        // AcqRel: whoever finds the row full by this has seen it taken out of `open`, once it has the lock.
        if row.taken.fetch_or(chosen, Ordering::AcqRel) | chosen == FULL {
            growth.open.pop();
        }
        Some(Spare { first: number * ROW, places: chosen })
    }

    /// Puts a task into its reserved place. Gives it back if nobody is to enter any more.
    #[inline]
    pub fn enter(&self, slot: u32, task: T, callback: bool) -> Result<(), T> {
        let (number, place) = (slot / ROW, slot % ROW);
        let Some(row) = self.row(number) else { return Err(task) };
        if callback {
            // Relaxed: the place's exchange publishes it to those who look.
            row.callbacks.fetch_or(1 << place, Ordering::Relaxed);
        }
        let before = row.places[place as usize].put(task);
        debug_assert!(before.is_none(), "slot {slot} was entered twice");
        // Relaxed: the exchange has acquired it, if it matters.
        if self.closed.load(Ordering::Relaxed) {
            return self.take(row, place).map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// Gives a place back; what was in it is the caller's to drop.
    pub fn leave(&self, slot: u32) -> Option<T> {
        let (number, place) = (slot / ROW, slot % ROW);
        let row = self.row(number)?;
        let task = self.take(row, place);
        let bit = 1 << place;
        // Relaxed: this task's own bit, written by whoever entered it.
        if row.callbacks.load(Ordering::Relaxed) & bit != 0 {
            row.callbacks.fetch_and(!bit, Ordering::Relaxed);
        }
        // Release: the place is empty for whoever takes it next. Acquire: see `reserve_some`.
        if row.taken.fetch_and(!bit, Ordering::AcqRel) == FULL {
            self.growth.lock().open.push(number);
        }
        task
    }

    /// Has the processor fetch what [`leave`](Self::leave) will touch.
    #[inline]
    pub fn prefetch(&self, slot: u32) {
        if let Some(row) = self.row(slot / ROW) {
            prefetch::line(&row.taken);
            prefetch::line(&row.places[(slot % ROW) as usize]);
        }
    }

    /// Takes the task out of its place, or out of the hands of whoever looks.
    #[inline]
    fn take(&self, row: &Row<T>, place: u32) -> Option<T> {
        let place = &row.places[place as usize];
        place.take().or_else(|| {
            let _waits = self.looking.lock();
            place.take()
        })
    }

    /// Calls `look` with each task and whether it is a callback, until it gives something. `look` runs no user code
    /// and drops no task.
    pub fn find<R>(&self, mut look: impl FnMut(&T, bool) -> Option<R>) -> Option<R> {
        let _alone = self.looking.lock();
        let rows = self.growth.lock().rows;
        for row in (0..rows).filter_map(|row| self.row(row)) {
            for (number, place) in row.places.iter().enumerate() {
                // Whatever `taken` says: who enters at this moment reads what this leaves.
                let Some(task) = place.take() else { continue };
                let callback = row.callbacks.load(Ordering::Relaxed) >> number & 1 == 1;
                let found = look(&task, callback);
                let other = place.put(task);
                debug_assert!(other.is_none(), "a place was used before it was given back");
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Lets nobody enter from now on. Who has entered is found by the [`find`](Self::find) that must follow.
    pub fn close(&self) {
        // Relaxed: the exchanges of the look that follows release it.
        self.closed.store(true, Ordering::Relaxed);
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        let rows = self.growth.lock().rows;
        let rows = (0..rows).filter_map(|row| self.row(row));
        rows.map(|row| row.taken.load(Ordering::Relaxed).count_ones() as usize).sum()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const MOST: u32 = 1 << 25;

    fn all<T: Clone>(slots: &Slots<T>) -> Vec<(T, bool)> {
        let mut all = Vec::new();
        let end = slots.find(|task, callback| {
            all.push((task.clone(), callback));
            None::<()>
        });
        assert!(end.is_none());
        all
    }

    #[test]
    fn numbers_are_unique_while_in_use_and_used_again() {
        let slots = Slots::new();
        let many = 10 * ROW as usize;
        for _ in 0..3 {
            let numbers: Vec<u32> = (0..many).filter_map(|_| slots.reserve(MOST)).collect();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..many as u32).collect::<Vec<_>>());
            for n in &numbers {
                assert!(slots.enter(*n, *n, n % 3 == 0).is_ok());
            }
            let mut found = all(&slots);
            found.sort_unstable();
            assert_eq!(found, sorted.iter().map(|n| (*n, n % 3 == 0)).collect::<Vec<_>>());
            assert_eq!(slots.taken(), many);
            for number in numbers {
                assert_eq!(slots.leave(number), Some(number));
            }
            assert_eq!((slots.taken(), all(&slots)), (0, vec![]));
        }
    }

    #[test]
    fn a_row_lies_where_its_number_says() {
        let places: Vec<_> = (0..7).map(tier).collect();
        assert_eq!(places, [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3)]);
        let (last, index) = tier((1 << (25 - ROW.ilog2())) - 2);
        assert_eq!((last, index), (TIERS - 2, (1 << (TIERS - 2)) - 1));
    }

    #[test]
    fn a_run_is_what_is_left_of_a_row() {
        let slots = Slots::new();
        assert_eq!((slots.reserve(MOST), slots.reserve(MOST)), (Some(0), Some(1)));
        assert!(slots.enter(0, (), false).is_ok());
        assert_eq!(slots.leave(0), Some(()));
        let mut run = slots.reserve_run(MOST).unwrap_or_default();
        let places: Vec<u32> = std::iter::from_fn(|| run.pop()).collect();
        assert_eq!(places, [0].into_iter().chain(2..ROW).collect::<Vec<u32>>());
        assert_eq!(slots.reserve(MOST), Some(ROW));
        assert!(slots.leave(5).is_none(), "an empty place can be given back");
        assert_eq!(slots.reserve(MOST), Some(5), "the row that was full is used next");
        assert_eq!(slots.reserve(MOST), Some(ROW + 1));
    }

    #[test]
    fn the_numbers_end_at_the_limit() {
        let slots = Slots::<()>::new();
        assert_eq!(std::iter::from_fn(|| slots.reserve(2 * ROW)).count(), 2 * ROW as usize);
    }

    #[test]
    fn who_comes_after_the_close_gets_its_task_back() {
        let slots = Slots::new();
        let (early, late) = (slots.reserve(MOST).unwrap_or(9), slots.reserve(MOST).unwrap_or(9));
        assert!(slots.enter(early, 1, false).is_ok());
        slots.close();
        assert_eq!(slots.enter(late, 2, false), Err(2));
        assert_eq!((all(&slots), slots.reserve(MOST)), (vec![(1, false)], None));
        assert_eq!((slots.leave(late), slots.leave(early)), (None, Some(1)));
    }

    #[test]
    fn many_come_and_go_while_others_look() {
        let slots = Arc::new(Slots::new());
        let per_thread = if cfg!(miri) { 200 } else { 20_000_u64 };
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let slots = slots.clone();
                std::thread::spawn(move || {
                    let mut mine = std::collections::VecDeque::new();
                    for n in 0..per_thread {
                        let Some(slot) = slots.reserve(MOST) else { unreachable!("not closed") };
                        let task = Arc::new(thread << 32 | n);
                        assert!(slots.enter(slot, task.clone(), false).is_ok());
                        mine.push_back((slot, task));
                        if mine.len() > 100 {
                            let (slot, task) = mine.pop_front().expect("there are many");
                            assert_eq!(slots.leave(slot), Some(task));
                        }
                    }
                    for (slot, task) in mine {
                        assert_eq!(slots.leave(slot), Some(task));
                    }
                })
            })
            .collect();
        let mut looks = 0;
        while threads.iter().any(|thread| !thread.is_finished()) {
            looks += usize::from(!all(&*slots).is_empty());
        }
        threads.into_iter().for_each(|thread| thread.join().expect("nothing was lost"));
        assert_eq!((slots.taken(), all(&*slots).len()), (0, 0), "after {looks} looks");
    }
}
