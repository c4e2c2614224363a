//! Models of what waits for readiness: a direction's readiness cell, and the arming of a source, in every
//! interleaving, by loom.
//!
//! Doubts have models of their own, in `loom_doubts.rs`, and so has the interrupter, in `loom_bell.rs`. What is
//! explored is what the crate runs: `readiness.rs` and `source.rs` as they are.
#![cfg(corrente_loom)]

mod model;

use std::task::{Poll, Waker};

use corrente_io::model::{Direction, Failed, Interest, Readiness, Slot, Watch};
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::{Arc, Mutex};
use corrente_shim::thread;
use model::{Alarm, System, beside, wake_all};

/// A descriptor: bytes that can be taken, all of them or `most` at a time.
#[derive(Default)]
struct Bytes(Mutex<usize>);

impl Bytes {
    fn take(&self, most: usize) -> Option<usize> {
        let mut bytes = self.0.lock();
        let count = (*bytes).min(most);
        *bytes -= count;
        (count > 0).then_some(count)
    }

    fn put(&self, count: usize) {
        *self.0.lock() += count;
    }
}

/// The reader's loop of `Async`: gives what one successful attempt took.
fn read(readiness: &Readiness, bytes: &Bytes, most: usize) -> Result<usize, Failed> {
    let alarm = Alarm::new();
    let waker = Waker::from(alarm.clone());
    let mut slot = Slot::new();
    loop {
        match readiness.poll(&mut slot, &waker) {
            Poll::Ready(Ok(seen)) => match bytes.take(most) {
                Some(count) => {
                    readiness.forget(&mut slot);
                    return Ok(count);
                }
                None => readiness.clear(seen),
            },
            Poll::Ready(Err(failed)) => return Err(failed),
            Poll::Pending => alarm.wait(),
        }
    }
}

/// Bytes come, then the event about them.
fn arrive(readiness: &Readiness, bytes: &Bytes, count: usize) {
    bytes.put(count);
    let mut woken = Vec::new();
    readiness.set(false, &mut woken);
    wake_all(woken);
}

#[test]
fn an_event_is_lost_neither_against_a_clear_nor_against_a_wait() {
    loom::model(|| {
        let readiness = Arc::new(Readiness::new(true));
        let bytes = Arc::new(Bytes::default());
        let sender = {
            let (readiness, bytes) = (readiness.clone(), bytes.clone());
            thread::spawn(move || {
                arrive(&readiness, &bytes, 1);
                arrive(&readiness, &bytes, 1);
            })
        };
        let mut sum = 0;
        while sum < 2 {
            sum += read(&readiness, &bytes, 1).unwrap();
        }
        sender.join().unwrap();
        assert_eq!(readiness.waiting(), 0);
    });
}

#[test]
fn two_that_wait_are_both_served() {
    loom::model(|| {
        let readiness = Arc::new(Readiness::new(true));
        let bytes = Arc::new(Bytes::default());
        let other = {
            let (readiness, bytes) = (readiness.clone(), bytes.clone());
            thread::spawn(move || read(&readiness, &bytes, 1).unwrap())
        };
        let sender = {
            let (readiness, bytes) = (readiness.clone(), bytes.clone());
            thread::spawn(move || arrive(&readiness, &bytes, 2))
        };
        assert_eq!(read(&readiness, &bytes, 1).unwrap(), 1);
        assert_eq!(other.join().unwrap(), 1);
        sender.join().unwrap();
        assert_eq!(readiness.waiting(), 0);
    });
}

#[test]
fn a_dropped_wait_leaves_no_waker_and_takes_no_readiness() {
    loom::model(|| {
        let readiness = Arc::new(Readiness::new(true));
        let bytes = Arc::new(Bytes::default());
        let sender = {
            let (readiness, bytes) = (readiness.clone(), bytes.clone());
            thread::spawn(move || arrive(&readiness, &bytes, 1))
        };
        let mut slot = Slot::new();
        let dropped = Waker::from(Alarm::new());
        if let Some(seen) = readiness.look() {
            if bytes.take(1).is_some() {
                return sender.join().unwrap();
            }
            readiness.clear(seen);
        }
        let _ = readiness.poll(&mut slot, &dropped);
        readiness.forget(&mut slot);
        assert_eq!(readiness.waiting(), 0, "whether the event came before, meanwhile or not yet");
        assert_eq!(read(&readiness, &bytes, 1).unwrap(), 1);
        sender.join().unwrap();
        assert_eq!(readiness.waiting(), 0);
    });
}

#[test]
fn a_failure_reaches_a_wait_that_begins_or_has_begun() {
    loom::model(|| {
        let readiness = Arc::new(Readiness::new(true));
        let failing = {
            let readiness = readiness.clone();
            thread::spawn(move || {
                let mut woken = Vec::new();
                readiness.fail(&mut woken);
                wake_all(woken);
            })
        };
        assert_eq!(read(&readiness, &Bytes::default(), 1), Err(Failed));
        failing.join().unwrap();
        assert_eq!(readiness.waiting(), 0);
    });
}

