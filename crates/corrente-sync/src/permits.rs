//! A fair count of units: the core of [`Lock`](crate::Lock), [`RwLock`](crate::RwLock) and the
//! semaphores.
//!
//! One word holds how many units are free, and a bit that says whether anybody is in the line. Without
//! a line, taking and giving units is one read-modify-write of that word. With a line, everybody goes
//! through its lock. Who may touch what: the word's units may be *taken* by anybody while `QUEUED` is
//! clear, but only under the lock while it is set; they may be *given* by anybody at any time; the bit
//! itself changes only under the lock.
//!
//! What always holds when nobody has the lock:
//! * `QUEUED` is set exactly if the line has somebody in it, also one who was granted and has not taken
//!   note of it yet. So nobody can overtake.
//! * The first in line wants more than is free, or somebody who has just given units is on the way to
//!   the lock.
//! * Free units, units held, and units granted add up to what there is.

use crate::diagnostics::{self, What};
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::Mutex;

/// The line has somebody in it.
const QUEUED: usize = 1;
/// One free unit: the units are counted in the bits above `QUEUED`.
const ONE: usize = 2;

/// More units than this there cannot be.
pub(crate) const MAX_UNITS: usize = usize::MAX >> 3;

/// A number of units, and a line of those who wait for some.
///
/// The word, the lock and the ends of the line come first and are one cache line (64 bytes, on Linux) if the `Permits`
/// is aligned so, as the first field of whoever has it: cores that contend then move one line to and fro, not two.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Permits {
    /// ```text
    /// bits 1..    free units
    /// bit  0      QUEUED
    /// ```
    word: AtomicUsize,
    /// Each in the line wants so many units.
    line: Mutex<List<usize>>,
    /// Whose units they are.
    what: What,
}

/// There would be more than [`MAX_UNITS`].
#[derive(Debug)]
pub(crate) struct TooMany;

impl Permits {
    pub(crate) fn new(units: usize, what: What) -> Self {
        assert!(units <= MAX_UNITS, "a semaphore of more than {MAX_UNITS} units");
        Self { word: AtomicUsize::new(units * ONE), line: Mutex::new(List::new()), what }
    }

    /// Takes units if there are enough and nobody is in the line.
    #[inline]
    pub(crate) fn try_acquire(&self, units: usize) -> bool {
        // Relaxed: a guess that the exchange below checks.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & QUEUED != 0 || word / ONE < units {
                return false;
            }
            // Acquire: whoever takes units sees all that happened before they were given. (Every change
            // of the word is a read-modify-write, so it goes on carrying what earlier givers released.)
            match self.word.compare_exchange_weak(
                word,
                word - units * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.note_taken();
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Waits for units, first come first served.
    #[inline]
    pub(crate) fn acquire(&self, units: usize) -> Wait<&Self, Acquire> {
        Wait::new(self, Acquire { units })
    }

    /// Gives all units that somebody has. The caller knows that there cannot be more than [`MAX_UNITS`]
    /// then.
    #[inline]
    pub(crate) fn release(&self, units: usize) {
        if diagnostics::is_on() {
            diagnostics::gave(self.address());
        }
        self.release_some(units);
    }

    /// Gives some of the units that somebody has, and who goes on having the rest.
    #[inline]
    pub(crate) fn release_some(&self, units: usize) {
        // Relaxed: a guess. With a line, the units are best handed over under its lock.
        if self.word.load(Ordering::Relaxed) & QUEUED != 0 {
            return self.serve(units);
        }
        // Release: whoever takes these units sees all that was done before.
        let before = self.word.fetch_add(units * ONE, Ordering::Release);
        if before & QUEUED != 0 {
            self.serve(0);
        }
    }

    /// Gives units that nobody had taken before.
    pub(crate) fn add(&self, units: usize) -> Result<(), TooMany> {
        let added = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            let free = (word / ONE).checked_add(units).filter(|free| *free <= MAX_UNITS)?;
            Some((free * ONE) | (word & QUEUED))
        });
        match added {
            Ok(before) if before & QUEUED != 0 => self.serve(0),
            Ok(_) => {}
            Err(_) => return Err(TooMany),
        }
        Ok(())
    }

    /// How many units nobody holds and nobody was granted.
    pub(crate) fn free(&self) -> usize {
        self.word.load(Ordering::Acquire) / ONE
    }

    /// True if somebody is in the line.
    pub(crate) fn has_line(&self) -> bool {
        self.word.load(Ordering::Acquire) & QUEUED != 0
    }

    /// True if somebody was granted units and has not taken note of it yet.
    pub(crate) fn has_unclaimed(&self) -> bool {
        self.has_line() && self.line.lock().granted() > 0
    }

    /// Who has units is in the book by this.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    #[inline]
    fn note_taken(&self) {
        if diagnostics::is_on() {
            diagnostics::took(self.address());
        }
    }

    /// Somebody gave units while there was a line, or has them `in_hand`.
    #[inline(never)]
    fn serve(&self, in_hand: usize) {
        self.hand_out(&mut Held::lock(&self.line), in_hand);
    }

    /// Grants what is free, and what is `in_hand`, to those in front. Units that go from hand to hand
    /// never show in the word.
    #[inline]
    fn hand_out(&self, held: &mut Held<'_, List<usize>>, in_hand: usize) {
        let (line, wakers) = held.parts();
        // Acquire: what the givers released goes on to the granted waiters through the lock. More units
        // may come meanwhile, but while QUEUED is set only the lock's owner takes any.
        let free = self.word.load(Ordering::Acquire) / ONE;
        let mut left = free + in_hand;
        while let Some(&mut units) = line.first() {
            if units > left {
                break;
            }
            left -= units;
            line.grant_first(wakers);
        }
        if left > free {
            // Release: as in `release_some`.
            self.word.fetch_add((left - free) * ONE, Ordering::Release);
        }
        if left < free {
            // Relaxed: acquired above.
            self.word.fetch_sub((free - left) * ONE, Ordering::Relaxed);
        }
        if line.is_empty() {
            // Relaxed: what the givers released stays with the word, since this is a read-modify-write.
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }
}

