//! Timers for many threads: a wheel of wakers for each, turned by one driver.
//!
//! Anybody may register and cancel, from any thread; one driver at a time waits and turns. What
//! always holds:
//! * A timer's waker is given out once, at or after its deadline, or not at all if it is cancelled
//!   first.
//! * Nothing here wakes a waker but the interrupter: turns fill a list, and whoever turned wakes them.
//! * A driver that sleeps wakes by the earliest deadline; `timers/wait.rs` says why.

mod shard;
mod wait;

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::Arc;

use crate::{Clock, Key, Tick};
use shard::Common;
pub(crate) use shard::Shard;

/// Steps of the wheels in one turn. The driver has other things to look after; what is left is due
/// at once in the next turn.
const BATCH: usize = 1024;

/// Timers in shards, to be shared by all threads of a runtime. A clone is another handle to them.
///
/// A shard is meant to be used by one thread most of the time; every thread may use every shard.
///
/// ```
/// use corrente_timer::{Clock, Timers};
/// use std::task::Waker;
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let timers = Timers::new(clock.clone(), 2);
/// let deadline = clock.after(Duration::from_millis(5));
/// timers.register(1, deadline, Waker::noop()).expect("they are not closed");
/// assert_eq!(timers.until_next(clock.now()), Some(Duration::from_millis(5)));
///
/// clock.advance_to(deadline);
/// let mut ready = Vec::new();
/// timers.turn(clock.now(), &mut ready);
/// assert_eq!(ready.len(), 1);
/// ```
#[derive(Clone)]
pub struct Timers {
    inner: Arc<Inner>,
}

struct Inner {
    /// Each by itself in an `Arc`, so that a sleep can hold its shard without touching a counter
    /// that all threads share.
    shards: Box<[Arc<Shard>]>,
    common: Arc<Common>,
    /// The shard at which the next turn begins.
    first: AtomicUsize,
}

/// Names a registered timer, even after it has gone: then it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    key: Key,
    shard: u32,
}

/// The timers have been closed: their runtime has been shut down, and no time will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timers are closed, as their runtime has been shut down")
    }
}

impl std::error::Error for Closed {}

impl Timers {
    /// Timers by `clock`, in `shards` shards.
    ///
    /// # Panics
    ///
    /// If `shards` is zero.
    pub fn new(clock: Clock, shards: usize) -> Timers {
        assert!(shards > 0, "timers need at least one shard");
        let common = Arc::new(Common::new(clock));
        let shards = (0..shards).map(|_| Arc::new(Shard::new(common.clone()))).collect();
        Timers { inner: Arc::new(Inner { shards, common, first: AtomicUsize::new(0) }) }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.inner.shards.len()
    }

    /// The clock they go by.
    pub fn clock(&self) -> &Clock {
        &self.inner.common.clock
    }

    /// The time at the last turn: a time that is past for sure, for the price of one atomic load.
    #[inline]
    pub fn now_cached(&self) -> Tick {
        self.inner.common.now_cached()
    }

