//! The only seam to time and sockets: what an idle worker does with its thread.
//!
//! The scheduler knows no clock and no descriptor. It knows that somebody must wait for the outside world,
//! that one worker at a time does so, and that the answer is a list of wakers. What always holds: whoever
//! has the driver holds the [`Baton`], polls no task meanwhile, and wakes nobody before giving it back.

use crate::parker::Parker;
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::{Condvar, Mutex, MutexGuard};
use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// What an idle worker does with its thread. One worker at a time holds the driver; the others sleep on
/// their parkers.
///
/// One implementor per runtime; composed, never nested.
pub trait Driver: Send + 'static {
    /// Waits for outside events for at most `limit` (`None`: until one comes; zero: only look) and adds
    /// the wakers of whoever may go on. Wakes nobody itself: the worker does, after giving the driver
    /// back. May return early, with nothing.
    ///
    /// The order in `ready` is the order in which they will be woken.
    fn turn(&mut self, limit: Option<Duration>, ready: &mut Vec<Waker>);

    /// Ends the current or the next `turn` early. For any thread. Asked for once, at the start.
    fn interrupter(&self) -> Waker;

    /// For virtual time: everything stands still. All workers are parked, nothing is ready, no blocking
    /// job is active, and a `turn` with a limit of zero found nothing. May move the clock and then
    /// returns true; what has become due may be added to `ready`, or be left to the next turn.
    fn idle(&mut self, ready: &mut Vec<Waker>) -> bool {
        let _ = ready;
        false
    }

    /// True if [`idle`](Self::idle) wants to be called. Asked once, at the start: finding out that
    /// everything stands still costs a lock at each sleep.
    fn wants_idle(&self) -> bool {
        false
    }
}

/// A driver without time and sockets: its turns end when they are interrupted, or at their limit.
#[derive(Debug, Default)]
pub struct NoDriver(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl NoDriver {
    /// A new one.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Driver for NoDriver {
    fn turn(&mut self, limit: Option<Duration>, _ready: &mut Vec<Waker>) {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut rung = self.0.rung.lock();
        while !*rung {
            let Some(end) = end else {
                rung = self.0.heard.wait(rung);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (rung, _) = self.0.heard.wait_timeout(rung, left);
        }
        *rung = false;
    }

    fn interrupter(&self) -> Waker {
        self.0.clone().into()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        *self.rung.lock() = true;
        self.heard.notify_one();
    }
}

/// The driver, and the right to turn it.
pub struct Baton {
    driver: Mutex<Option<Box<dyn Driver>>>,
    /// Somebody holds it. Only advice, for those who must not take it even for a moment: a worker that
    /// fails to take the baton relies on a holder who will try again before it sleeps.
    taken: AtomicBool,
    interrupter: Waker,
    wants_idle: bool,
}

/// The baton in a worker's hand. Dropping it gives the driver back.
pub struct Held<'a> {
    driver: MutexGuard<'a, Option<Box<dyn Driver>>>,
    taken: &'a AtomicBool,
}

impl Baton {
    /// A free baton.
    pub fn new(driver: Box<dyn Driver>) -> Self {
        let interrupter = driver.interrupter();
        let wants_idle = driver.wants_idle();
        let taken = AtomicBool::new(false);
        Self { driver: Mutex::new(Some(driver)), taken, interrupter, wants_idle }
    }

    /// Takes the baton if nobody holds it. `None` says that somebody did at that moment: in the driver,
    /// or awake and then obliged to try again before it sleeps.
    pub fn try_take(&self) -> Option<Held<'_>> {
        let driver = self.driver.try_lock()?;
        if driver.is_none() {
            return None;
        }
        // Relaxed: advice.
        self.taken.store(true, Ordering::Relaxed);
        Some(Held { driver, taken: &self.taken })
    }

    /// True if nobody held it a moment ago.
    pub fn is_free(&self) -> bool {
        !self.taken.load(Ordering::Relaxed)
    }

    /// Ends the turn of whoever waits in the driver.
    pub fn interrupter(&self) -> &Waker {
        &self.interrupter
    }

    /// True if the driver's clock moves when everything stands still.
    pub fn wants_idle(&self) -> bool {
        self.wants_idle
    }

    /// The driver itself, for good: there is nothing to take any more. Waits for a holder.
    pub fn retire(&self) -> Option<Box<dyn Driver>> {
        self.interrupter.wake_by_ref();
        self.driver.lock().take()
    }
}

impl Held<'_> {
    /// See [`Driver::turn`].
    pub fn turn(&mut self, limit: Option<Duration>, ready: &mut Vec<Waker>) {
        if let Some(driver) = self.driver.as_mut() {
            driver.turn(limit, ready);
        }
    }

    /// Waits until something is ready or the owner of `parker` is unparked, and gives the driver back.
    /// False if it was unparked before: then it has not waited.
    pub fn wait(mut self, parker: &Parker, ready: &mut Vec<Waker>) -> bool {
        let entered = parker.enter_driver();
        if entered {
            self.turn(None, ready);
            parker.leave_driver();
        }
        entered
    }

    /// Looks whether something is ready.
    pub fn glance(&mut self, ready: &mut Vec<Waker>) {
        self.turn(Some(Duration::ZERO), ready);
    }

    /// See [`Driver::idle`].
    pub fn idle(&mut self, ready: &mut Vec<Waker>) -> bool {
        self.driver.as_mut().is_some_and(|driver| driver.idle(ready))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Baton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Baton").field("wants_idle", &self.wants_idle).finish_non_exhaustive()
    }
}

impl fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_the_next_turn_and_only_that() {
        let mut driver = NoDriver::new();
        driver.interrupter().wake();
        driver.turn(None, &mut Vec::new());
        let begin = Instant::now();
        driver.turn(Some(Duration::from_millis(5)), &mut Vec::new());
        assert!(begin.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn one_holder_at_a_time() {
        let baton = Baton::new(Box::new(NoDriver::new()));
        let held = baton.try_take();
        assert!(held.is_some());
        assert!(baton.try_take().is_none());
        drop(held);
        assert!(baton.is_free());
        assert!(baton.retire().is_some());
        assert!(baton.try_take().is_none(), "a retired driver cannot be taken");
    }
}
