//! Readiness of sockets and other descriptors, on top of polling.
//!
//! The operating system says when an operation on a descriptor would not block. This crate turns that into
//! [`Waker`](std::task::Waker)s. It knows neither tasks nor threads: somebody calls [`Reactor::turn`] when
//! there is nothing better to do, and wakes what comes back.
//!
//! ```text
//!   task ──> Async<T> ──> Source: a Readiness for reading, one for writing
//!              │             ^
//!              │ arms        │ applies events, collects wakers
//!              v             │
//!            Poller ─────> Reactor::turn <── the thread that has the driver
//! ```
//!
//! # Readiness
//!
//! A direction of a descriptor is thought *ready* until an attempt shows that it would block; that clears
//! the readiness, and the next event sets it again. Descriptors are watched edge-triggered where the system
//! can do it, so each event comes once, and none may be lost: `readiness.rs` argues why none is. Where the
//! system cannot, each wait arms the descriptor anew; and on Linux a stream that is read as fast as it comes is not
//! reported until its reader waits: `source.rs`.
//!
//! # Stale events
//!
//! Each registration has a key of its own (`table.rs`), so an event of an old registration never reaches a
//! new one: not if the descriptor's number is used again, not if a duplicate of the old descriptor lives on
//! elsewhere.
//!
//! # Systems
//!
//! polling runs on epoll, kqueue, event ports, IOCP and `poll`; `sys.rs` has the one way that works on all
//! and the faster one on Linux. There, a message that comes and is answered costs three system calls when the
//! connection is alone (wait, receive, send), and two when many are busy. That holds also if the receive has filled
//! its buffer, which leaves open whether there is more: `doubts.rs`.
#![deny(missing_docs, unsafe_code)]

mod async_fd;
mod bell;
mod doubts;
mod reactor;
mod readiness;
#[allow(unsafe_code)]
mod registration;
mod source;
mod sys;
mod table;

pub use async_fd::Async;
pub use reactor::{Reactor, ReactorHandle, Trigger};
pub use registration::StableSource;

/// The parts that the models in `tests/loom*.rs` explore. Not for use elsewhere, and free to change.
#[doc(hidden)]
pub mod model {
    pub use crate::bell::Bell;
    pub use crate::doubts::Doubts;
    pub use crate::readiness::{Failed, Readiness, Seen, Slot};
    pub use crate::source::{Direction, Event, Interest, Source, Watch};
}
