//! One shard of the timers: a wheel of wakers behind a lock, and what others may read without it.
//!
//! `timers.rs` and `sleep.rs` use it. What always holds:
//! * `next` is not later than any deadline in the wheel (see `wait.rs`).
//! * A waker is cloned, woken and dropped outside the lock: that is foreign code.
//! * Once closed, the wheel is empty and stays so.
//!
//! The lock is meant for one worker. Others come only to cancel from elsewhere, and the driver when
//! something is due; it keeps the lock for a slice of the work at a time.

use std::task::Waker;

use corrente_shim::atomic::{AtomicBool, AtomicU64, Ordering};
use corrente_shim::sync::{Arc, Mutex};

use super::Closed;
use super::wait::Waiting;
use crate::{Clock, Key, Tick, Wheel};

/// How many steps of the wheel are made under one hold of the lock: some microseconds. Not fewer than a
/// wheel's slot may hold that is sorted at once.
const SLICE: usize = 256;

/// How many steps of the wheel an insert makes for those to come, if the cursor lags behind.
const CATCH_UP: usize = 8;

/// What all shards of one [`Timers`](crate::Timers) have in common.
pub(crate) struct Common {
    pub(super) waiting: Waiting,
    pub(crate) clock: Clock,
    /// The latest time a turn has seen.
    seen: AtomicU64,
    closed: AtomicBool,
}

impl Common {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            waiting: Waiting::new(),
            clock,
            seen: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Relaxed: a value read late is only an earlier time, which is past as well. Who was woken by a
    /// turn reads at least that turn's time, as its wake brings it what the turn wrote before.
    #[inline]
    pub(crate) fn now_cached(&self) -> Tick {
        Tick::from_micros(self.seen.load(Ordering::Relaxed))
    }

    /// Relaxed, as in `now_cached`: who was woken by the close reads it.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Comes before anything is given out on account of it.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Comes before anything due at `now` is given out.
    pub(super) fn see(&self, now: Tick) {
        // The first look spares the cache line when the clock has not moved on.
        if self.now_cached() < now {
            self.seen.fetch_max(now.as_micros(), Ordering::Relaxed);
        }
    }
}

/// See the top of this file.
#[repr(align(128))]
pub(crate) struct Shard {
    state: Mutex<State>,
    /// Not later than any deadline in the wheel.
    next: AtomicU64,
    /// A copy of the wheel's cursor.
    passed: AtomicU64,
    pub(crate) common: Arc<Common>,
}

struct State {
    wheel: Wheel<Waker>,
    closed: bool,
}

impl Shard {
    pub(super) fn new(common: Arc<Common>) -> Self {
        Self {
            state: Mutex::new(State { wheel: Wheel::new(), closed: false }),
            next: AtomicU64::new(Tick::NEVER.as_micros()),
            passed: AtomicU64::new(Tick::ZERO.as_micros()),
            common,
        }
    }

    /// Not later than any deadline here. Relaxed: see `wait.rs` for what makes it recent enough.
    #[inline]
    pub(super) fn next(&self) -> Tick {
        Tick::from_micros(self.next.load(Ordering::Relaxed))
    }

    /// Whether a timer with this deadline has been given out, unless it was put in after its time:
    /// then it is given out by the next turn. Relaxed: what is written is so, and stays so.
    #[inline]
    pub(crate) fn has_passed(&self, deadline: Tick) -> bool {
        deadline.as_micros() < self.passed.load(Ordering::Relaxed)
    }

    /// How many timers are here.
    pub(super) fn len(&self) -> usize {
        self.state.lock().wheel.len()
    }

    /// Puts a timer in.
    #[inline]
    pub(crate) fn register(&self, deadline: Tick, waker: Waker) -> Result<Key, Closed> {
        let mut state = self.state.lock();
        if state.closed {
            // The waker is dropped after this: `waker` was declared before `state`.
            return Err(Closed);
        }
        self.catch_up(&mut state.wheel);
        let key = state.wheel.insert(deadline, waker);
        let interrupt = self.note(deadline);
        drop(state);
        if interrupt {
            self.common.waiting.interrupt();
        }
        Ok(key)
    }

    /// Gives a timer another deadline; false if it has gone.
    pub(crate) fn reset(&self, key: Key, deadline: Tick) -> bool {
        let mut state = self.state.lock();
        self.catch_up(&mut state.wheel);
        let here = state.wheel.reset(key, deadline);
        let interrupt = here && self.note(deadline);
        drop(state);
        if interrupt {
            self.common.waiting.interrupt();
        }
        here
    }

    /// Under the lock, before something is put in: brings the cursor to the present, as nobody turned
    /// the wheel while nothing in it was due.
    #[inline]
    fn catch_up(&self, wheel: &mut Wheel<Waker>) {
        let now = self.common.now_cached();
        if wheel.cursor() < now {
            wheel.catch_up(now, CATCH_UP);
            self.passed.store(wheel.cursor().as_micros(), Ordering::Relaxed);
        }
    }

    /// Under the lock: `deadline` is in the wheel now. True if the driver must be interrupted.
    #[inline]
    #[must_use]
    fn note(&self, deadline: Tick) -> bool {
        if deadline >= self.next() {
            return false;
        }
        self.next.store(deadline.as_micros(), Ordering::Relaxed);
        self.common.waiting.sleeps_past(deadline)
    }

    /// Has `waker` woken in place of the one before; false if the timer has gone.
    pub(crate) fn update_waker(&self, key: Key, waker: &Waker) -> bool {
        match self.state.lock().wheel.get_mut(key) {
            None => return false,
            Some(kept) if kept.will_wake(waker) => return true,
            Some(_) => {}
        }
        let mut waker = waker.clone();
        let mut state = self.state.lock();
        let here = match state.wheel.get_mut(key) {
            Some(kept) => {
                std::mem::swap(kept, &mut waker);
                true
            }
            None => false,
        };
        drop(state);
        here
    }

    /// Takes a timer out; `None` if it has gone.
    #[inline]
    pub(crate) fn cancel(&self, key: Key) -> Option<Waker> {
        self.state.lock().wheel.remove(key)
    }

    /// Gives out what is due, in at most `limit` steps; returns how many it made.
    pub(super) fn turn(&self, now: Tick, limit: usize, ready: &mut Vec<Waker>) -> usize {
        let mut steps = 0;
        while steps < limit {
            let slice = SLICE.min(limit - steps);
            let mut state = self.state.lock();
            let made = state.wheel.advance(now, slice, |_, waker| ready.push(waker));
            self.settle(&state.wheel);
            self.passed.store(state.wheel.cursor().as_micros(), Ordering::Relaxed);
            drop(state);
            steps += made;
            if made < slice {
                break;
            }
        }
        steps
    }

    /// What is next, counting only what has not been cancelled.
    pub(super) fn look(&self) -> Tick {
        let state = self.state.lock();
        self.settle(&state.wheel)
    }

    /// Under the lock, or the earlier deadline of an insert could be overwritten: sets `next` anew.
    fn settle(&self, wheel: &Wheel<Waker>) -> Tick {
        let next = wheel.next_due().unwrap_or(Tick::NEVER);
        self.next.store(next.as_micros(), Ordering::Relaxed);
        next
    }

    /// Gives out everything, for good.
    pub(super) fn close(&self, ready: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.closed = true;
        state.wheel.drain(|_, waker| ready.push(waker));
        self.settle(&state.wheel);
    }
}
