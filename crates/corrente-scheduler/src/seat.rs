//! What others may see of a worker: where it parks, what can be stolen from it, whether it makes headway.
//!
//! Three groups of fields, each on its own line: what anybody may exchange (parker, queue end, next slot),
//! what only the worker writes, what only the watchdog writes. The last two are advice to others: all
//! loads and stores are relaxed, and nothing but promptness depends on them.

use crate::metrics::{Counters, WorkerMetrics};
use crate::parker::Parker;
use crate::queue::{NextSlot, Stealer};
use corrente_shim::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use corrente_task::Runnable;
use crossbeam_utils::CachePadded;

/// So many items may wait behind a worker with short polls without another worker being woken: a wake
/// across cores costs more than they do.
const PATIENCE: usize = 4;

/// See the module.
pub(crate) struct Seat {
    pub(crate) parker: Parker,
    pub(crate) stealer: Stealer<Runnable>,
    pub(crate) next: NextSlot<Runnable>,
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
    /// The state of its next slot, as far as it knows: bit 0 is "full", the rest counts the puts. A thief
    /// that has emptied the slot notes the word it saw (`robbed`), since it must not write this one.
    next: AtomicU64,
    /// It has slept a few polls ago, so it is not known how long its polls are.
    fresh: AtomicBool,
    /// So many places of the registry it keeps in reserve.
    spare: AtomicU32,
    pub(crate) counters: Counters,
}

/// Written by the watchdog, but for `robbed`, which thieves write.
pub(crate) struct Advice {
    /// Its polls are long.
    slow: AtomicBool,
    /// After how many polls it should look outside.
    glance_every: AtomicU32,
    /// Thieves: the slot was found or left empty when `Own::next` was this.
    robbed: AtomicU64,
}

impl Seat {
    pub(crate) fn new(stealer: Stealer<Runnable>, watched: bool, glance_every: u32) -> Self {
        let own = Own {
            pulse: AtomicU64::new(0),
            task: AtomicU64::new(0),
            loaded: AtomicBool::new(false),
            next: AtomicU64::new(0),
            fresh: AtomicBool::new(true),
            spare: AtomicU32::new(0),
            counters: Counters::new(),
        };
        let advice = Advice {
            slow: AtomicBool::new(false),
            glance_every: AtomicU32::new(glance_every),
            robbed: AtomicU64::new(0),
        };
        Self {
            parker: Parker::new(),
            stealer,
            next: NextSlot::new(),
            own: CachePadded::new(own),
            advice: CachePadded::new(advice),
            watched,
        }
    }

    /// So many items in the queue wake nobody. Where nobody finds out that polls have become long, they may be.
    #[inline]
    pub(crate) fn threshold(&self) -> usize {
        if self.own.is_fresh() || self.advice.is_slow() || !self.watched { 0 } else { PATIENCE }
    }

    /// True if the queue or the next slot may hold something.
    pub(crate) fn has_something(&self) -> bool {
        self.has_next() || (self.own.loaded.load(Ordering::Relaxed) && !self.stealer.is_empty())
    }

    fn has_next(&self) -> bool {
        let next = self.own.next.load(Ordering::Relaxed);
        next % 2 == 1 && next != self.advice.robbed.load(Ordering::Relaxed)
    }

    /// For a thief: takes the next slot's item.
    pub(crate) fn rob_next(&self) -> Option<Runnable> {
        if !self.has_next() {
            return None;
        }
        // The word is read before the slot is emptied. An item that is put in between is taken, too, and
        // then the word is too old: at worst somebody looks once more and finds the slot empty.
        let seen = self.own.next.load(Ordering::Relaxed);
        let item = self.next.take();
        self.advice.robbed.store(seen, Ordering::Relaxed);
        item
    }

    /// True if another worker should take something from here. `open`: its worker is absent or stuck.
    pub(crate) fn owes(&self, open: bool) -> bool {
        if open {
            return self.has_something();
        }
        self.own.loaded.load(Ordering::Relaxed) && self.stealer.len() > self.threshold()
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
            queued: self.stealer.len(),
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
    pub(crate) fn next_was_put(&self) {
        let next = self.next.load(Ordering::Relaxed);
        self.next.store((next | 1) + 2, Ordering::Relaxed);
    }
    #[inline]
    pub(crate) fn next_was_taken(&self) {
        self.next.store(self.next.load(Ordering::Relaxed) & !1, Ordering::Relaxed);
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
