//! Everything that the threads of a pool share, and how work and wakes move between them.
//!
//! Handles, workers and blocking threads hold it; tasks do not, they find it by number (`home.rs`). What
//! always holds: whatever is pushed while the pool lives is polled or dropped, and a push from outside
//! wakes a worker if one sleeps and none is searching.

use crate::blocking::Blocking;
use crate::commons::Commons;
use crate::config::{Config, Hooks, Order};
use crate::driver::{Baton, Driver};
use crate::fifo::Fifo;
use crate::home::LocalHome;
use crate::idle::Idle;
use crate::lending::Lending;
use crate::metrics::{Metrics, SharedCount};
use crate::parker::Rung;
use crate::pause::Pause;
use crate::registry::Registry;
use crate::seat::Seat;
use crate::shake::Shake;
use crate::shutdown::Threads;
use crate::stand_in::Offers;
use crate::standstill::Standstill;
use crate::watchdog::Watchdog;
use crate::worker::Core;
use corrente_shim::atomic::{AtomicU32, Ordering};
use corrente_task::{Runnable, TaskRef};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// The workers are to leave.
const STOP: u32 = 1;
/// The workers are to stand still.
const PAUSE: u32 = 2;
/// A shutdown has begun: nothing is spawned any more. Concerns no worker.
const CLOSING: u32 = 4;

/// See the module. What is written while workers work has a line of its own, so that the rest (settings,
/// pointers) stays in every worker's cache.
pub(crate) struct Shared {
    pub(crate) id: u32,
    pub(crate) config: Config,
    pub(crate) hooks: Hooks,
    pub(crate) seats: Box<[Arc<CachePadded<Seat>>]>,
    pub(crate) injector: Commons,
    pub(crate) back_row: Commons,
    pub(crate) idle: CachePadded<Idle>,
    pub(crate) baton: CachePadded<Baton>,
    pub(crate) registry: Registry,
    pub(crate) lending: CachePadded<Lending>,
    pub(crate) offers: CachePadded<Offers<Core>>,
    pub(crate) blocking: CachePadded<Blocking>,
    pub(crate) watchdog: CachePadded<Watchdog>,
    pub(crate) pause: CachePadded<Pause>,
    pub(crate) threads: CachePadded<Threads>,
    pub(crate) standstill: CachePadded<Standstill>,
    pub(crate) fifo: Option<Fifo>,
    pub(crate) shake: Option<Shake>,
    signals: CachePadded<AtomicU32>,
    outside_wakes: CachePadded<SharedCount>,
}

impl Shared {
    /// `cores`: what the workers will have.
    pub(crate) fn new(
        id: u32,
        config: Config,
        hooks: Hooks,
        driver: Box<dyn Driver>,
        cores: &[Core],
    ) -> Self {
        let workers = cores.len();
        let watched = config.watchdog && config.order == Order::WorkStealing;
        let seat = |core| Seat::new(core, watched, config.driver_interval);
        let baton = Baton::new(driver);
        let shared = Self {
            id,
            seats: cores.iter().map(seat).map(CachePadded::new).map(Arc::new).collect(),
            injector: Commons::new(workers),
            back_row: Commons::new(workers),
            idle: CachePadded::new(Idle::new(workers)),
            // The workers' threads count from the start, so that time stands still until they have begun.
            standstill: CachePadded::new(Standstill::new(baton.wants_idle(), workers - 1)),
            baton: CachePadded::new(baton),
            registry: Registry::new(),
            lending: CachePadded::new(Lending::new()),
            offers: CachePadded::new(Offers::new(workers - 1, workers - 1 + config.blocking_max)),
            blocking: CachePadded::new(Blocking::new(&config)),
            watchdog: CachePadded::new(Watchdog::new()),
            pause: CachePadded::default(),
            threads: CachePadded::default(),
            fifo: (config.order == Order::Fifo).then(Fifo::new),
            shake: config.seed.map(|seed| Shake::new(workers, seed)),
            signals: CachePadded::new(AtomicU32::new(0)),
            outside_wakes: CachePadded::new(SharedCount::new()),
            config,
            hooks,
        };
        // Nobody is worker 0 until somebody calls `block_on`.
        shared.idle.depart(0);
        shared
    }

    /// For threads that are no worker of this pool: the task is to be polled.
    pub(crate) fn push(&self, runnable: Runnable) {
        if let Some(fifo) = &self.fifo {
            return fifo.push(self, runnable);
        }
        if let Some(shake) = &self.shake {
            return shake.scatter(self, runnable);
        }
        self.inject(runnable);
    }

    /// Puts the task where any worker will find it.
    pub(crate) fn inject(&self, runnable: Runnable) {
        self.injector.push(this_thread(), runnable);
        if self.wake_sleeper() {
            self.outside_wakes.bump();
        }
    }

    /// For threads other than its own: a local task is to be polled.
    pub(crate) fn push_local(&self, home: &LocalHome, runnable: Runnable) {
        if let Some(fifo) = &self.fifo {
            return fifo.push(self, runnable);
        }
        match self.lending.find(home.local) {
            Some(local) => local.post(self, runnable),
            // Its `block_on` is over, and so is the task: this Runnable does nothing any more.
            None => drop(runnable),
        }
    }

