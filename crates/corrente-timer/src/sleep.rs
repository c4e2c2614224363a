//! A future that is done when its time has come.
//!
//! Its owner polls it, on any thread. What always holds:
//! * It is never done early: it is done when a clock has shown its deadline, and not before.
//! * If it has a `key`, the entry of that key, while it exists, has this sleep's deadline.
//! * Without a poll that was pending it is in no wheel; once done or dropped it is in none, except
//!   that one put in after its time stays until the next turn and may wake its task for nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corrente_shim::sync::Arc;

use crate::timers::Shard;
use crate::{Closed, Key, Tick, Timers};

/// So near a deadline it pays to look at the clock before going into the wheel, in ticks: 1 ms.
const NEAR: u64 = 1_000;

/// Waits until a deadline. Made by [`Sleep::new`].
///
/// It registers a timer when it is first polled and its time has not come, and takes it out when it
/// is dropped. It may be moved to and polled on any thread; its timer stays in its shard.
///
/// Ends with `Ok(())` at the deadline. If the timers are [closed](Timers::close) before, it ends with
/// `Err(Closed)` at once: it can neither wait (nobody turns the wheel any more) nor claim that the
/// time has come. What has come counts more: a deadline that is past is `Ok(())` even then.
///
/// asyncio's `asyncio.sleep()` and `loop.call_at()` are made of it.
///
/// # Cancel safety
///
/// Dropping it has no effect but that it does not wake its task.
///
/// ```
/// use corrente_timer::{Clock, Closed, Sleep, Tick, Timers};
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// let clock = Clock::manual();
/// let timers = Timers::new(clock.clone(), 1);
/// let mut sleep = pin!(Sleep::new(&timers, 0, Tick::from_micros(5)));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Pending);
///
/// clock.advance_to(Tick::from_micros(5));
/// timers.turn(clock.now(), &mut Vec::new());
/// assert_eq!(sleep.as_mut().poll(&mut cx), Poll::Ready(Ok::<(), Closed>(())));
/// ```
#[must_use = "a sleep does nothing unless it is polled"]
pub struct Sleep {
    shard: Arc<Shard>,
    deadline: Tick,
    /// Of the entry in the wheel, if it was put in.
    key: Option<Key>,
}

impl Sleep {
    /// Waits until `deadline`, with a timer in `shard`, any number, taken modulo the number of
    /// shards. Best is the shard of the worker that is going to poll it.
    ///
    /// To sleep for a time, take [`Clock::after`](crate::Clock::after) as the deadline.
    #[inline]
    pub fn new(timers: &Timers, shard: usize, deadline: Tick) -> Sleep {
        Sleep { shard: timers.shard(shard).1.clone(), deadline, key: None }
    }

    /// When it ends.
    pub fn deadline(&self) -> Tick {
        self.deadline
    }

    /// Whether the deadline has passed. Looks at the clock, unless a turn has seen enough.
    pub fn is_elapsed(&self) -> bool {
        let common = &self.shard.common;
        self.deadline <= common.now_cached() || self.deadline <= common.clock.now()
    }

    /// Whether a poll with the waker of the last poll would be pending and change nothing, as far as can be told from
    /// two loads: it has a timer, and no turn has seen its time, nor have the timers been closed. Whoever was woken by
    /// either sees it.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        let common = &self.shard.common;
        self.key.is_some() && self.deadline > common.now_cached() && !common.is_closed()
    }

    /// Waits until `deadline` instead, whether it has ended or not. If it was polled and has not
    /// ended, it wakes the same task then, without being polled in between.
    pub fn reset(&mut self, deadline: Tick) {
        self.deadline = deadline;
        if let Some(key) = self.key {
            if !self.shard.reset(key, deadline) {
                self.key = None;
            }
        }
    }

    /// The first poll, or one after a reset of what had gone.
    fn enter(&mut self, waker: &Waker) -> Poll<Result<(), Closed>> {
        // In ticks: a `Duration` would cost two divisions.
        let past = self.shard.common.now_cached().as_micros();
        if self.deadline.as_micros().saturating_sub(past) < NEAR && self.is_elapsed() {
            return Poll::Ready(Ok(()));
        }
        match self.shard.register(self.deadline, waker.clone()) {
            Ok(key) => self.key = Some(key),
            Err(Closed) if self.is_elapsed() => return Poll::Ready(Ok(())),
            Err(Closed) => return Poll::Ready(Err(Closed)),
        }
        Poll::Pending
    }

    /// A later poll: the timer is still there, or it has been given out, or the timers are closed.
    fn look(&mut self, key: Key, waker: &Waker) -> Poll<Result<(), Closed>> {
        if self.shard.update_waker(key, waker) {
            return Poll::Pending;
        }
        self.key = None;
        // If a turn took it out, it had stored the time it saw before that, and as the shard's lock
        // has been ours since, the store is visible here.
        if self.is_elapsed() { Poll::Ready(Ok(())) } else { Poll::Ready(Err(Closed)) }
    }

    /// Takes the timer out.
    #[inline]
    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            // The usual end needs no lock: what is passed has been given out.
            if !self.shard.has_passed(self.deadline) {
                self.shard.cancel(key);
            }
        }
    }
}

impl Future for Sleep {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sleep = &mut *self;
        if sleep.deadline <= sleep.shard.common.now_cached() {
            sleep.leave();
            return Poll::Ready(Ok(()));
        }
        match sleep.key {
            None => sleep.enter(cx.waker()),
            Some(key) => sleep.look(key, cx.waker()),
        }
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("registered", &self.key.is_some())
            .finish_non_exhaustive()
    }
}
