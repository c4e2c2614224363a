//! Every interleaving of the readiness cell, of arming, of doubts, and of the interrupter.
//!
//! A descriptor is modelled as a number of bytes under a lock. The system's side of it is an edge that comes
//! after the bytes, as the kernel's does, or a oneshot interest that is looked at when it is armed and when
//! bytes come. What is explored is what the crate runs: `readiness.rs`, `source.rs`, `doubts.rs` and `bell.rs` as they are.
#![cfg(corrente_loom)]

use std::sync::Arc as StdArc;
use std::task::{Poll, Wake, Waker};

use corrente_io::model::{
    Bell, Direction, Doubts, Event, Failed, Interest, Readiness, Slot, Source, Watch,
};
use corrente_shim::atomic::{AtomicBool, AtomicUsize, Ordering};
use corrente_shim::sync::{Arc, Condvar, Mutex};
use corrente_shim::thread;

/// Where a task's thread waits to be woken. Not `park`: loom forgets an `unpark` of a thread that then waits
/// for a lock before it parks.
struct Alarm {
    woken: Mutex<bool>,
    condvar: Condvar,
}

impl Alarm {
    fn new() -> StdArc<Self> {
        StdArc::new(Self { woken: Mutex::new(false), condvar: Condvar::new() })
    }

    fn wait(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            woken = self.condvar.wait(woken);
        }
        *woken = false;
    }
}

impl Wake for Alarm {
    fn wake(self: StdArc<Self>) {
        *self.woken.lock() = true;
        self.condvar.notify_one();
    }
}

fn wake_all(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}

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

/// A descriptor in a poller, and the reactor's queue of reports about it.
struct Poller {
    /// A report disarms.
    oneshot: bool,
    state: Mutex<State>,
    reported: Condvar,
}

#[derive(Default)]
struct State {
    armed: Interest,
    bytes: usize,
    room: usize,
    report: Option<Event>,
}

impl Poller {
    fn new(armed: Interest, oneshot: bool) -> Self {
        let state = State { armed, ..State::default() };
        Self { oneshot, state: Mutex::new(state), reported: Condvar::new() }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let readable = state.armed.read && state.bytes > 0;
        let writable = state.armed.write && state.room > 0;
        if readable || writable {
            if self.oneshot {
                state.armed = Interest::NONE;
            }
            let earlier = state.report.unwrap_or_default();
            state.report = Some(Event {
                readable: readable || earlier.readable,
                writable: writable || earlier.writable,
                ..earlier
            });
            self.reported.notify_one();
        }
    }

    /// The reactor: applies reports until all tasks have left.
    fn turn(&self, source: &Source, stop: &AtomicUsize) {
        while stop.load(Ordering::Acquire) > 0 {
            let mut state = self.state.lock();
            let report = loop {
                if stop.load(Ordering::Acquire) == 0 {
                    return;
                }
                match state.report.take() {
                    Some(report) => break report,
                    None => state = self.reported.wait(state),
                }
            };
            drop(state);
            let mut woken = Vec::new();
            source.apply(report, &mut woken);
            wake_all(woken);
        }
    }

    /// A task that takes one from `what`, waiting as `Async` does.
    fn take(&self, source: &Source, direction: Direction, what: fn(&mut State) -> &mut usize) {
        let alarm = Alarm::new();
        let waker = Waker::from(alarm.clone());
        let mut slot = Slot::new();
        let readiness = source.direction(direction);
        loop {
            match readiness.poll(&mut slot, &waker) {
                Poll::Ready(Ok(seen)) => {
                    let mut state = self.state.lock();
                    let left = what(&mut state);
                    if *left > 0 {
                        *left -= 1;
                        drop(state);
                        readiness.forget(&mut slot);
                        return;
                    }
                    drop(state);
                    readiness.clear(seen);
                }
                Poll::Ready(Err(failed)) => panic!("{failed:?}"),
                Poll::Pending => {
                    self.arm(source, direction);
                    alarm.wait();
                }
            }
        }
    }

    /// A task that waits and gives up: armed, and nobody in the list.
    fn abandon(&self, source: &Source, direction: Direction) {
        let mut slot = Slot::new();
        let readiness = source.direction(direction);
        if let Some(seen) = readiness.look() {
            readiness.clear(seen);
        }
        if readiness.poll(&mut slot, &Waker::from(Alarm::new())).is_pending() {
            self.arm(source, direction);
        }
        readiness.forget(&mut slot);
    }

