//! What the pool counts, and how it is read: one snapshot.
//!
//! Counters that a worker writes while it works are plain loads and stores on its own line, no
//! read-modify-writes: nobody else writes them, and a reader may see them a moment late. Rare events that
//! anybody may count use an atomic addition.

use corrente_shim::atomic::{AtomicU64, Ordering};

/// A count with one writer.
#[derive(Debug)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }
    /// One more. For the only writer.
    #[inline]
    pub(crate) fn bump(&self) {
        // Relaxed: a number for people, nothing is published by it.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    /// Several more. For the only writer.
    pub(crate) fn add(&self, many: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + many, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count that anybody may raise.
#[derive(Debug)]
pub(crate) struct SharedCount(AtomicU64);

impl SharedCount {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }
    pub(crate) fn bump(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a worker counts about itself, beside its polls.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) steals: Count,
    pub(crate) injected: Count,
    pub(crate) parks: Count,
    pub(crate) driver_waits: Count,
    pub(crate) driver_glances: Count,
    pub(crate) driver_events: Count,
    pub(crate) wakes_sent: Count,
    pub(crate) next_slot_hits: Count,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            steals: Count::new(),
            injected: Count::new(),
            parks: Count::new(),
            driver_waits: Count::new(),
            driver_glances: Count::new(),
            driver_events: Count::new(),
            wakes_sent: Count::new(),
            next_slot_hits: Count::new(),
        }
    }
}

/// What one worker has done since the pool started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Polls of tasks.
    pub polls: u64,
    /// Polls of tasks that came from the next slot.
    pub next_slot_hits: u64,
    /// Successful steals; each brings one task or more.
    pub steals: u64,
    /// Times it took tasks from the injector.
    pub injected: u64,
    /// Times it slept.
    pub parks: u64,
    /// Times it slept in the driver. Part of `parks`.
    pub driver_waits: u64,
    /// Times it looked at the driver without waiting.
    pub driver_glances: u64,
    /// Wakers that the driver gave it.
    pub driver_events: u64,
    /// Times it woke another worker because of work it could not do alone.
    pub wakes_sent: u64,
    /// True if it is in the middle of a poll.
    pub polling: bool,
    /// True if it sleeps.
    pub asleep: bool,
    /// Tasks in its queue.
    pub queued: usize,
}

/// The blocking pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BlockingMetrics {
    /// Threads that exist.
    pub threads: usize,
    /// Threads that wait for a job.
    pub idle: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Jobs that are over, one way or another.
    pub finished: u64,
    /// Threads that the operating system refused.
    pub refused: u64,
}

/// A pool at one moment. The parts are read one after another, not all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// By the worker's index.
    pub workers: Vec<WorkerMetrics>,
    /// Tasks that have not ended, callbacks included.
    pub living: usize,
    /// Workers that somebody outside of the pool woke.
    pub outside_wakes: u64,
    /// Workers that the watchdog woke because something waited behind a long poll.
    pub rescues: u64,
    /// Polls that were reported as too long.
    pub long_polls: u64,
    /// The blocking pool.
    pub blocking: BlockingMetrics,
    /// Threads beyond one for each worker: in a section that blocks or the rest of the poll around it, or spare.
    pub stand_ins: usize,
}

impl Metrics {
    /// Polls of all workers together.
    pub fn polls(&self) -> u64 {
        self.workers.iter().map(|worker| worker.polls).sum()
    }
}