#[test]
fn the_end_behind_the_data_is_seen_after_a_short_read() {
    loom::model(|| {
        let readiness = Arc::new(Readiness::new(true));
        let bytes = Arc::new(Bytes::default());
        let ended = Arc::new(AtomicBool::new(false));
        let sender = {
            let (readiness, bytes, ended) = (readiness.clone(), bytes.clone(), ended.clone());
            thread::spawn(move || {
                // Both before the one event about both.
                bytes.put(1);
                ended.store(true, Ordering::Release);
                let mut woken = Vec::new();
                readiness.set(true, &mut woken);
                wake_all(woken);
            })
        };
        let alarm = Alarm::new();
        let waker = Waker::from(alarm.clone());
        let mut slot = Slot::new();
        let mut received = 0;
        loop {
            match readiness.poll(&mut slot, &waker) {
                Poll::Ready(Ok(seen)) => match bytes.take(8) {
                    Some(count) => {
                        received += count;
                        readiness.clear_short(seen);
                    }
                    None if ended.load(Ordering::Acquire) => break,
                    None => readiness.clear(seen),
                },
                Poll::Ready(Err(failed)) => panic!("{failed:?}"),
                Poll::Pending => alarm.wait(),
            }
        }
        // The end may be seen before the bytes only by the model, whose two are not one.
        received += bytes.take(8).unwrap_or(0);
        assert_eq!(received, 1);
        readiness.forget(&mut slot);
        sender.join().unwrap();
    });
}

/// Each wait arms it.
const ONESHOT: Watch = Watch { armed: Interest::NONE, oneshot: true, reports_ends: false };
/// Armed for reading until a reader disarms it.
const EDGE: Watch = Watch { armed: Interest::READ, oneshot: false, reports_ends: true };

/// The reactor: applies reports until all tasks have left.
fn turns(system: &System) {
    while let Some(report) = system.report(true) {
        let mut woken = Vec::new();
        system.source.apply(report, &mut woken);
        wake_all(woken);
    }
}

/// A task that takes one byte, or room for one, waiting as `Async` does.
fn take(system: &System, direction: Direction) {
    let alarm = Alarm::new();
    let waker = Waker::from(alarm.clone());
    let mut slot = Slot::new();
    let readiness = system.source.direction(direction);
    loop {
        match readiness.poll(&mut slot, &waker) {
            Poll::Ready(Ok(_)) if system.take(direction) => return readiness.forget(&mut slot),
            Poll::Ready(Ok(seen)) => readiness.clear(seen),
            Poll::Ready(Err(failed)) => panic!("{failed:?}"),
            Poll::Pending => {
                system.arm(direction);
                alarm.wait();
            }
        }
    }
}

/// A task that waits and gives up: armed, and nobody in the list.
fn abandon(system: &System, direction: Direction) {
    let mut slot = Slot::new();
    let readiness = system.source.direction(direction);
    if let Some(seen) = readiness.look() {
        readiness.clear(seen);
    }
    if readiness.poll(&mut slot, &Waker::from(Alarm::new())).is_pending() {
        system.arm(direction);
    }
    readiness.forget(&mut slot);
}

#[test]
fn a_oneshot_wait_is_armed_whatever_comes_in_between() {
    loom::model(|| {
        let system = Arc::new(System::new(1, ONESHOT));
        abandon(&system, Direction::Read);
        let reader = beside(&system, |system| {
            take(system, Direction::Read);
            take(system, Direction::Read);
            system.leave();
        });
        let peer = beside(&system, |system| {
            system.change(|state| state.bytes += 1);
            system.change(|state| state.bytes += 1);
        });
        turns(&system);
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

/// Two tasks wait, each for its direction, and the one that waits for `last` is first told of the other.
fn in_turn(first: Direction, last: Direction) {
    loom::model(move || {
        let system = Arc::new(System::new(2, ONESHOT));
        let early = beside(&system, move |system| {
            take(system, first);
            system.change(|state| *state.amount(last) += 1);
            system.leave();
        });
        let late = beside(&system, move |system| {
            system.change(|state| *state.amount(first) += 1);
            take(system, last);
            system.leave();
        });
        turns(&system);
        early.join().unwrap();
        late.join().unwrap();
    });
}

#[test]
fn an_event_of_reading_does_not_disarm_writing_for_good() {
    in_turn(Direction::Read, Direction::Write);
}

#[test]
fn an_event_of_writing_does_not_disarm_reading_for_good() {
    in_turn(Direction::Write, Direction::Read);
}

#[test]
fn a_reader_that_disarms_is_armed_when_it_waits() {
    loom::model(|| {
        let system = Arc::new(System::new(1, EDGE));
        let reader = beside(&system, |system| {
            take(system, Direction::Read);
            system.disarm_read();
            take(system, Direction::Read);
            system.leave();
        });
        let peer = beside(&system, |system| {
            system.change(|state| state.bytes += 1);
            system.change(|state| state.bytes += 1);
        });
        turns(&system);
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn nobody_disarms_what_another_waits_for() {
    loom::model(|| {
        let system = Arc::new(System::new(2, EDGE));
        let waits = |direction| {
            beside(&system, move |system| {
                take(system, direction);
                system.leave();
            })
        };
        let (reader, writer) = (waits(Direction::Read), waits(Direction::Write));
        system.disarm_read();
        system.change(|state| (state.bytes, state.room) = (1, 1));
        turns(&system);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}
