//! A fair count of units: the core of [`Lock`](crate::Lock), [`RwLock`](crate::RwLock) and the
//! semaphores.
//!
//! One word holds how many units are free, and a bit that says whether anybody waits. Without a line, taking and
//! giving units is one read-modify-write of that word. With a line, everybody who joins it, leaves it or gives goes
//! through its lock; but who is *called* learns so without it. Waiters have tickets, calls go from front to back, so
//! the last ticket called says of each waiter whether its turn has come.
//!
//! Who may touch what: the word's units may be *taken* by anybody while `QUEUED` is clear, but only under the lock
//! while it is set; they may be *given* by anybody at any time; the bit itself, and the last ticket called, change
//! only under the lock.
//!
//! What always holds when nobody has the lock:
//! * `QUEUED` is set exactly if somebody waits. Nobody takes units while it is set, or while somebody who was called
//!   has not taken note of it. So nobody can overtake.
//! * The first in line wants more than is free, or somebody who has just given units is on the way to
//!   the lock.
//! * Free units, units held, and units granted add up to what there is.

mod acquire;
mod line;

use self::acquire::Acquire;
use self::line::Line;
use crate::diagnostics::{self, What};
use crate::wait_queue::Held;
use corrente_shim::atomic::{AtomicU64, AtomicUsize, Ordering};
use corrente_shim::sync::Mutex;
use std::task::Waker;
use std::thread::panicking;

/// Somebody waits.
const QUEUED: usize = 1;
/// One free unit: the units are counted in the bits above `QUEUED`.
const ONE: usize = 2;

/// More units than this there cannot be.
pub(crate) const MAX_UNITS: usize = usize::MAX >> 3;

/// A number of units, and a line of those who wait for some.
///
/// All but the last field are one cache line (64 bytes, on Linux) if the `Permits` is aligned so, as the first field of
/// whoever has it: cores that contend then move one line to and fro, not two.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Permits {
    /// ```text
    /// bits 1..    free units
    /// bit  0      QUEUED
    /// ```
    word: AtomicUsize,
    /// The last ticket that was called: who has this one or an earlier one was granted what it wants. Changes only
    /// under the lock.
    called: AtomicU64,
    /// How many were called and have not taken note of it yet.
    unclaimed: AtomicUsize,
    line: Mutex<Line>,
    /// Whose units they are.
    what: What,
}

/// There would be more than [`MAX_UNITS`].
#[derive(Debug)]
pub(crate) struct TooMany;

impl Permits {
    pub(crate) fn new(units: usize, what: What) -> Self {
        assert!(units <= MAX_UNITS, "a semaphore of more than {MAX_UNITS} units");
        Self {
            word: AtomicUsize::new(units * ONE),
            called: AtomicU64::new(0),
            unclaimed: AtomicUsize::new(0),
            line: Mutex::new(Line::new()),
            what,
        }
    }

