//! What a task is: one allocation, one state word, one scope tree.
//!
//! ```text
//!            Runnable (the right to poll once)      Waker      TaskRef
//!                  \                                  |          /
//!   Task<T> ──────> Cell ────────────────────────────────────────
//!   (the owner)     │ Header   state word · vtable · id · spawn location · join slot · context · notes
//!                   │ S        the way back to the scheduler
//!                   │ Stage    the future, or the outcome, or nothing
//!                            notes, made on demand: name · scope tree · inbox · observers
//! ```
//!
//! | to learn about | open |
//! |---|---|
//! | when a wake makes a Runnable, and who may poll | `state.rs`, which is the table of all transitions |
//! | what lies where in memory, and who may touch it | `header.rs`, `cell.rs` |
//! | what happens around one poll | `runnable.rs`; when that ends the task, `ending.rs` |
//! | how a cancel finds its way | `scope.rs`, on the tree in `tree.rs`; the futures that catch it, `node.rs` |
//! | what a spawned task inherits | `context.rs` |
//!
//! A scheduler brings a [`Schedule`], spawns with [`spawn`], and runs [`Runnable`]s; the rest of corrente
//! is built on [`Task`], [`TaskRef`] and the scopes. This crate knows no threads, no clock, no sockets.
//!
//! # Examples
//!
//! A scheduler in a few lines:
//!
//! ```
//! use corrente_task::{Cause, Options, Runnable, Schedule, spawn};
//! use std::sync::mpsc::{Sender, channel};
//!
//! #[derive(Clone)]
//! struct Queue(Sender<Runnable>);
//! impl Schedule for Queue {
//!     fn schedule(&self, runnable: Runnable, _: Cause) {
//!         let _ = self.0.send(runnable);
//!     }
//! }
//!
//! let (queue, runnables) = channel();
//! let spawned = spawn(async { 6 * 7 }, Queue(queue), Options::default());
//! spawned.runnable.schedule();
//! while let Ok(runnable) = runnables.try_recv() {
//!     runnable.run();
//! }
//! let mut task = spawned.task;
//! assert_eq!(task.try_outcome().unwrap().unwrap(), 42);
//! ```
#![deny(missing_docs)]

pub mod budget;
mod cell;
mod context;
mod current;
mod detach;
mod ending;
mod error;
mod header;
mod id;
mod lane;
mod local;
pub mod memory;
mod node;
pub mod prefetch;
mod quiet;
mod reclaim;
mod root;
mod runnable;
mod scope;
mod shared;
mod slot;
mod spare;
mod state;
mod task;
mod task_ref;
mod tree;
mod waiters;
mod waits;
mod waker;

pub use context::{Context, ContextChoice, ContextVar, SharedContext, Token};
pub use current::{current, in_task, with_current};
pub use detach::{Detach, Never, Returns};
pub use error::{Cancelled, Failed, Panicked, TaskError, Unobserved, What};
pub use id::TaskId;
pub use node::{
    CatchCancel, ForwardCancel, Interrupter, OnCancel, Resume, Uncancellable, catch_cancel,
    exit_with, forward_cancel, on_cancel, uncancellable, with_cleanup,
};
pub use root::{Root, with_root};
pub use runnable::{Cause, Runnable, Schedule};
pub use scope::cancelling_here;
pub use shared::Shared;
pub use slot::Slot;
#[doc(hidden)]
pub use state::table;
pub use task::{NotDone, Outcome, Task};
pub use task_ref::{Borrowed, TaskRef};
pub use waits::{CancelRequested, Finished, WatchKey};

use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a new task is to be, beside its future.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name; `Task-N` if none.
    pub name: Option<Arc<str>>,
    /// Its context variables.
    pub context: ContextChoice,
    /// Where it is spawned, for reports.
    pub location: &'static Location<'static>,
    /// A task, or a callback.
    pub kind: Kind,
}

/// What a cell is to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A task.
    #[default]
    Task,
    /// A callback: it runs with no [`current()`] task.
    Callback,
}

impl Default for Options {
    /// A task without a name that inherits the context, spawned where this is called.
    #[track_caller]
    fn default() -> Self {
        Self {
            name: None,
            context: ContextChoice::Inherit,
            location: Location::caller(),
            kind: Kind::Task,
        }
    }
}

/// A new task, in its three parts.
#[derive(Debug)]
pub struct Spawned<T> {
    /// The right to its first poll.
    pub runnable: Runnable,
    /// Its handle.
    pub task: Task<T>,
    /// A reference for the scheduler's books.
    pub task_ref: TaskRef,
}

impl<T> Spawned<T> {
    /// # Safety
    ///
    /// `header` was just allocated, its output is `T`, and nobody else uses its three references. Where
    /// the parts may be used must fit the future, the output and the schedule.
    unsafe fn new(header: NonNull<header::Header>) -> Self {
        // SAFETY: one of the three references each.
        unsafe {
            Self {
                runnable: Runnable::new(header),
                task: Task::new(TaskRef::from_raw(header)),
                task_ref: TaskRef::from_raw(header),
            }
        }
    }
}

/// How many bytes [`spawn`] allocates for a task with this future and this schedule.
pub const fn cell_size<F: Future, S: Schedule>() -> usize {
    size_of::<cell::Cell<F, S>>()
}

/// A task for any thread.
#[inline]
pub fn spawn<F, S>(future: F, schedule: S, options: Options) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let header = cell::Cell::allocate(future, schedule, options, false);
    // SAFETY: future and output are Send and 'static, so is the schedule.
    unsafe { Spawned::new(header) }
}

/// A task for this thread only. Its Runnables may travel, but must be run here.
///
/// # Panics
///
/// Not here, but in the task, if it is run on another thread.
pub fn spawn_local<F, S>(future: F, schedule: S, options: Options) -> Spawned<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let header = cell::Cell::allocate(local::Bound::new(future), schedule, options, true);
    // SAFETY: all is 'static; `Bound` keeps the future on this thread. The output is made here, and leaves
    // through the `Task`, which is Send only if the output is.
    unsafe { Spawned::new(header) }
}
