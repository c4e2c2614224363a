//! What the models share: tasks that wait for a wake, and a descriptor as its owner, its peer and the reactor see it.
//!
//! The system's side is an edge that comes after the bytes, as the kernel's does, or a oneshot interest that is looked
//! at when it is armed and when bytes come. What waits on it is the crate's `Source` as it is.

use std::io;
use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use corrente_io::model::{Direction, Event, Interest, Source, Watch};
use corrente_shim::sync::{Arc, Condvar, Mutex};
use corrente_shim::thread::{self, JoinHandle};

/// Where a task's thread waits to be woken. Not `park`: loom forgets an `unpark` of a thread that then waits
/// for a lock before it parks.
pub struct Alarm {
    woken: Mutex<bool>,
    condvar: Condvar,
}

impl Alarm {
    pub fn new() -> StdArc<Self> {
        StdArc::new(Self { woken: Mutex::new(false), condvar: Condvar::new() })
    }

    pub fn wait(&self) {
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

pub fn wake_all(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}

/// Runs `body` on a thread of its own.
pub fn beside<T: 'static>(shared: &Arc<T>, body: impl FnOnce(&T) + 'static) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || body(&shared))
}

/// A descriptor in a poller, and the one report about it that the reactor has not taken yet.
pub struct System {
    pub source: Source,
    /// A report disarms.
    oneshot: bool,
    pub state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub struct State {
    pub bytes: usize,
    pub room: usize,
    armed: Interest,
    report: Option<Event>,
    /// Tasks that have not left yet. Without them the reactor has nothing to wait for.
    tasks: usize,
}

impl State {
    pub fn amount(&mut self, direction: Direction) -> &mut usize {
        match direction {
            Direction::Read => &mut self.bytes,
            Direction::Write => &mut self.room,
        }
    }
}

impl System {
    /// For so many tasks.
    pub fn new(tasks: usize, watch: Watch) -> Self {
        let state = State { armed: watch.armed, tasks, ..State::default() };
        Self {
            source: Source::new(7, watch),
            oneshot: watch.oneshot,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The peer does something, then comes the report about it.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.look(&mut self.state.lock());
    }

    fn look(&self, state: &mut State) {
        let readable = state.armed.read && state.bytes > 0;
        let writable = state.armed.write && state.room > 0;
        if readable || writable {
            if self.oneshot {
                state.armed = Interest::NONE;
            }
            let report = state.report.get_or_insert_default();
            report.readable |= readable;
            report.writable |= writable;
            self.changed.notify_one();
        }
    }

    /// A waiter, whose waker is in the list, sees to it that it will be told.
    pub fn arm(&self, direction: Direction) {
        self.source.arm(direction, |interest| self.ask(interest)).unwrap();
    }

    pub fn disarm_read(&self) {
        self.source.disarm_read(|rest| self.ask(rest));
    }

    fn ask(&self, interest: Interest) -> io::Result<()> {
        let mut state = self.state.lock();
        state.armed = interest;
        self.look(&mut state);
        Ok(())
    }

    /// A task's attempt: takes one byte, or room for one.
    pub fn take(&self, direction: Direction) -> bool {
        let mut state = self.state.lock();
        let amount = state.amount(direction);
        let there = *amount > 0;
        *amount -= usize::from(there);
        there
    }

    /// The reactor's call: a report. If there is none it waits for one, if it `may_wait`, until all tasks have left.
    pub fn report(&self, may_wait: bool) -> Option<Event> {
        let mut state = self.state.lock();
        while may_wait && state.report.is_none() && state.tasks > 0 {
            state = self.changed.wait(state);
        }
        state.report.take()
    }

    /// A task has got all that it wanted.
    pub fn leave(&self) {
        self.state.lock().tasks -= 1;
        self.changed.notify_one();
    }
}