/// Waits for so many units.
pub(crate) struct Acquire {
    units: usize,
}

impl Act<Permits> for Acquire {
    type Shared = List<usize>;
    type Want = usize;
    type Output = ();

    fn mutex(home: &Permits) -> &Mutex<List<usize>> {
        &home.line
    }

    fn what(home: &Permits) -> What {
        home.what
    }

    fn line(shared: &mut List<usize>) -> &mut List<usize> {
        shared
    }

    #[inline]
    fn try_now(&mut self, home: &Permits) -> Option<()> {
        home.try_acquire(self.units).then_some(())
    }

    fn enter(&mut self, home: &Permits, held: &mut Held<'_, List<usize>>) -> Entered<(), usize> {
        if held.parts().0.is_empty() {
            if home.try_acquire(self.units) {
                return Entered::Done(());
            }
            // From now on whoever gives units sees the bit and comes to the lock. Units that were given
            // before are seen by `settle`, which follows. (Relaxed: both look at this one word.)
            home.word.fetch_or(QUEUED, Ordering::Relaxed);
        }
        Entered::Wait(self.units)
    }

    fn claim(&mut self, home: &Permits, _: &mut Held<'_, List<usize>>, _: usize) -> Option<()> {
        // The units left the word when they were granted.
        home.note_taken();
        Some(())
    }

    fn give_back(home: &Permits, _: &mut Held<'_, List<usize>>, units: usize) {
        // Relaxed: they were never used, so there is nothing to release.
        home.word.fetch_add(units * ONE, Ordering::Relaxed);
    }

    fn settle(home: &Permits, held: &mut Held<'_, List<usize>>) {
        home.hand_out(held, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    /// Whoever holds the line's lock cannot be waited for: so nothing here takes it.
    #[test]
    fn without_contention_the_line_is_not_touched() {
        let permits = Permits::new(2, What::Semaphore);
        let line = permits.line.lock();
        for _ in 0..3 {
            assert!(block_on(poll_once(permits.acquire(1))).is_some());
            assert!(permits.try_acquire(1));
            assert!(!permits.try_acquire(1));
            permits.release(2);
        }
        assert_eq!(permits.free(), 2);
        drop(line);
    }

    #[test]
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn what_is_contended_for_is_one_cache_line() {
        assert_eq!(std::mem::offset_of!(Permits, what), 64);
        assert_eq!(align_of::<crate::Lock>(), 64);
        assert_eq!(align_of::<crate::RwLock<()>>(), 64);
        assert_eq!(align_of::<crate::Semaphore>(), 64);
    }

    #[test]
    fn the_line_is_open_as_long_as_somebody_is_in_it() {
        let permits = Permits::new(0, What::Semaphore);
        let mut waiting = Box::pin(permits.acquire(1));
        assert!(block_on(poll_once(waiting.as_mut())).is_none());
        assert!(permits.has_line() && !permits.has_unclaimed());
        permits.release(1);
        assert!(permits.has_line() && permits.has_unclaimed());
        block_on(waiting);
        assert!(!permits.has_line() && !permits.has_unclaimed());
    }
}