    fn arm(&self, source: &Source, direction: Direction) {
        source.arm(direction, |interest| self.ask(interest)).unwrap();
    }

    fn ask(&self, interest: Interest) -> std::io::Result<()> {
        self.change(|state| state.armed = interest);
        Ok(())
    }

    /// A task has got what it wanted; the last one ends the reactor.
    fn leave(&self, stop: &AtomicUsize) {
        // Under the lock, so that the reactor does not miss it between its look and its wait.
        let state = self.state.lock();
        stop.fetch_sub(1, Ordering::AcqRel);
        drop(state);
        self.reported.notify_one();
    }
}

fn oneshot() -> (Arc<Poller>, Arc<Source>) {
    let watch = Watch { armed: Interest::NONE, oneshot: true, reports_ends: false };
    (Arc::new(Poller::new(Interest::NONE, true)), Arc::new(Source::new(7, watch)))
}

fn edge() -> (Arc<Poller>, Arc<Source>) {
    let watch = Watch { armed: Interest::READ, oneshot: false, reports_ends: true };
    (Arc::new(Poller::new(Interest::READ, false)), Arc::new(Source::new(7, watch)))
}

#[test]
fn a_oneshot_wait_is_armed_whatever_comes_in_between() {
    loom::model(|| {
        let (system, source) = oneshot();
        let stop = Arc::new(AtomicUsize::new(1));
        system.abandon(&source, Direction::Read);
        let reader = {
            let (system, source, stop) = (system.clone(), source.clone(), stop.clone());
            thread::spawn(move || {
                system.take(&source, Direction::Read, |state| &mut state.bytes);
                system.take(&source, Direction::Read, |state| &mut state.bytes);
                system.leave(&stop);
            })
        };
        let peer = {
            let system = system.clone();
            thread::spawn(move || {
                system.change(|state| state.bytes += 1);
                system.change(|state| state.bytes += 1);
            })
        };
        system.turn(&source, &stop);
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn an_event_of_one_direction_does_not_disarm_the_other_for_good() {
    loom::model(|| {
        let (system, source) = oneshot();
        let stop = Arc::new(AtomicUsize::new(2));
        let reader = {
            let (system, source, stop) = (system.clone(), source.clone(), stop.clone());
            thread::spawn(move || {
                system.take(&source, Direction::Read, |state| &mut state.bytes);
                // Only now is there room: whoever waits for it has seen an event of the other direction.
                system.change(|state| state.room += 1);
                system.leave(&stop);
            })
        };
        let writer = {
            let (system, source, stop) = (system.clone(), source.clone(), stop.clone());
            thread::spawn(move || {
                system.change(|state| state.bytes += 1);
                system.take(&source, Direction::Write, |state| &mut state.room);
                system.leave(&stop);
            })
        };
        system.turn(&source, &stop);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_reader_that_disarms_is_armed_when_it_waits() {
    loom::model(|| {
        let (system, source) = edge();
        let stop = Arc::new(AtomicUsize::new(1));
        let reader = {
            let (system, source, stop) = (system.clone(), source.clone(), stop.clone());
            thread::spawn(move || {
                system.take(&source, Direction::Read, |state| &mut state.bytes);
                source.disarm_read(|rest| system.ask(rest));
                system.take(&source, Direction::Read, |state| &mut state.bytes);
                system.leave(&stop);
            })
        };
        let peer = {
            let system = system.clone();
            thread::spawn(move || {
                system.change(|state| state.bytes += 1);
                system.change(|state| state.bytes += 1);
            })
        };
        system.turn(&source, &stop);
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn nobody_disarms_what_another_waits_for() {
    loom::model(|| {
        let (system, source) = edge();
        let stop = Arc::new(AtomicUsize::new(2));
        let waits = |direction, what: fn(&mut State) -> &mut usize| {
            let (system, source, stop) = (system.clone(), source.clone(), stop.clone());
            thread::spawn(move || {
                system.take(&source, direction, what);
                system.leave(&stop);
            })
        };
        let reader = waits(Direction::Read, |state| &mut state.bytes);
        let writer = waits(Direction::Write, |state| &mut state.room);
        source.disarm_read(|rest| system.ask(rest));
        system.change(|state| (state.bytes, state.room) = (1, 1));
        system.turn(&source, &stop);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

/// What a turn of the reactor sees of the system: events, and that it is over.
#[derive(Default)]
struct Events {
    state: Mutex<Coming>,
    changed: Condvar,
}

#[derive(Default)]
struct Coming {
    events: usize,
    over: bool,
    silent: bool,
}

impl Events {
    fn change(&self, change: impl FnOnce(&mut Coming)) {
        change(&mut self.state.lock());
        self.changed.notify_one();
    }

    /// Takes the events there are; waits for one, if it may. `None`: it is over.
    fn take(&self, waits: bool) -> Option<usize> {
        let mut state = self.state.lock();
        while waits && state.events == 0 && !state.over {
            state = self.changed.wait(state);
        }
        let events = std::mem::take(&mut state.events);
        (!state.over).then_some(events)
    }
}

/// A source whose reading is in doubt, and what the reactor and its owner share.
struct Doubted {
    source: Source,
    bytes: Bytes,
    doubts: Doubts,
    events: Events,
}

impl Doubted {
    fn new() -> Arc<Self> {
        let watch = Watch { armed: Interest::READ, oneshot: false, reports_ends: true };
        let source = Source::new(7, watch);
        let readiness = source.direction(Direction::Read);
        while readiness.doubt().is_none() {
            let seen = readiness.look().unwrap();
            readiness.transferred(seen, true);
            readiness.tried_in_vain();
        }
        let (bytes, doubts, events) = Default::default();
        Arc::new(Self { source, bytes, doubts, events })
    }

    /// Turns of the reactor, until it is over.
    fn turns(&self) {
        let mut over = false;
        while !over {
            let mut woken = Vec::new();
            while !self.doubts.close() {
                self.settle(&mut woken);
            }
            let events = self.events.take(woken.is_empty());
            self.doubts.open();
            over = events.is_none();
            if events.is_some_and(|events| events > 0) {
                let event = Event { key: 7, readable: true, ..Event::default() };
                self.source.apply(event, &mut woken);
            }
            wake_all(woken);
        }
    }

    /// The peer sends something, which is an event unless the system was told to be silent.
    fn put(&self, bytes: usize) {
        self.bytes.put(bytes);
        self.events.change(|state| state.events += usize::from(!state.silent));
    }

    /// The system is told to report, and to be silent: what is there when it is told to report is an event.
    fn ask(&self, interest: Interest) -> std::io::Result<()> {
        self.events.change(|state| {
            state.silent = !interest.read;
            state.events += usize::from(interest.read && *self.bytes.0.lock() > 0);
        });
        Ok(())
    }

    fn settle(&self, woken: &mut Vec<Waker>) {
        for (source, doubt) in self.doubts.take(true, |_| Some(&self.source)) {
            let is_ready = *self.bytes.0.lock() > 0;
            source.direction(Direction::Read).settle(doubt, is_ready, woken);
        }
    }

    /// A task that reads one byte, waiting as `Async` does for streams.
    fn read(&self) {
        let alarm = Alarm::new();
        let waker = Waker::from(alarm.clone());
        let mut slot = Slot::new();
        let readiness = self.source.direction(Direction::Read);
        loop {
            let doubt = readiness.doubt().filter(|doubt| self.doubts.enlist(&self.source, *doubt));
            let waits = doubt.is_some_and(|doubt| {
                readiness.poll_in_doubt(doubt, &mut slot, &waker).is_pending()
            });
            if waits {
                self.source.arm(Direction::Read, |interest| self.ask(interest)).unwrap();
                alarm.wait();
                continue;
            }
            match readiness.poll(&mut slot, &waker) {
                Poll::Ready(Ok(seen)) => match self.bytes.take(1) {
                    Some(_) => {
                        readiness.transferred(seen, true);
                        return readiness.forget(&mut slot);
                    }
                    None => {
                        readiness.tried_in_vain();
                        readiness.clear(seen);
                    }
                },
                Poll::Ready(Err(failed)) => panic!("{failed:?}"),
                Poll::Pending => {
                    self.source.arm(Direction::Read, |interest| self.ask(interest)).unwrap();
                    alarm.wait();
                }
            }
        }
    }
}

#[test]
fn who_waits_in_doubt_is_armed() {
    loom::model(|| {
        let doubted = Doubted::new();
        doubted.source.disarm_read(|interest| doubted.ask(interest));
        let reader = {
            let doubted = doubted.clone();
            thread::spawn(move || {
                doubted.read();
                doubted.events.change(|state| state.over = true);
            })
        };
        let peer = {
            let doubted = doubted.clone();
            thread::spawn(move || doubted.put(1))
        };
        doubted.turns();
        reader.join().unwrap();
        peer.join().unwrap();
    });
}

#[test]
fn a_doubt_ends_though_no_event_comes() {
    loom::model(|| {
        let doubted = Doubted::new();
        // It was there before the doubt: there will be no event about it.
        doubted.bytes.put(1);
        let reader = {
            let doubted = doubted.clone();
            thread::spawn(move || {
                doubted.read();
                doubted.events.change(|state| state.over = true);
            })
        };
        doubted.turns();
        reader.join().unwrap();
        assert_eq!(doubted.source.direction(Direction::Read).waiting(), 0);
    });
}

#[test]
fn what_comes_while_in_doubt_is_seen() {
    loom::model(|| {
        let doubted = Doubted::new();
        let reader = {
            let doubted = doubted.clone();
            thread::spawn(move || {
                doubted.read();
                doubted.events.change(|state| state.over = true);
            })
        };
        let peer = {
            let doubted = doubted.clone();
            thread::spawn(move || {
                doubted.put(1);
            })
        };
        doubted.turns();
        reader.join().unwrap();
        peer.join().unwrap();
        assert_eq!(doubted.source.direction(Direction::Read).waiting(), 0);
    });
}

#[test]
fn two_in_doubt_are_both_told() {
    loom::model(|| {
        let doubted = Doubted::new();
        let left = Arc::new(AtomicUsize::new(2));
        let read = |doubted: &Doubted, left: &AtomicUsize| {
            doubted.read();
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                doubted.events.change(|state| state.over = true);
            }
        };
        let reader = {
            let (doubted, left) = (doubted.clone(), left.clone());
            thread::spawn(move || read(&doubted, &left))
        };
        let turning = {
            let doubted = doubted.clone();
            thread::spawn(move || doubted.turns())
        };
        // One event for both: the first to read leaves the other's byte behind, and another doubt.
        doubted.put(2);
        read(&doubted, &left);
        reader.join().unwrap();
        turning.join().unwrap();
    });
}

/// A kernel that remembers a signal until a wait takes it.
#[derive(Default)]
struct Kernel {
    signal: Mutex<bool>,
    sent: Condvar,
}

impl Kernel {
    fn send(&self) -> std::io::Result<()> {
        *self.signal.lock() = true;
        self.sent.notify_one();
        Ok(())
    }

    fn wait(&self) {
        let mut signal = self.signal.lock();
        while !*signal {
            signal = self.sent.wait(signal);
        }
        *signal = false;
    }
}

#[test]
fn a_ring_ends_a_turn_that_sees_what_was_done_before() {
    loom::model(|| {
        let (bell, kernel) = (Arc::new(Bell::new()), Arc::new(Kernel::default()));
        let done = Arc::new(AtomicUsize::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, kernel, done) = (bell.clone(), kernel.clone(), done.clone());
                thread::spawn(move || {
                    done.fetch_add(1, Ordering::Relaxed);
                    bell.ring(|| kernel.send()).unwrap();
                })
            })
            .collect();
        while done.load(Ordering::Relaxed) < 2 {
            kernel.wait();
            bell.heard();
        }
        ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    });
}

#[test]
fn a_ring_ends_a_sleep_after_the_failure() {
    loom::model(|| {
        let bell = Arc::new(Bell::new());
        let done = Arc::new(AtomicBool::new(false));
        let ringer = {
            let (bell, done) = (bell.clone(), done.clone());
            thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                // The kernel is no help any more.
                bell.ring(|| Ok(())).unwrap();
            })
        };
        // A ring between the look and the failure went to the kernel, for the next turn.
        if !done.load(Ordering::Relaxed) {
            bell.silence();
            bell.sleep(None);
        }
        while !done.load(Ordering::Relaxed) {
            bell.sleep(None);
        }
        ringer.join().unwrap();
    });
}
