//! Virtual time: finding the moment at which everything stands still.
//!
//! Only for drivers that want it ([`Driver::wants_idle`](crate::Driver::wants_idle)); others pay one branch.
//! Then each thread that goes to sleep says so under one lock, the idle lock, and the last one looks whether
//! anything is left to do anywhere. If not, it lets the driver move its clock, still under the lock, so
//! that nobody gets up meanwhile.
//!
//! Why time never moves too early: work is always to be seen somewhere. A task that was woken lies in an
//! injector, a mailbox or the queue of a worker, from before its wake returns until a thread that is up (and
//! counted) has it; a blocking job counts until the wakes that its end caused have been delivered. So when
//! nobody is counted and nothing is to be seen, nothing is on its way.

use crate::driver::Held;
use crate::shared::Shared;
use corrente_shim::sync::Mutex;
use std::task::Waker;

/// See the module.
pub(crate) struct Standstill {
    wanted: bool,
    /// The idle lock: how many threads are up.
    up: Mutex<usize>,
}

impl Standstill {
    /// `up` threads are up, or will be before they have done anything.
    pub(crate) fn new(wanted: bool, up: usize) -> Self {
        Self { wanted, up: Mutex::new(up) }
    }

    /// A thread begins to take part, or is back from its sleep.
    #[inline]
    pub(crate) fn get_up(&self) {
        if self.wanted {
            *self.up.lock() += 1;
        }
    }

    /// Sleeps without the driver. If that lets everything stand still, whoever has the driver is told.
    pub(crate) fn sleep(&self, shared: &Shared, sleep: impl FnOnce()) {
        self.lie_down(shared);
        sleep();
        self.get_up();
    }

    /// A thread goes to sleep without the driver, or takes part no more.
    pub(crate) fn lie_down(&self, shared: &Shared) {
        if self.wanted && self.counted_out(shared) {
            shared.baton.interrupter().wake_by_ref();
        }
    }

    fn counted_out(&self, shared: &Shared) -> bool {
        let mut up = self.up.lock();
        *up -= 1;
        *up == 0 && shared.is_quiet()
    }

    /// The holder of the driver is about to sleep in it. True: it must not, since the clock has moved or
    /// something was ready after all. False: it counts as asleep now and has to call `get_up`.
    pub(crate) fn step(
        &self,
        shared: &Shared,
        held: &mut Held<'_>,
        ready: &mut Vec<Waker>,
    ) -> bool {
        if !self.wanted {
            return false;
        }
        let mut up = self.up.lock();
        *up -= 1;
        if *up > 0 || !shared.is_quiet() {
            return false;
        }
        held.glance(ready);
        let moved = !ready.is_empty() || held.idle(ready);
        if moved {
            *up += 1;
        }
        moved
    }
}
