//! One thread's parking place.
//!
//! Its owner sleeps here; anybody may wake it. Two ways of sleeping share one word, because whoever wakes
//! must know which bell to ring: a thread on its own futex, or one that waits for sockets and timers in the
//! driver.
//!
//! ```text
//! state      | park            | enter driver    | leave driver | unpark
//! EMPTY      | PARKED, sleep   | IN_DRIVER, true | !            | NOTIFIED
//! PARKED     | !               | !               | !            | NOTIFIED, wake the thread
//! IN_DRIVER  | !               | !               | EMPTY        | NOTIFIED, interrupt the driver
//! NOTIFIED   | EMPTY, no sleep | EMPTY, false    | EMPTY        | -
//! ```
//!
//! What always holds: an unpark is never lost (it is a state, not an event), and only its owner leaves
//! NOTIFIED. A late ring of either bell costs somebody one empty turn, and nothing else.

use crate::idle::full_fence;
use corrente_shim::atomic::{AtomicU64, Ordering};
use corrente_shim::sync::Mutex;
use corrente_shim::thread::{self, Thread};
use std::task::Waker;

const EMPTY: u64 = 0;
const PARKED: u64 = 1;
const IN_DRIVER: u64 = 2;
const NOTIFIED: u64 = 3;

/// What an unpark had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The owner was awake, or woken already.
    Nothing,
    /// Its thread was asleep.
    Thread,
    /// It was waiting in the driver.
    Driver,
}

/// See the module.
#[derive(Debug)]
pub struct Parker {
    state: AtomicU64,
    /// Whom to wake. It changes when a seat is lent to another thread; a wake-up that reaches the former
    /// thread is one that it must expect anyway (`std::thread::park` may return for no reason).
    owner: Mutex<Option<Thread>>,
}

impl Parker {
    /// A place that nobody owns yet.
    pub fn new() -> Self {
        Self { state: AtomicU64::new(EMPTY), owner: Mutex::new(None) }
    }

    /// The calling thread is the one that sleeps here from now on.
    pub fn belong_here(&self) {
        *self.owner.lock() = Some(thread::current());
    }

    /// Sleeps until [`unpark`](Self::unpark), which may have come before. For the owner only.
    pub fn park(&self) {
        self.park_if(|| true);
    }

    /// Like [`park`](Self::park), but asks `still_idle` when everybody can already see that this thread
    /// sleeps. Who makes `still_idle` false, passes a full fence and then finds this place
    /// [`is_taken`](Self::is_taken) will have to unpark; who does not find it is seen by `still_idle`.
    pub fn park_if(&self, still_idle: impl FnOnce() -> bool) {
        // AcqRel throughout: what was done before an unpark is seen after the park that it ended.
        let announced =
            self.state.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire);
        if announced.is_ok() {
            full_fence(&self.state);
            if still_idle() {
                while self.state.load(Ordering::Acquire) == PARKED {
                    thread::park();
                }
            }
        }
        // A swap, not a store: it must read the unpark that it takes.
        self.state.swap(EMPTY, Ordering::AcqRel);
    }

    /// The owner is going to wait in the driver. False if it was unparked before: then it must not wait.
    #[must_use]
    pub fn enter_driver(&self) -> bool {
        let announced =
            self.state.compare_exchange(EMPTY, IN_DRIVER, Ordering::AcqRel, Ordering::Acquire);
        if announced.is_err() {
            self.state.swap(EMPTY, Ordering::AcqRel);
        }
        announced.is_ok()
    }

    /// The owner is back from the driver.
    pub fn leave_driver(&self) {
        self.state.swap(EMPTY, Ordering::AcqRel);
    }

    /// True if the owner sleeps here and nobody has woken it yet. To be asked after a full fence.
    pub fn is_taken(&self) -> bool {
        self.state.load(Ordering::Relaxed) == PARKED
    }

    /// Ends the owner's sleep, or its next one. `interrupter` is the driver's.
    pub fn unpark(&self, interrupter: &Waker) -> Rung {
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => {
                let owner = self.owner.lock().clone();
                if let Some(owner) = owner {
                    owner.unpark();
                }
                Rung::Thread
            }
            IN_DRIVER => {
                interrupter.wake_by_ref();
                Rung::Driver
            }
            _ => Rung::Nothing,
        }
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_unpark_before_the_park_counts_once() {
        let parker = Parker::new();
        parker.belong_here();
        assert_eq!(parker.unpark(Waker::noop()), Rung::Nothing);
        assert_eq!(parker.unpark(Waker::noop()), Rung::Nothing);
        parker.park();
        assert!(parker.enter_driver(), "the first unpark was still there");
        assert_eq!(parker.unpark(Waker::noop()), Rung::Driver);
        parker.leave_driver();
        assert!(parker.enter_driver());
        parker.leave_driver();
    }

    #[test]
    fn a_second_thought_ends_the_park() {
        let parker = Parker::new();
        parker.belong_here();
        parker.park_if(|| {
            assert!(parker.is_taken());
            false
        });
        assert!(!parker.is_taken());
    }

    #[test]
    fn a_notified_owner_does_not_enter_the_driver() {
        let parker = Parker::new();
        let _ = parker.unpark(Waker::noop());
        assert!(!parker.enter_driver());
        assert!(parker.enter_driver());
    }

    #[test]
    fn another_thread_wakes_the_owner() {
        let parker = Arc::new(Parker::new());
        let other = parker.clone();
        let owner = std::thread::spawn(move || {
            other.belong_here();
            (0..1000).for_each(|_| other.park());
        });
        while !owner.is_finished() {
            let _ = parker.unpark(Waker::noop());
            std::thread::yield_now();
        }
        assert!(owner.join().is_ok());
    }
}
