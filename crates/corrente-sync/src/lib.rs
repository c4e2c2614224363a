//! Locks, events, queues and channels with asyncio's guarantees, for any executor.
//!
//! | asyncio | here | |
//! |---|---|---|
//! | `Lock` | [`Lock`] | around a value, or around nothing; [`RwLock`] for many readers |
//! | `Event` | [`Event`] | [`OnceCell`] for a value made once |
//! | `Condition` | [`Condition`] | a lock, and waiting for a change of what it guards |
//! | `Semaphore`, `BoundedSemaphore` | [`Semaphore`], [`BoundedSemaphore`] | units as guards, or bare |
//! | `Barrier` | [`Barrier`] | |
//! | `Queue`, `LifoQueue`, `PriorityQueue` | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | bounded or not |
//! | `Future` between two tasks | [`oneshot`] | |
//! | – | [`broadcast`], [`watch`] | each value to all; the newest value |
//!
//! # What all of them promise
//!
//! * **First come, first served.** Who waits is served in the order of coming, and nobody barges in.
//! * **Cancel safety.** Dropping a future that waits leaves the line and nothing else: what had been
//!   granted to it already goes on to the next. Nothing is lost, nothing is doubled.
//! * **Any executor, any thread.** They wake by [`Waker`](std::task::Waker) and know no runtime. Share
//!   them by reference or in an `Arc`. Inside a corrente task they take part in its cancellation scopes
//!   and its budget.
//! * **No user code under a lock.** Wakers, destructors and closures run outside; the one exception is
//!   `Ord` of the items of a [`PriorityQueue`].
//! * **Nobody waiting costs nothing.** [`Lock`], [`RwLock`], [`Semaphore`] and [`Event`] then take one
//!   atomic operation and allocate nothing.
//!
//! All waiting is done in the wait queue (`src/wait_queue.rs`), and for units, as those of locks, in a shorter form
//! of it (`src/permits.rs`); the argument for both is in `wait_queue.md`, and `tests/loom*.rs` hold the models.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod barrier;
mod bounded_semaphore;
pub mod broadcast;
mod condition;
mod coop;
pub mod diagnostics;
mod event;
mod lock;
mod once_cell;
pub mod oneshot;
mod permits;
mod queue;
mod rwlock;
mod semaphore;
mod wait_queue;
pub mod watch;

pub use barrier::{Barrier, BrokenBarrier};
pub use bounded_semaphore::{BoundedSemaphore, OverRelease};
pub use condition::{Condition, ConditionGuard};
pub use event::Event;
pub use lock::{Guard, Lock, NotLocked, OwnedGuard};
pub use once_cell::{OnceCell, SetError};
pub use queue::{
    GetNowaitError, LifoQueue, PriorityQueue, PutNowaitError, Queue, QueueShutDown, TooManyDone,
};
pub use rwlock::{OwnedReadGuard, OwnedWriteGuard, ReadGuard, RwLock, WriteGuard};
pub use semaphore::{InvalidValue, OwnedPermit, Permit, Semaphore};
