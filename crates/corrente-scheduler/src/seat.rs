//! What others may see of a worker: where it parks, what can be stolen from it, whether it makes headway.
//!
//! Three groups of fields, each on its own line: what anybody may exchange (parker, queue end, newcomers, next slot),
//! what only the worker writes, what only the watchdog writes. The last two are advice to others: all
//! loads and stores are relaxed, and nothing but promptness depends on them.

use crate::metrics::{Counters, WorkerMetrics};
use crate::newcomers::NewcomerSlots;
use crate::parker::Parker;
use crate::queue::Stealer;
use crate::worker::Core;
use corrente_shim::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use corrente_task::{Runnable, Slot};
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// So many items may wait behind a worker with short polls without another worker being woken: a wake
/// across cores costs more than they do.
pub(crate) const PATIENCE: usize = 4;

/// See the module.
pub(crate) struct Seat {
    pub(crate) parker: Parker,
    pub(crate) stealer: Stealer<Runnable>,
    pub(crate) newcomers: Arc<NewcomerSlots>,
    pub(crate) next: Slot,
    pub(crate) own: CachePadded<Own>,
    pub(crate) advice: CachePadded<Advice>,
    /// Somebody finds out when polls become long.
    watched: bool,
}

/// Written by the worker alone.
pub(crate) struct Own {
    /// Odd while in a poll; half of it is the number of polls.
    pulse: AtomicU64,
    /// The task of the poll, as a number.
    task: AtomicU64,
    /// Its queue may hold something. False only if it is empty.
    loaded: AtomicBool,
    /// How many newcomers there are, at most.
    newcomers: AtomicU32,
    /// It has slept a few polls ago, so it is not known how long its polls are.
    fresh: AtomicBool,
    /// So many places of the registry it keeps in reserve.
    spare: AtomicU32,
    pub(crate) counters: Counters,
}

/// Written by the watchdog.
pub(crate) struct Advice {
    /// Its polls are long.
    slow: AtomicBool,
    /// After how many polls it should look outside.
    glance_every: AtomicU32,
}

impl Seat {
    pub(crate) fn new(core: &Core, watched: bool, glance_every: u32) -> Self {
        let own = Own {
            pulse: AtomicU64::new(0),
            task: AtomicU64::new(0),
            loaded: AtomicBool::new(false),
            newcomers: AtomicU32::new(0),
            fresh: AtomicBool::new(true),
            spare: AtomicU32::new(0),
            counters: Counters::new(),
        };
        let advice =
            Advice { slow: AtomicBool::new(false), glance_every: AtomicU32::new(glance_every) };
        Self {
            parker: Parker::new(),
            stealer: core.queue.stealer(),
            newcomers: core.newcomers.slots(),
            next: Slot::new(),
            own: CachePadded::new(own),
            advice: CachePadded::new(advice),
            watched,
        }
    }

    /// Somebody finds out when its polls become long.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// So many items in the queue wake nobody. Where nobody finds out that polls have become long, they may be.
    #[inline]
    pub(crate) fn threshold(&self) -> usize {
        if self.own.is_fresh() || self.advice.is_slow() || !self.watched { 0 } else { PATIENCE }
    }

    /// True if the queue, the newcomers or the next slot may hold something.
    pub(crate) fn has_something(&self) -> bool {
        let own = &self.own;
        self.next.is_full()
            || (own.loaded.load(Ordering::Relaxed) && !self.stealer.is_empty())
            || (own.newcomers.load(Ordering::Relaxed) > 0 && self.newcomers.has_one())
    }

    /// True if another worker should take something from here. `open`: its worker is absent or stuck.
    pub(crate) fn owes(&self, open: bool) -> bool {
        if open {
            return self.has_something();
        }
        self.queued() > self.threshold()
    }

    /// How many items are in its queue and among the newcomers.
    fn queued(&self) -> usize {
        let own = &self.own;
        let queue = if own.loaded.load(Ordering::Relaxed) { self.stealer.len() } else { 0 };
        let any = own.newcomers.load(Ordering::Relaxed) > 0;
        queue + if any { self.newcomers.len() } else { 0 }
    }

    pub(crate) fn metrics(&self, asleep: bool) -> WorkerMetrics {
        let counters = &self.own.counters;
        let pulse = self.own.pulse();
        WorkerMetrics {
            polls: pulse.polls(),
            next_slot_hits: counters.next_slot_hits.get(),
            steals: counters.steals.get(),
            injected: counters.injected.get(),
            parks: counters.parks.get(),
            driver_waits: counters.driver_waits.get(),
            driver_glances: counters.driver_glances.get(),
            driver_events: counters.driver_events.get(),
            wakes_sent: counters.wakes_sent.get(),
            polling: pulse.is_polling(),
            asleep,
            queued: self.queued(),
        }
    }
}

impl Own {
    /// A poll of `task` begins.
    #[inline]
    pub(crate) fn begin_poll(&self, task: u64) {
        self.task.store(task, Ordering::Relaxed);
        self.beat();
    }
    /// The poll is over.
    #[inline]
    pub(crate) fn end_poll(&self) {
        self.beat();
    }
    #[inline]
    fn beat(&self) {
        self.pulse.store(self.pulse.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    pub(crate) fn pulse(&self) -> Pulse {
        Pulse(self.pulse.load(Ordering::Relaxed))
    }
    /// The task of the current poll, or of the last one.
    pub(crate) fn task(&self) -> u64 {
        self.task.load(Ordering::Relaxed)
    }
    #[inline]
    pub(crate) fn set_loaded(&self, loaded: bool) {
        self.loaded.store(loaded, Ordering::Relaxed);
    }
    #[inline]
    pub(crate) fn set_newcomers(&self, newcomers: u32) {
        self.newcomers.store(newcomers, Ordering::Relaxed);
    }
    #[inline]
    pub(crate) fn set_fresh(&self, fresh: bool) {
        self.fresh.store(fresh, Ordering::Relaxed);
    }
    #[inline]
    pub(crate) fn set_spare(&self, places: u32) {
        self.spare.store(places, Ordering::Relaxed);
    }
    pub(crate) fn spare(&self) -> usize {
        self.spare.load(Ordering::Relaxed) as usize
    }
    #[inline]
    fn is_fresh(&self) -> bool {
        self.fresh.load(Ordering::Relaxed)
    }
}

impl Advice {
    #[inline]
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }
    pub(crate) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::Relaxed);
    }
    #[inline]
    pub(crate) fn glance_every(&self) -> u32 {
        self.glance_every.load(Ordering::Relaxed)
    }
    pub(crate) fn set_glance_every(&self, polls: u32) {
        self.glance_every.store(polls, Ordering::Relaxed);
    }
}

/// How far a worker has come: odd while it polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pulse(u64);

impl Pulse {
    /// Polls that have begun.
    pub(crate) fn polls(self) -> u64 {
        self.0.div_ceil(2)
    }
    pub(crate) fn is_polling(self) -> bool {
        self.0 % 2 == 1
    }
}