    /// Something was pushed that a sleeper is owed. True if one had to be woken for it.
    #[inline]
    pub(crate) fn wake_sleeper(&self) -> bool {
        let claimed = self.idle.claim();
        if let Some(worker) = claimed {
            self.unpark(worker);
        }
        claimed.is_some()
    }

    /// Ends the sleep of this worker, or its next one.
    pub(crate) fn unpark(&self, worker: usize) {
        let _: Rung = self.seats[worker].parker.unpark(self.baton.interrupter());
    }

    /// True if there is something anywhere that a sleeping worker should get up for.
    pub(crate) fn owes_something(&self) -> bool {
        !self.injector.is_empty()
            || !self.back_row.is_empty()
            || self.seats.iter().enumerate().any(|(i, seat)| seat.owes(self.is_open(i)))
    }

    /// True if everything that lies at this worker may be taken by anybody.
    #[inline]
    pub(crate) fn is_open(&self, worker: usize) -> bool {
        self.idle.open() >> worker & 1 == 1
    }

    /// True if there is nothing to do anywhere. Jobs first: one that ends delivers its wakes, and only then
    /// counts as over.
    pub(crate) fn is_quiet(&self) -> bool {
        // Between two runs time stands still, as in asyncio: what is left is not to wake by itself.
        self.lending.is_lent()
            && !self.blocking.is_active()
            && self.injector.is_empty()
            && self.back_row.is_empty()
            && !self.lending.has_mail()
            && !self.seats.iter().any(|seat| seat.has_something())
            && self.shake.as_ref().is_none_or(|s| (0..self.seats.len()).all(|i| !s.has_mail(i)))
    }

    /// No thread is `worker` any more. Others must take what it leaves behind: its queue, the back row (it may
    /// have counted on itself to take from it), and perhaps the watch over the driver.
    pub(crate) fn depart(&self, worker: usize) {
        self.idle.depart(worker);
        if let Some(shake) = &self.shake {
            shake.close(self, worker);
        }
        let unwatched = self.baton.is_free() && self.living() > 0;
        if unwatched || self.seats[worker].has_something() || !self.back_row.is_empty() {
            self.wake_sleeper();
        }
    }

    /// This thread is `worker` from now on.
    pub(crate) fn arrive(&self, worker: usize) {
        if let Some(shake) = &self.shake {
            shake.open(worker);
        }
        self.idle.arrive(worker);
        self.watchdog.rouse();
    }

    /// True if the workers are to do something else than work.
    #[inline]
    pub(crate) fn is_calling_workers(&self) -> bool {
        self.signal(STOP | PAUSE)
    }
    pub(crate) fn is_stopping(&self) -> bool {
        self.signal(STOP)
    }
    pub(crate) fn is_paused(&self) -> bool {
        self.signal(PAUSE)
    }
    pub(crate) fn is_closing(&self) -> bool {
        self.signal(CLOSING)
    }
    #[inline]
    fn signal(&self, any_of: u32) -> bool {
        // Acquire: whoever sees the signal sees why it was given.
        self.signals.load(Ordering::Acquire) & any_of != 0
    }
    pub(crate) fn set_paused(&self, paused: bool) {
        if paused {
            self.signals.fetch_or(PAUSE, Ordering::AcqRel);
        } else {
            self.signals.fetch_and(!PAUSE, Ordering::AcqRel);
        }
    }
    pub(crate) fn set_closing(&self) {
        self.signals.fetch_or(CLOSING, Ordering::AcqRel);
    }
    pub(crate) fn set_stopping(&self) {
        self.signals.fetch_or(STOP, Ordering::AcqRel);
    }
    /// After a signal: every worker has to look at it.
    pub(crate) fn unpark_all(&self) {
        (0..self.seats.len()).for_each(|worker| self.unpark(worker));
    }

    /// How many tasks and callbacks live that any worker may run. Read while others spawn it may be off by those.
    fn living(&self) -> usize {
        let spare: usize = self.seats.iter().map(|seat| seat.own.spare()).sum();
        self.registry.taken().saturating_sub(spare)
    }

    /// All living tasks, without callbacks.
    pub(crate) fn tasks(&self) -> Vec<TaskRef> {
        let mut tasks = self.registry.tasks();
        tasks.extend(self.lending.locals().iter().flat_map(|local| local.tasks()));
        tasks
    }

    /// The living task with this number.
    pub(crate) fn find_task(&self, number: u64) -> Option<TaskRef> {
        let local = || self.lending.locals().iter().find_map(|local| local.find_task(number));
        self.registry.find(number).or_else(local)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let sleepers = self.idle.sleepers();
        let seats = self.seats.iter().enumerate();
        let locals: usize = self.lending.locals().iter().map(|local| local.living()).sum();
        Metrics {
            workers: seats.map(|(i, seat)| seat.metrics(sleepers >> i & 1 == 1)).collect(),
            living: self.living() + locals,
            outside_wakes: self.outside_wakes.get(),
            rescues: self.watchdog.rescues.get(),
            long_polls: self.watchdog.long_polls.get(),
            blocking: self.blocking.metrics(),
            stand_ins: self.offers.threads().saturating_sub(self.seats.len() - 1),
        }
    }
}

/// A number for each thread, so that threads from outside are spread over the injectors.
fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let number = NUMBER.try_with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1024);
        }
        number.get()
    });
    number.unwrap_or(0)
}
