//! Waiting through polling: the way of every system but Linux.
//!
//! polling does not report the end of a stream beside its data, so every event counts as telling of more
//! than plain data, and short transfers never clear readiness here.
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Events, Poller};

use crate::source::Event;
use crate::sys::BATCH;

const CAPACITY: NonZeroUsize = NonZeroUsize::new(BATCH).unwrap();

/// The buffer for events.
pub(crate) struct Wait {
    events: Events,
}

impl Wait {
    pub(super) fn new() -> Self {
        Self { events: Events::with_capacity(CAPACITY) }
    }

    pub(super) fn wait(&mut self, poller: &Poller, limit: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        poller.wait(&mut self.events, limit).map(drop)
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.events.iter().map(|event| Event {
            key: event.key,
            readable: event.readable,
            writable: event.writable,
            read_behind: true,
            write_behind: true,
        })
    }
}
