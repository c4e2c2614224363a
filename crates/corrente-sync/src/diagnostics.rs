//! Who waits for what, for how long, and who has it.
//!
//! Off by default, and then it costs one relaxed load where something is taken or given. Switched on
//! by [`enable`], it keeps a book of all waits and of all who have a lock or a unit, by task name (or
//! thread name, outside of tasks). A wait that began earlier is not in the book.
//!
//! ```
//! use corrente_sync::{Lock, diagnostics};
//! use std::time::Duration;
//! # futures_lite::future::block_on(async {
//! diagnostics::enable(true);
//! let lock = Lock::new(());
//! let guard = lock.lock().await;
//! let mut waiting = Box::pin(lock.lock());
//! assert!(futures_lite::future::poll_once(&mut waiting).await.is_none());
//! for wait in diagnostics::waits(Duration::ZERO) {
//!     println!("{wait}"); // "main" waits for a Lock at 0x7ffd…, since 0.000 s; it is held by "main"
//! }
//! // The one who waits is the one who has it:
//! assert_eq!(diagnostics::deadlocks(Duration::ZERO).len(), 1);
//! # drop((guard, waiting));
//! # diagnostics::enable(false);
//! # });
//! ```
//!
//! In a corrente runtime, `Builder::long_wait` switches it on and has long waits reported.
//!
//! asyncio has none; its debug mode shows where a task is suspended, not what it waits for.

mod book;
mod stuck;

pub(crate) use book::{Who, begin, end, gave, granted, is_on, took};

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Begins to keep the book, or stops and throws it away. For the whole process.
pub fn enable(on: bool) {
    book::enable(on);
}

/// True if the book is kept.
pub fn is_enabled() -> bool {
    is_on()
}

/// All waits that have lasted `longer_than`, the longest first.
pub fn waits(longer_than: Duration) -> Vec<LongWait> {
    book::waits(longer_than)
}

/// Waits, among those that have lasted `longer_than`, that cannot end as far as this crate can see,
/// the longest first: for a lock (or for units) whose holders all wait in the same way.
///
/// It finds tasks that wait for each other, a task that waits for what it has itself, and what is known
/// as futurelock: a task that was granted a lock, does not poll the future that was granted it, and waits
/// for something else that cannot come. Give a time that is longer than a task needs to be polled. A
/// task that waits for something else *at the same time*, such as a timer, may go on nevertheless.
pub fn deadlocks(longer_than: Duration) -> Vec<LongWait> {
    let mut waits = book::waits(longer_than);
    waits.retain(|wait| wait.is_stuck);
    waits
}

/// Tells of each wait once: when it has lasted for some time, and again if it turns out that it cannot end.
///
/// ```
/// use corrente_sync::diagnostics::{self, Watch};
/// use std::time::Duration;
/// diagnostics::enable(true);
/// let mut watch = Watch::new(Duration::from_secs(1));
/// // From time to time:
/// for wait in watch.look() {
///     eprintln!("{wait}");
/// }
/// # diagnostics::enable(false);
/// ```
#[derive(Debug)]
pub struct Watch {
    limit: Duration,
    /// Of those that last: the number, and whether it was told that they are stuck.
    told: BTreeSet<(u64, bool)>,
}

impl Watch {
    /// Of waits that last longer than `limit`.
    pub fn new(limit: Duration) -> Self {
        Self { limit, told: BTreeSet::new() }
    }

    /// What is new since the last call, the longest first.
    pub fn look(&mut self) -> Vec<LongWait> {
        let mut waits = waits(self.limit);
        // Who was granted it a moment ago is about to go on.
        waits.retain(|wait| wait.granted.is_none_or(|granted| granted >= self.limit));
        let last = waits.iter().map(|wait| (wait.number, wait.is_stuck)).collect();
        let told = std::mem::replace(&mut self.told, last);
        waits.retain(|wait| !told.contains(&(wait.number, wait.is_stuck)));
        waits
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A [`Lock`](crate::Lock), or the lock of a [`Condition`](crate::Condition).
    Lock,
    /// A [`RwLock`](crate::RwLock).
    RwLock,
    /// Units of a [`Semaphore`](crate::Semaphore) or [`BoundedSemaphore`](crate::BoundedSemaphore).
    Semaphore,
    /// That an [`Event`](crate::Event) is set.
    Event,
    /// A notification of a [`Condition`](crate::Condition).
    Condition,
    /// The others at a [`Barrier`](crate::Barrier).
    Barrier,
    /// An item of a queue.
    Get,
    /// A place in a queue.
    Put,
    /// That all items of a queue are done.
    Join,
    /// The value of a [`OnceCell`](crate::OnceCell), or the turn to make it.
    OnceCell,
    /// A value of a [`broadcast`](crate::broadcast) channel.
    Broadcast,
    /// A new value in a [`watch`](crate::watch) channel.
    Changed,
    /// That all receivers of a [`watch`](crate::watch) channel are gone.
    Closed,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lock => "a Lock",
            Self::RwLock => "a RwLock",
            Self::Semaphore => "units of a Semaphore",
            Self::Event => "an Event",
            Self::Condition => "a notification of a Condition",
            Self::Barrier => "the others at a Barrier",
            Self::Get => "an item of a queue",
            Self::Put => "a place in a queue",
            Self::Join => "the join of a queue",
            Self::OnceCell => "a OnceCell",
            Self::Broadcast => "a value of a broadcast channel",
            Self::Changed => "a new value in a watch channel",
            Self::Closed => "the end of a watch channel",
        })
    }
}

/// One who waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LongWait {
    /// Its number in the book.
    number: u64,
    /// What it waits for.
    pub what: What,
    /// Where that is in memory: the same number is the same lock.
    pub address: usize,
    /// Who waits.
    pub waiter: Party,
    /// For how long.
    pub waited: Duration,
    /// It was granted what it wants so long ago, and was not polled since.
    pub granted: Option<Duration>,
    /// Who has it: the holders of a lock or of units, among them those who were granted it and were not
    /// polled since. Empty where nobody has it, and where it is not known.
    pub holders: Vec<Party>,
    /// It cannot end, as far as this crate can see: see [`deadlocks`].
    pub is_stuck: bool,
    /// Somebody was granted it only now, and may be about to go on.
    moving: bool,
}

impl fmt::Display for LongWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, address, waiter, .. } = self;
        let waited = self.waited.as_secs_f64();
        if let Some(granted) = self.granted {
            let granted = granted.as_secs_f64();
            return write!(
                f,
                "{waiter} was granted {what} at {address:#x} {granted:.3} s ago, and was not polled since"
            );
        }
        write!(f, "{waiter} waits for {what} at {address:#x}, since {waited:.3} s")?;
        for (at, holder) in self.holders.iter().enumerate() {
            write!(f, "{} {holder}", if at == 0 { "; it is held by" } else { "," })?;
        }
        if self.is_stuck { f.write_str(" (deadlock)") } else { Ok(()) }
    }
}

/// A task, or a thread that runs something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    who: Who,
    name: String,
}

impl Party {
    /// The name of the task or thread.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)
    }
}
