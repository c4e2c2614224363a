//! One registered descriptor: readiness by direction, and what the poller was asked to report.
//!
//! The reactor applies events to it, its owner waits on it; both from any thread. It holds no descriptor
//! and knows no operating system: `tests/loom.rs` explores it as it is.
//!
//! # Arming
//!
//! A poller reports only what it is armed for. There are two kinds:
//!
//! * *Edge*: armed once per direction, for the life of the registration, or until it is disarmed. The epoll path
//!   arms reading at once and writing when a write first has to wait: a fresh socket can always be written to, and
//!   an event to say so would wake the driver of every accepted connection for nothing.
//! * *Oneshot*: an event disarms both directions, so whoever waits arms again. Arming looks at the present
//!   state, so what happened between an attempt and the arming is reported.
//!
//! # Why a oneshot wait is never left unarmed
//!
//! `armed` must not say yes where the poller says no, or a waiter would rely on it for nothing. The poller
//! disarms by itself only when it hands out an event, and [`Source::apply`] of that very event does three
//! things in this order: it takes `armed` under its lock, it sets what the event reports, and it wakes the
//! waiters of a direction that was armed but is not reported. A waiter first puts its waker into the list
//! and then arms, under the same lock. If its turn at the lock comes before `apply`'s, the waker is in the
//! list before `apply` looks there, so it is woken, looks again and arms again. If it comes after, `armed`
//! says no and the waiter arms. The other way round, `armed` saying no while the poller says yes, costs
//! one event too many.
//!
//! # Disarming
//!
//! Who reads a stream as fast as it comes finds something at each attempt and never waits. On the edge-triggered way
//! every packet is an event all the same, and wakes the thread that waits in the driver, to tell nobody anything. So
//! after two events in a row that came in vain the reader disarms, on the epoll path, and the next one to wait arms.
//!
//! That wait is not left unarmed either. A waiter puts its waker into the list, which sets WAITED, and then looks at
//! UNARMED; to disarm is to set UNARMED in a step that is not taken if WAITED is set. Both are changes of one word,
//! so one of them is first. If that is the waiter's, nothing is disarmed, unless an event has emptied the list in
//! between: then the waiter has been woken and looks again. If it is the other's, the waiter sees UNARMED and arms.
//! The poller is asked under the lock of `armed` that also covers these steps, so it is not told to be silent after
//! it was told to report. The other direction is disarmed along with it if nobody waits there, since a socket that
//! has room would report just that when it is armed again; who waits there takes the lock in any case.
use std::io;
use std::task::Waker;

use corrente_shim::atomic::AtomicBool;
use corrente_shim::sync::Mutex;

use crate::readiness::Readiness;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bytes, a connection to accept, or the end of the stream.
    Read,
    /// Room for bytes, or the end of a connect.
    Write,
}

/// A set of directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Reading is in the set.
    pub read: bool,
    /// Writing is in the set.
    pub write: bool,
}

impl Interest {
    /// Neither.
    pub const NONE: Self = Self { read: false, write: false };
    /// Reading alone.
    pub const READ: Self = Self { read: true, write: false };
    /// Both.
    pub const BOTH: Self = Self { read: true, write: true };

    /// Is `direction` in the set?
    pub fn has(self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.read,
            Direction::Write => self.write,
        }
    }

    /// The set with `direction` in it.
    pub fn with(mut self, direction: Direction) -> Self {
        match direction {
            Direction::Read => self.read = true,
            Direction::Write => self.write = true,
        }
        self
    }
}

/// What a poller reported about one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The key under which the descriptor was added.
    pub key: usize,
    /// Reading may succeed now.
    pub readable: bool,
    /// Writing may succeed now.
    pub writable: bool,
    /// Something other than plain data was reported for reading: the end of the stream, an error, an
    /// urgent byte.
    pub read_behind: bool,
    /// The same for writing: an error, or that the peer is gone.
    pub write_behind: bool,
}

/// How a source is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// What is armed when the registration has been made.
    pub armed: Interest,
    /// An event disarms both directions.
    pub oneshot: bool,
    /// The ends of streams are reported, so a short transfer may count as "nothing left".
    pub reports_ends: bool,
}

/// One registered descriptor.
#[derive(Debug)]
pub struct Source {
    key: usize,
    read: Readiness,
    write: Readiness,
    oneshot: bool,
    /// What stays armed until it is disarmed.
    lasting: Interest,
    /// What the poller is armed for. The poller is armed under this lock.
    armed: Mutex<Interest>,
    /// It stands in the list of doubts. Changed only under that list's lock.
    pub(crate) listed: AtomicBool,
}

impl Source {
    /// A source with the name `key`.
    pub fn new(key: usize, watch: Watch) -> Self {
        Self {
            key,
            read: Readiness::new(watch.reports_ends),
            write: Readiness::new(watch.reports_ends),
            oneshot: watch.oneshot,
            lasting: if watch.oneshot { Interest::NONE } else { watch.armed },
            armed: Mutex::new(watch.armed),
            listed: AtomicBool::new(false),
        }
    }

    /// The name under which the poller reports it.
    pub fn key(&self) -> usize {
        self.key
    }

    /// The readiness of one direction.
    pub fn direction(&self, direction: Direction) -> &Readiness {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// To be called by a waiter whose waker is already in the list: sees to it that the poller reports
    /// `direction`, with `ask` if it is not armed for it yet.
    ///
    /// # Errors
    ///
    /// What `ask` gives. The poller then counts as unarmed.
    pub fn arm(
        &self,
        direction: Direction,
        ask: impl FnOnce(Interest) -> io::Result<()>,
    ) -> io::Result<()> {
        let readiness = self.direction(direction);
        if self.lasting.has(direction) && !readiness.is_unarmed() {
            return Ok(());
        }
        let mut armed = self.armed.lock();
        if armed.has(direction) {
            debug_assert!(!readiness.is_unarmed(), "armed, and yet each wait takes the lock");
            return Ok(());
        }
        let wanted = armed.with(direction);
        ask(wanted)?;
        *armed = wanted;
        readiness.armed();
        Ok(())
    }

    /// To be called by a reader that needs no events: sees to it that the poller reports none, with `ask`, until
    /// somebody waits. If somebody does already, nothing changes.
    pub fn disarm_read(&self, ask: impl FnOnce(Interest) -> io::Result<()>) {
        let mut armed = self.armed.lock();
        if self.read.disarm() {
            let write = armed.write && (self.lasting.write || self.write.is_waited());
            *armed = Interest { read: false, write };
            // If it refuses, it reports too much.
            let _ = ask(*armed);
        }
    }

    /// An event of this source; the wakers of those who wait for it are added to `woken`.
    pub fn apply(&self, event: Event, woken: &mut Vec<Waker>) {
        let lapsed = if self.oneshot {
            std::mem::replace(&mut *self.armed.lock(), Interest::NONE)
        } else {
            Interest::NONE
        };
        if event.readable {
            self.read.set(event.read_behind, woken);
        } else if lapsed.read {
            self.read.nudge(woken);
        }
        if event.writable {
            self.write.set(event.write_behind, woken);
        } else if lapsed.write {
            self.write.nudge(woken);
        }
    }

    /// The driver is gone: no event will come any more.
    pub fn fail(&self, woken: &mut Vec<Waker>) {
        self.read.fail(woken);
        self.write.fail(woken);
    }
}
