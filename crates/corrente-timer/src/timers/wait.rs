//! When a new timer must interrupt the driver that is asleep, and why none is missed.
//!
//! `timers.rs` (the driver's side) and `shard.rs` (the inserter's side) use it. What always holds:
//! while a driver sleeps, it wakes by the earliest deadline of every shard, or an interrupt is on its
//! way to it.
//!
//! There are two kinds of words:
//! * `next` of each shard: a lower bound of its deadlines. It is written only under the shard's lock:
//!   lowered by an insert, set anew from the wheel by a turn. A cancel leaves it alone: at most the
//!   driver wakes once for nothing, where otherwise a timer made and cancelled in a loop would have to
//!   interrupt it every time.
//! * `until`, one for all: the tick until which the driver sleeps, or `AWAKE`. It is changed only by
//!   read-modify-writes, by everybody.
//!
//! ```text
//! the driver                              an insert that is the first of its shard
//!   until <- limit or never     (D1)        next <- deadline             (I1) \ under the
//!   read next of every shard    (D2)        old = until, until <- min    (I2) / shard's lock
//!   until <- min of them        (D3)        if deadline < old: interrupt (I3)
//!   sleep until then
//!   until <- awake              (D4)
//! ```
//!
//! Why no deadline is missed. I2, D1, D3 and D4 are read-modify-writes of one word, so they have one
//! order, and each acquires what the earlier ones released.
//! * If I2 comes before D1, D2 sees what I1 wrote, or what was written to that `next` later: the
//!   deadline counts in D3 (or has been dealt with by a turn). This needs D4 too to be a
//!   read-modify-write: a plain store between I2 and D1 would cut the chain from one to the other.
//! * If I2 comes after D1 and before D4, it sees what the driver has announced, or what an insert
//!   made of that. If the deadline is earlier, I3 interrupts; the interrupter ends the current or the
//!   next sleep, so it does not matter whether the driver sleeps yet. If it is not earlier, then
//!   either the driver wakes by itself in time, or another insert has lowered `until` and interrupts.
//! * If I2 comes after D4, it comes before the next D1, and the first case holds there.
//!
//! An insert that is not the first of its shard need do nothing: `next` is not later than its
//! deadline, and whoever wrote that `next` was an insert that did all this, or the turn, after which
//! the driver looks (D2) before it sleeps.
//!
//! A driver that collects (`begin_wait_until`) puts the later time in D3: it has looked, and knows what it
//! lets wait. An insert that is earlier still interrupts it, and the driver decides again.
//!
//! Why it is not interrupted for nothing: awake it has announced zero, which nothing is before; and
//! asleep an interrupt lowers `until`, so that only a still earlier deadline interrupts again. (One
//! that comes between D1 and D3 may do it in vain.)
//!
//! Acquire and release on one word suffice: the argument needs its modification order and
//! happens-before along it, no order of all atomics. No fence is needed, so models and thread
//! sanitizers see all of it.

use std::sync::OnceLock;
use std::task::Waker;

use corrente_shim::atomic::{AtomicU64, Ordering};

use crate::Tick;

/// Nobody sleeps: no deadline is before this.
const AWAKE: u64 = 0;

/// See the top of this file. Alone on its cache lines, as the driver writes it with every sleep.
#[repr(align(128))]
pub(super) struct Waiting {
    until: AtomicU64,
    interrupter: OnceLock<Waker>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self { until: AtomicU64::new(AWAKE), interrupter: OnceLock::new() }
    }

    pub(super) fn set_interrupter(&self, interrupter: Waker) {
        let first = self.interrupter.set(interrupter).is_ok();
        assert!(first, "these timers have an interrupter already");
    }

    /// D1: the driver is going to sleep, until `until` at most.
    pub(super) fn announce(&self, until: Tick) {
        // A failure leaves everything as it was, whoever waits is still right.
        let announced = self.until.compare_exchange(
            AWAKE,
            until.as_micros(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        assert!(announced.is_ok(), "two threads wait for the same timers; only one driver may");
    }

    /// D3: the driver has looked, and will not sleep longer than until `next`.
    pub(super) fn shorten(&self, next: Tick) {
        self.until.fetch_min(next.as_micros(), Ordering::AcqRel);
    }

    /// D4: the driver is awake.
    pub(super) fn withdraw(&self) {
        self.until.swap(AWAKE, Ordering::AcqRel);
    }

    /// I2: whether a driver sleeps past `deadline`. If so, [`interrupt`](Self::interrupt) must
    /// follow; nobody else will do it for this deadline.
    #[must_use]
    pub(super) fn sleeps_past(&self, deadline: Tick) -> bool {
        let deadline = deadline.as_micros();
        deadline < self.until.fetch_min(deadline, Ordering::AcqRel)
    }

    /// I3. Calls foreign code: not under a lock.
    #[cold]
    pub(super) fn interrupt(&self) {
        if let Some(interrupter) = self.interrupter.get() {
            interrupter.wake_by_ref();
        }
    }
}
