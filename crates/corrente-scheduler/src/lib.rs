//! Who runs what, where, next: the work-stealing scheduler of the corrente runtime.
//!
//! ```text
//!  Handle::spawn ─┬─ on a worker ──> next slot, newcomers ─┐        ┌── thieves take half
//!                 └─ elsewhere ────> injector ─────────────┤        │
//!  a wake ────────┬─ on a worker ──> next slot ──> queue ──┤        │
//!                 └─ elsewhere ────> injector, or mailbox ─┤        │
//!                                                          v        v
//!                                       Worker: next_task ─> poll ─> … ─> sleep
//!                                                 │                         │
//!                                       glance at the driver       parker, or in the driver
//! ```
//!
//! The path of a task: it is spawned with a `Home` of a few numbers and entered in the registry;
//! its `Runnable` lies in exactly one queue until a worker takes it out and runs it, which uses it up; a
//! wake makes the next one and brings it to the worker that woke it. When it ends, it leaves the registry.
//!
//! | to learn about | open |
//! |---|---|
//! | what a worker does | `worker.rs`; in which order it looks, `search.rs` |
//! | where tasks wait | `queue.rs`; new ones, `newcomers.rs`; the injector and the back row, `commons.rs` |
//! | whom a new item wakes, and why no wake is lost | `idle.rs` with `idle.md`; `parker.rs`, `offer.rs`, `batch.rs` |
//! | what bounds the wait behind a long poll | `watchdog.rs`; what it sees, `seat.rs` |
//! | time and sockets | `driver.rs`, the only seam |
//! | the calling thread as worker 0, local tasks | `lending.rs`, `block_on.rs`, `local.rs` |
//! | asyncio's order | `fifo.rs`; virtual time with many workers, `standstill.rs` |
//! | blocking calls on threads of their own | `blocking.rs` |
//! | blocking calls on a worker, which hands its seat on | `section.rs`, `stand_in.rs` |
//! | the end | `shutdown.rs`, `registry.rs` |
//!
//! Invariants of absence: no unsafe code; no clock but for limits, the watchdog and
//! batches of the driver, no descriptor; no user
//! code (poll, drop, waker, hook) under a lock; no read-modify-write on a word of the whole pool when a
//! task is spawned, woken, polled or ended on a worker while all workers are busy.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod batch;
mod block_on;
mod blocking;
mod commons;
mod config;
mod context;
mod driver;
mod fifo;
mod handle;
mod home;
mod idle;
mod lending;
mod local;
mod metrics;
mod newcomers;
mod offer;
mod parker;
mod pause;
mod pool;
mod queue;
mod registry;
mod search;
mod seat;
mod section;
mod shake;
mod shared;
mod shutdown;
mod stand_in;
mod standstill;
mod watchdog;
mod worker;

pub use block_on::BlockOnError;
pub use blocking::{Parked, Stall, blocking_parked};
#[doc(hidden)]
pub use config::ThreadFault;
pub use config::{Config, Hook, Hooks, Order, StartError, UnobservedHook, WorkerHook};
pub use context::Occupied;
pub use driver::{Driver, NoDriver};
pub use handle::{Handle, NoBlockOn, current_worker, spawn_local, spawn_local_eager};
pub use idle::MAX_WORKERS;
pub use metrics::{BlockingMetrics, Metrics, WorkerMetrics};
pub use pool::Pool;
pub use section::blocking;
pub use shutdown::{ShutdownReport, Unfinished};
pub use watchdog::LongPoll;

/// The parts of the wake protocol and the watchdog's advice, for tests and nobody else.
#[doc(hidden)]
pub mod parts {
    pub use crate::driver::{Baton, Held};
    pub use crate::idle::Idle;
    pub use crate::parker::{Parker, Rung};
    pub use crate::queue::{Injector, LocalQueue, Place, Stealer};
    pub use crate::registry::Slots;
    pub use crate::stand_in::{Offer, Offers};

    /// Tells `worker` that its polls are long, or that they are not.
    pub fn advise(handle: &crate::Handle, worker: usize, slow: bool) {
        handle.shared().seats[worker].advice.set_slow(slow);
    }
}
