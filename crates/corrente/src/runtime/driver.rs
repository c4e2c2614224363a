//! The one place where timers and reactor meet: the scheduler's driver.
//!
//! A turn waits in the reactor, no longer than until the next timer is due, and then asks the timers. With
//! a virtual clock nothing waits for time: the clock is moved to the next deadline when the scheduler
//! says that everything stands still.

use corrente_io::Reactor;
use corrente_scheduler::Driver;
use corrente_timer::{Clock, Pace, Timers};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

pub(crate) struct SystemDriver {
    reactor: Reactor,
    timers: Timers,
    clock: Clock,
    pace: Pace,
    virtual_time: bool,
    /// Timers due in one instant are given out in the order of their making, all at once.
    in_order: bool,
    failed: Arc<Mutex<Option<String>>>,
}

impl SystemDriver {
    pub fn new(reactor: Reactor, timers: Timers, virtual_time: bool, in_order: bool) -> Self {
        timers.set_interrupter(reactor.interrupter());
        let clock = timers.clock().clone();
        let failed = Arc::default();
        Self { reactor, timers, clock, pace: Pace::new(), virtual_time, in_order, failed }
    }

    fn fire(&mut self, slept: bool, ready: &mut Vec<Waker>) {
        let (now, before) = (self.clock.now(), ready.len());
        if self.in_order {
            self.timers.turn_all(now, ready);
        } else {
            self.timers.turn(now, ready);
        }
        if slept {
            self.pace.turned(now, ready.len() - before);
        }
    }
}

impl Driver for SystemDriver {
    fn turn(&mut self, limit: Option<Duration>, ready: &mut Vec<Waker>) {
        let result = if self.virtual_time {
            self.reactor.turn(limit, ready)
        } else {
            let not_before = self.pace.not_before();
            let wait = self.timers.begin_wait_until(self.clock.now(), limit, not_before);
            self.reactor.turn(wait.limit(), ready)
        };
        if let Err(error) = result {
            // The reactor is broken for good: whoever waits for it learns so, and says so once.
            self.reactor.fail_all(&error, ready);
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.is_none() {
                eprintln!(
                    "corrente: the I/O driver has failed, sockets give errors from now on: {error}"
                );
                *failed = Some(error.to_string());
            }
            if ready.is_empty() && limit != Some(Duration::ZERO) {
                // Timers still work: sleep as long as the reactor would have waited, in small steps so
                // that an interruption is not missed for long.
                let until = self.timers.until_next(self.clock.now());
                let step = Duration::from_millis(5);
                std::thread::sleep(until.into_iter().chain(limit).fold(step, Duration::min));
            }
        }
        self.fire(limit != Some(Duration::ZERO), ready);
    }

    fn interrupter(&self) -> Waker {
        self.reactor.interrupter()
    }

    fn wants_idle(&self) -> bool {
        self.virtual_time
    }

    fn idle(&mut self, ready: &mut Vec<Waker>) -> bool {
        // What has come already is older than whatever is due later.
        self.reactor.settle(ready);
        // A deadline may turn out to have been cancelled: then there is a next one.
        while ready.is_empty() {
            let Some(due) = self.timers.next_due() else { return false };
            self.clock.advance_to(due);
            self.fire(false, ready);
        }
        true
    }
}
