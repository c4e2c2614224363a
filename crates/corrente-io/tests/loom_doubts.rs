//! Models of doubts: a reader that waits without having asked the system is told, in every interleaving, by loom.
//!
//! What is explored is what the crate runs: `doubts.rs`, and below it `source.rs` and `readiness.rs`, as they are.
#![cfg(corrente_loom)]

mod model;

use std::task::{Poll, Waker};

use corrente_io::model::{Direction, Doubts, Interest, Readiness, Slot, Watch};
use corrente_shim::sync::Arc;
use model::{Alarm, System, beside, wake_all};

/// A source whose reading is in doubt, and what the reactor and its owner share.
struct Doubted {
    system: System,
    doubts: Doubts,
}

impl Doubted {
    fn new(readers: usize) -> Arc<Self> {
        let watch = Watch { armed: Interest::READ, oneshot: false, reports_ends: true };
        let doubted = Self { system: System::new(readers, watch), doubts: Doubts::default() };
        let readiness = doubted.readiness();
        while readiness.doubt().is_none() {
            let seen = readiness.look().unwrap();
            readiness.transferred(seen, true);
            readiness.tried_in_vain();
        }
        Arc::new(doubted)
    }

    fn readiness(&self) -> &Readiness {
        self.system.source.direction(Direction::Read)
    }

    /// Turns of the reactor, until all tasks have left.
    fn turns(&self) {
        loop {
            let mut woken = Vec::new();
            while !self.doubts.close() {
                self.settle(&mut woken);
            }
            let may_wait = woken.is_empty();
            let report = self.system.report(may_wait);
            self.doubts.open();
            match report {
                Some(report) => self.system.source.apply(report, &mut woken),
                None if may_wait => return,
                None => {}
            }
            wake_all(woken);
        }
    }

    fn settle(&self, woken: &mut Vec<Waker>) {
        for source in self.doubts.take(true, |_| Some(&self.system.source)) {
            let is_ready = self.system.state.lock().bytes > 0;
            source.direction(Direction::Read).settle(is_ready, woken);
        }
    }

    /// A task that reads one byte, waiting as `Async` does for streams, and leaves.
    fn read(&self) {
        let alarm = Alarm::new();
        let waker = Waker::from(alarm.clone());
        let mut slot = Slot::new();
        let readiness = self.readiness();
        loop {
            let doubt = readiness.doubt();
            let doubt = doubt.filter(|doubt| self.doubts.enlist(&self.system.source, *doubt));
            let waits = doubt.is_some_and(|doubt| {
                readiness.poll_in_doubt(doubt, &mut slot, &waker).is_pending()
            });
            if waits {
                self.system.arm(Direction::Read);
                alarm.wait();
                continue;
            }
            match readiness.poll(&mut slot, &waker) {
                Poll::Ready(Ok(seen)) if self.system.take(Direction::Read) => {
                    readiness.transferred(seen, true);
                    readiness.forget(&mut slot);
                    return self.system.leave();
                }
                Poll::Ready(Ok(seen)) => {
                    readiness.tried_in_vain();
                    readiness.clear(seen);
                }
                Poll::Ready(Err(failed)) => panic!("{failed:?}"),
                Poll::Pending => {
                    self.system.arm(Direction::Read);
                    alarm.wait();
                }
            }
        }
    }
}

#[test]
fn who_waits_in_doubt_is_armed() {
    loom::model(|| {
        let doubted = Doubted::new(1);
        doubted.system.disarm_read();
        let reader = beside(&doubted, Doubted::read);
        let peer = beside(&doubted, |doubted| doubted.system.change(|state| state.bytes += 1));
        doubted.turns();
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn a_doubt_ends_though_no_event_comes() {
    loom::model(|| {
        let doubted = Doubted::new(1);
        // It was there before the doubt: there will be no event about it.
        doubted.system.state.lock().bytes += 1;
        let reader = beside(&doubted, Doubted::read);
        doubted.turns();
        reader.join().unwrap();
        assert_eq!(doubted.readiness().waiting(), 0);
    });
}

#[test]
fn a_doubt_that_was_settled_does_not_come_back() {
    loom::model(|| {
        let doubted = Doubted::new(1);
        doubted.system.state.lock().bytes += 1;
        // Another reader has looked before that, and only now says that it has filled its buffer.
        let seen = doubted.readiness().look().unwrap();
        let other = beside(&doubted, move |doubted| doubted.readiness().transferred(seen, true));
        let turning = beside(&doubted, Doubted::turns);
        doubted.read();
        other.join().unwrap();
        turning.join().unwrap();
    });
}

#[test]
fn what_comes_while_in_doubt_is_seen() {
    loom::model(|| {
        let doubted = Doubted::new(1);
        let reader = beside(&doubted, Doubted::read);
        let peer = beside(&doubted, |doubted| doubted.system.change(|state| state.bytes += 1));
        doubted.turns();
        reader.join().unwrap();
        peer.join().unwrap();
        assert_eq!(doubted.readiness().waiting(), 0);
    });
}

#[test]
fn two_in_doubt_are_both_told() {
    loom::model(|| {
        let doubted = Doubted::new(2);
        let reader = beside(&doubted, Doubted::read);
        let turning = beside(&doubted, Doubted::turns);
        // One event for both: the first to read leaves the other's byte behind, and another doubt.
        doubted.system.change(|state| state.bytes += 2);
        doubted.read();
        reader.join().unwrap();
        turning.join().unwrap();
    });
}