    /// How many timers are registered. Takes every shard's lock in turn.
    pub fn len(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.len()).sum()
    }

    /// Whether no timer is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has a turn give out a clone of `waker` once `deadline` has come. One that is past comes with
    /// the next turn, one at [`Tick::NEVER`] only when the timers are closed.
    ///
    /// `shard` may be any number: it is taken modulo the number of shards.
    ///
    /// # Errors
    ///
    /// [`Closed`] after [`close`](Self::close).
    ///
    /// # Panics
    ///
    /// If the shard holds four billion timers.
    #[inline]
    pub fn register(
        &self,
        shard: usize,
        deadline: Tick,
        waker: &Waker,
    ) -> Result<TimerKey, Closed> {
        let (number, shard) = self.shard(shard);
        let key = shard.register(deadline, waker.clone())?;
        Ok(TimerKey { key, shard: number as u32 })
    }

    /// Has `waker` given out in place of the one before. False if the timer has gone: its waker has
    /// been given out, or it was cancelled, or the timers are closed.
    pub fn update_waker(&self, key: TimerKey, waker: &Waker) -> bool {
        self.find(key).is_some_and(|shard| shard.update_waker(key.key, waker))
    }

    /// Gives a timer another deadline, earlier or later; among those with the same deadline it is
    /// the newest then. False if it has gone.
    pub fn reset(&self, key: TimerKey, deadline: Tick) -> bool {
        self.find(key).is_some_and(|shard| shard.reset(key.key, deadline))
    }

    /// Takes a timer out; its waker is dropped. False if it has gone.
    #[inline]
    pub fn cancel(&self, key: TimerKey) -> bool {
        self.find(key).and_then(|shard| shard.cancel(key.key)).is_some()
    }

    /// The driver's work: adds the wakers of the timers due at `now` to `ready`, for the caller to
    /// wake. Within a shard they come by deadline, and by registration where that is the same.
    ///
    /// It does a bounded amount of work, about a thousand timers; if that was not enough,
    /// [`until_next`](Self::until_next) is zero, and the next turn goes on.
    pub fn turn(&self, now: Tick, ready: &mut Vec<Waker>) {
        self.turn_limited(now, BATCH, ready);
    }

    /// Like [`turn`](Self::turn), but adds everything that is due, however much it is.
    pub fn turn_all(&self, now: Tick, ready: &mut Vec<Waker>) {
        self.turn_limited(now, usize::MAX, ready);
    }

    fn turn_limited(&self, now: Tick, mut limit: usize, ready: &mut Vec<Waker>) {
        let now = now.min(Tick::LAST);
        self.inner.common.see(now);
        let shards = &self.inner.shards;
        // Relaxed: which shard is served first matters to fairness only.
        let first = self.inner.first.load(Ordering::Relaxed);
        let in_turn = (first..shards.len()).chain(0..first);
        for number in in_turn {
            let shard = &shards[number];
            if shard.next() > now {
                continue;
            }
            limit -= shard.turn(now, limit, ready);
            if limit == 0 {
                self.inner.first.store((number + 1) % shards.len(), Ordering::Relaxed);
                return;
            }
        }
    }

    /// How long after `now` the earliest timer is due, or a little less; zero if one is due, `None`
    /// if none ever will be. Takes no lock.
    ///
    /// It is less when the earliest timer was cancelled, or when so many lie close together far
    /// ahead that it was not worth finding the first; [`turn`](Self::turn) at that time finds out
    /// more. Only to look: a driver that is going to sleep uses [`begin_wait`](Self::begin_wait).
    pub fn until_next(&self, now: Tick) -> Option<Duration> {
        let next = self.earliest();
        (!next.is_never()).then(|| next.since(now))
    }

    /// Where to move a virtual clock: the earliest deadline, or, if more than 32 timers lie close
    /// together, a time before it, with a turn at which nothing is due; ask again after it. `None` if
    /// no timer will ever be due. Takes every shard's lock in turn.
    pub fn next_due(&self) -> Option<Tick> {
        let next = self.inner.shards.iter().map(|shard| shard.look()).min();
        next.filter(|next| !next.is_never())
    }

    /// The driver is going to sleep, at most for `limit` (`None`: with no limit of its own): finds
    /// out how long it may, so as to be in time for the earliest timer. From here until the
    /// [`Wait`] is dropped, whoever registers an earlier one calls the interrupter.
    ///
    /// ```
    /// # use corrente_timer::{Clock, Timers};
    /// # let timers = Timers::new(Clock::system(), 1);
    /// # let mut ready = Vec::new();
    /// # fn sleep_in_the_kernel(limit: Option<std::time::Duration>) {}
    /// let wait = timers.begin_wait(timers.clock().now(), Some(std::time::Duration::ZERO));
    /// sleep_in_the_kernel(wait.limit());
    /// drop(wait);
    /// timers.turn(timers.clock().now(), &mut ready);
    /// ```
    ///
    /// # Panics
    ///
    /// If another wait has not ended: only one thread may be the driver.
    pub fn begin_wait(&self, now: Tick, limit: Option<Duration>) -> Wait<'_> {
        self.begin_wait_until(now, limit, Tick::ZERO)
    }

    /// The same, for a driver that collects what is due until `not_before`: a timer whose time comes
    /// earlier does not end its sleep earlier. See [`Pace`](crate::Pace).
    ///
    /// # Panics
    ///
    /// If another wait has not ended: only one thread may be the driver.
    pub fn begin_wait_until(
        &self,
        now: Tick,
        limit: Option<Duration>,
        not_before: Tick,
    ) -> Wait<'_> {
        if limit == Some(Duration::ZERO) {
            return Wait { announced: None, limit };
        }
        let waiting = &self.inner.common.waiting;
        let until = limit.map_or(Tick::NEVER, |limit| now.saturating_add(limit));
        waiting.announce(until);
        let mut wait = Wait { announced: Some(self), limit };
        // After the announcement: what is registered from now on sees it, what was before is seen.
        let next = self.earliest().max(not_before);
        waiting.shorten(next);
        if next < until {
            wait.limit = Some(next.since(now));
        }
        wait
    }

    /// Says how to end a driver's sleep early. Waking `interrupter` must end the current sleep, or
    /// the next if it has not begun.
    ///
    /// # Panics
    ///
    /// If it was said before.
    pub fn set_interrupter(&self, interrupter: Waker) {
        self.inner.common.waiting.set_interrupter(interrupter);
    }

    /// Ends the timers: adds the wakers of all of them to `ready`, due or not, and refuses new ones.
    /// Every [`Sleep`](crate::Sleep) whose time has not come ends with [`Closed`].
    pub fn close(&self, ready: &mut Vec<Waker>) {
        self.inner.common.close();
        for shard in &self.inner.shards {
            shard.close(ready);
        }
    }

    /// The shard of this number, modulo, and its true number.
    #[inline]
    pub(crate) fn shard(&self, number: usize) -> (usize, &Arc<Shard>) {
        let shards = &self.inner.shards;
        // A division costs as much as the rest of an insert.
        let number = if number < shards.len() { number } else { number % shards.len() };
        (number, &shards[number])
    }

    /// The shard of a key. A key of other timers may find none.
    #[inline]
    fn find(&self, key: TimerKey) -> Option<&Shard> {
        self.inner.shards.get(key.shard as usize).map(|shard| &**shard)
    }

    /// Not later than any deadline.
    fn earliest(&self) -> Tick {
        let next = self.inner.shards.iter().map(|shard| shard.next());
        next.min().unwrap_or(Tick::NEVER)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("clock", self.clock())
            .field("shards", &self.shards())
            .field("next_due", &self.earliest())
            .finish_non_exhaustive()
    }
}

/// A driver sleeps, or is about to: while this lives, an earlier timer interrupts it.
#[derive(Debug)]
#[must_use = "dropping it ends the wait"]
pub struct Wait<'a> {
    /// `None`: it only looks and does not sleep.
    announced: Option<&'a Timers>,
    limit: Option<Duration>,
}

impl Wait<'_> {
    /// How long the driver may sleep; `None`: until it is interrupted.
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(timers) = self.announced {
            timers.inner.common.waiting.withdraw();
        }
    }
}