    /// Takes units if there are enough and nobody is in the line.
    #[inline]
    pub(crate) fn try_acquire(&self, units: usize) -> bool {
        // Acquire: pairs with the end of the line in `hand_out`, so that those who were called then are seen.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & QUEUED != 0 || word / ONE < units || self.has_unclaimed() {
                return false;
            }
            // Acquire: whoever takes units sees all that happened before they were given. (Every change
            // of the word is a read-modify-write, so it goes on carrying what earlier givers released.)
            match self.word.compare_exchange_weak(
                word,
                word - units * ONE,
                Ordering::Acquire,
                Ordering::Acquire,
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
    pub(crate) fn acquire(&self, units: usize) -> Acquire<'_> {
        Acquire::new(self, units)
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

    /// True if somebody is in the line, or was called and has not taken note of it yet.
    pub(crate) fn has_line(&self) -> bool {
        // Acquire: as in `try_acquire`.
        self.word.load(Ordering::Acquire) & QUEUED != 0 || self.has_unclaimed()
    }

    /// True if somebody was granted units and has not taken note of it yet.
    #[inline]
    pub(crate) fn has_unclaimed(&self) -> bool {
        // Relaxed: nothing is reached by it.
        self.unclaimed.load(Ordering::Relaxed) != 0
    }

    /// True if the owner of `ticket` was granted what it wants.
    #[inline]
    fn has_called(&self, ticket: u64) -> bool {
        // Acquire: pairs with the call in `hand_out`. Whoever had the units before did what it did before.
        self.called.load(Ordering::Acquire) >= ticket
    }

    /// Somebody who was called has taken note of it.
    #[inline]
    fn claimed(&self) {
        // Relaxed: a count. It was raised before the call, so it does not fall below zero.
        self.unclaimed.fetch_sub(1, Ordering::Relaxed);
    }

    /// Somebody is about to join the empty line. The caller has its lock.
    #[inline]
    fn open_line(&self) {
        // From now on whoever gives units sees the bit and comes to the lock. Units that were given
        // before are seen by `hand_out`, which follows. (Relaxed: both look at this one word.)
        self.word.fetch_or(QUEUED, Ordering::Relaxed);
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
        let mut line = self.line.lock();
        match self.hand_on(&mut line, in_hand) {
            // Nothing is left, so the next one gets nothing, unless it wants nothing.
            Some(waker) if line.first() != Some(0) => {
                drop(line);
                waker.wake();
            }
            Some(waker) => {
                let mut held = Held::new(line);
                held.parts().1.push(waker, 0);
                self.hand_out(&mut held, 0);
            }
            None => self.hand_out(&mut Held::new(line), in_hand),
        }
    }

    /// `hand_out` for the usual case, always that of a contended lock: the first in line wants just what is in hand,
    /// and nothing else is free. Gives back who is to be woken outside the lock.
    #[inline]
    fn hand_on(&self, line: &mut Line, in_hand: usize) -> Option<Waker> {
        // Relaxed: where nothing is free there is nothing to be seen of who gave it.
        if in_hand == 0 || self.word.load(Ordering::Relaxed) / ONE != 0 || panicking() {
            return None;
        }
        let (ticket, waker) = line.call_if_first_wants(in_hand)?;
        // The steps of `hand_out`, in its order.
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
        if line.is_empty() {
            self.word.fetch_and(!QUEUED, Ordering::Release);
        }
        self.called.store(ticket, Ordering::Release);
        Some(waker)
    }

    /// Grants what is free, and what is `in_hand`, to those in front. Units that go from hand to hand
    /// never show in the word. To be called after every change of the line, and of what is free beside a line.
    #[inline]
    fn hand_out(&self, held: &mut Held<'_, Line>, in_hand: usize) {
        let (line, wakers) = held.parts();
        // Acquire: what the givers released goes on to those who are called. More units may come meanwhile, but
        // while QUEUED is set only the lock's owner takes any.
        let free = self.word.load(Ordering::Acquire) / ONE;
        let mut left = free + in_hand;
        let (mut last, mut calls) = (0, 0);
        while let Some(units) = line.first().filter(|units| *units <= left) {
            left -= units;
            last = line.call_first(wakers).unwrap_or(last);
            calls += 1;
        }
        if calls > 0 {
            // Before the bit is cleared: nobody finds the way free behind those who are called. (Relaxed: the releases
            // below publish it.)
            self.unclaimed.fetch_add(calls, Ordering::Relaxed);
        }
        if left > free {
            // Release: as in `release_some`.
            self.word.fetch_add((left - free) * ONE, Ordering::Release);
        }
        if left < free {
            // Relaxed: acquired above.
            self.word.fetch_sub((free - left) * ONE, Ordering::Relaxed);
        }
        // The lock's owner alone changes the bit, so it need not be cleared twice.
        if line.is_empty() && self.word.load(Ordering::Relaxed) & QUEUED != 0 {
            // Release: pairs with `try_acquire`.
            self.word.fetch_and(!QUEUED, Ordering::Release);
        }
        if calls > 0 {
            // Last, since whoever is called goes on at once, and must find its units gone from the word. Release: pairs
            // with `has_called`.
            self.called.store(last, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::future::Future;

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

    /// A waiter that wants nothing stands behind one that gets all there is.
    #[test]
    fn who_wants_nothing_is_called_with_the_one_before() {
        let permits = Permits::new(1, What::Semaphore);
        block_on(permits.acquire(1));
        let mut one = Box::pin(permits.acquire(1));
        let mut none = Box::pin(permits.acquire(0));
        assert!(block_on(poll_once(one.as_mut())).is_none());
        assert!(block_on(poll_once(none.as_mut())).is_none());
        permits.release(1);
        assert!(block_on(poll_once(none.as_mut())).is_some());
        assert!(block_on(poll_once(one.as_mut())).is_some());
        assert_eq!((permits.free(), permits.has_line()), (0, false));
    }

    struct Touchy;

    impl std::task::Wake for Touchy {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("the second panic");
        }
    }

    /// A second panic would abort the process.
    #[test]
    fn units_are_handed_on_while_a_panic_unwinds() {
        struct Releases<'a>(&'a Permits);
        impl Drop for Releases<'_> {
            fn drop(&mut self) {
                self.0.release(1);
            }
        }
        let permits = Permits::new(1, What::Semaphore);
        block_on(permits.acquire(1));
        let mut waiting = Box::pin(permits.acquire(1));
        let waker = Waker::from(std::sync::Arc::new(Touchy));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let unwinds = std::panic::AssertUnwindSafe(|| {
            let _releases = Releases(&permits);
            panic!("the first panic");
        });
        let first = std::panic::catch_unwind(unwinds).expect_err("it panics");
        assert_eq!(first.downcast_ref::<&str>(), Some(&"the first panic"));
        block_on(waiting);
    }
}
