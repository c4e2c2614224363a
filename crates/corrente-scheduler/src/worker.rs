//! A worker: takes a task, polls it, looks outside now and then, and sleeps when there is nothing.
//!
//! A [`Worker`] lives on one thread. Its [`Core`] (queue and habits) outlives the thread's stay: worker 0's
//! is handed from one `block_on` to the next, and a section that blocks hands on any. In which order it looks
//! for work is in `search.rs`, whom it wakes and how it goes to sleep in `idle.md`. What always holds: it never
//! sleeps while its queue, its newcomers, its next slot or its mailbox holds something.

use crate::batch::Batches;
use crate::context;
use crate::local::LocalQueue as LocalTasks;
use crate::newcomers::Newcomers;
use crate::offer::Offered;
use crate::queue::{Injector, LocalQueue};
use crate::registry::{Slot, Spare};
use crate::seat::Seat;
use crate::shared::Shared;
use corrente_task::{Cause, Runnable, prefetch};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

/// For so many polls after a sleep it is not known whether polls are short, and every item is worth a wake.
const FRESH_POLLS: u32 = 16;

/// While there is other work, one poll in so many is for the back row (or one look outside, if that comes later).
const BACK_ROW_EVERY: u64 = 32;

/// A queue of so many tasks is short: behind them one does not wait long, and what it needs is still in the cache.
const SHORT: usize = 256;

/// After so many polls of newcomers it is the turn of the queue, and the last newcomer goes there.
const NEWCOMER_POLLS: u32 = 64;

/// So many wakes before its own a task of a batch is fetched from memory.
const FETCH_AHEAD: usize = 8;

/// What a worker keeps from thread to thread.
pub(crate) struct Core {
    pub(crate) queue: LocalQueue<Runnable>,
    pub(crate) newcomers: Newcomers,
    /// Polls of newcomers since the queue had its turn.
    newcomer_polls: Cell<u32>,
    /// The next slot may hold something. False only if it is empty: a thief only empties it.
    pub(crate) next_full: Cell<bool>,
    /// The owner's view of `Own::loaded`.
    loaded: Cell<bool>,
    /// Others know that there is much in the queue.
    pub(crate) offered: Offered,
    /// Polls in a row that came from the next slot.
    pub(crate) streak: Cell<u32>,
    /// Polls until it is not fresh any more.
    fresh: Cell<u32>,
    /// Polls until the next look outside.
    until_glance: Cell<u32>,
    /// So many sleeps in a row found nothing by a glance before, or did without.
    pub(crate) vain_glances: Cell<u32>,
    /// At which poll it last took a task from the back row.
    pub(crate) back_row_at: Cell<u64>,
    /// What is known of the driver's batches.
    batches: Cell<Batches>,
    /// Wakes come from a turn of the driver: to the queue with them, and one decision for all.
    pub(crate) in_batch: Cell<bool>,
    /// It is counted as searching.
    pub(crate) searching: Cell<bool>,
    pub(crate) random: Cell<u64>,
    /// For the driver to fill. Empty between turns.
    ready: Cell<Vec<Waker>>,
    /// Places in the registry that it has reserved.
    spare: Cell<Spare>,
}

impl Core {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            queue: LocalQueue::new(),
            newcomers: Newcomers::new(),
            newcomer_polls: Cell::new(0),
            next_full: Cell::new(false),
            loaded: Cell::new(false),
            offered: Offered::new(),
            streak: Cell::new(0),
            fresh: Cell::new(FRESH_POLLS),
            until_glance: Cell::new(1),
            vain_glances: Cell::new(0),
            back_row_at: Cell::new(0),
            batches: Cell::new(Batches::new()),
            in_batch: Cell::new(false),
            searching: Cell::new(false),
            random: Cell::new(index as u64 + 1),
            ready: Cell::new(Vec::new()),
            spare: Cell::default(),
        }
    }

    /// After the next poll at the latest.
    pub(crate) fn look_around_soon(&self) {
        self.until_glance.set(0);
    }
}

/// See the module.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    seat: Arc<CachePadded<Seat>>,
    pub(crate) core: Core,
    /// The tasks that are bound to this thread. Only worker 0 has some.
    pub(crate) local: Option<Rc<LocalTasks>>,
}

impl Worker {
    /// A worker for this thread.
    pub(crate) fn new(
        shared: Arc<Shared>,
        index: usize,
        core: Core,
        local: Option<Rc<LocalTasks>>,
    ) -> Self {
        let seat = shared.seats[index].clone();
        Self { shared, index, seat, core, local }
    }

    #[inline]
    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// What comes after a poll, or at first.
    #[inline]
    fn turn(&self, polled: bool, done: &impl Fn() -> bool) -> Turn {
        if polled {
            self.end_poll();
        }
        while !done() {
            if self.is_called_away() && self.shared.is_paused() {
                self.stand_still();
                continue;
            }
            match self.next_task() {
                Some(task) => {
                    self.seat().own.begin_poll(task.task().id().get());
                    return Turn::Poll(task);
                }
                None => self.sleep(),
            }
        }
        self.stop_searching();
        Turn::Done
    }

    #[inline]
    fn end_poll(&self) {
        let seat = self.seat();
        seat.own.end_poll();
        let was_stuck = self.shared.idle.clear_stuck(self.index);
        let fresh = self.core.fresh.get();
        if fresh > 0 {
            self.core.fresh.set(fresh - 1);
            seat.own.set_fresh(fresh > 1);
        }
        // After a long poll at once: the countdown was begun when polls were short, and each of those that
        // it still counts may be as long as this one. The watchdog may have advised to look earlier meanwhile, too.
        let left = if was_stuck { 0 } else { self.core.until_glance.get().saturating_sub(1) };
        self.core.until_glance.set(left.min(seat.advice.glance_every()));
    }

    /// How many polls it has made.
    #[inline]
    fn polls(&self) -> u64 {
        self.seat().own.pulse().polls()
    }

    /// True once in so many polls: then it is time to look at the driver and the injector.
    #[inline]
    pub(crate) fn glance_is_due(&self) -> bool {
        let due = self.core.until_glance.get() == 0;
        if due {
            self.core.until_glance.set(self.seat().advice.glance_every().max(1));
        }
        due
    }

    /// A task of the pool has become ready on this thread. Where it goes is explained in the decisions "behind
    /// those that are ready" and "children before others".
    #[inline]
    pub(crate) fn push(&self, runnable: Runnable, cause: Cause) {
        if let Some(shake) = &self.shared.shake {
            return shake.scatter(&self.shared, runnable);
        }
        match cause {
            _ if self.core.in_batch.get() => self.enqueue(runnable),
            Cause::Wake => self.push_next(runnable),
            Cause::Joined => self.push_joined(runnable),
            Cause::Yield if self.seat().advice.is_slow() => self.step_back(runnable),
            Cause::Yield => self.push_back(runnable),
        }
    }

    /// A new task: next if nothing else is, as it is often the one that is awaited first; else with the newcomers, as
    /// long as polls are short.
    #[inline]
    pub(crate) fn push_new(&self, runnable: Runnable) {
        if let Some(shake) = &self.shared.shake {
            return shake.scatter(&self.shared, runnable);
        }
        match self.core.next_full.get() {
            false => self.push_next(runnable),
            true => {
                let seat = self.seat();
                let added = match seat.advice.is_slow() {
                    false => self.core.newcomers.add(runnable, seat.own.task()),
                    true => Err(runnable),
                };
                match added {
                    Ok(()) => self.note_newcomers(),
                    Err(runnable) => self.enqueue(runnable),
                }
                self.offer(0);
            }
        }
    }

    /// A task that it awaited has ended. It had better find its other children ended, too.
    #[inline]
    fn push_joined(&self, runnable: Runnable) {
        match self.core.newcomers.add_behind_children(runnable) {
            Ok(()) => {
                self.note_newcomers();
                self.offer(1);
            }
            Err(runnable) if self.core.queue.len() > SHORT => self.push_next(runnable),
            Err(runnable) => self.push_back(runnable),
        }
    }

    #[inline]
    fn note_newcomers(&self) {
        self.seat().own.set_newcomers(self.core.newcomers.len() as u32);
    }

    /// What waits behind the next slot.
    #[inline]
    fn backlog(&self) -> usize {
        self.core.queue.len() + self.core.newcomers.len()
    }

    #[inline]
    fn push_next(&self, runnable: Runnable) {
        if let Some(displaced) = self.put_next(runnable) {
            self.enqueue(displaced);
            self.offer(0);
        }
    }

    /// Behind all that is ready here. One item of the queue is this worker's own next poll, so a lone yielder wakes
    /// nobody.
    #[inline]
    fn push_back(&self, runnable: Runnable) {
        self.enqueue(runnable);
        self.offer(1);
    }

    /// Where polls are long, a task that yields lets all others go first, also those that become ready later. See the
    /// decision "who yields for long steps back".
    #[cold]
    fn step_back(&self, runnable: Runnable) {
        let back_row = &self.shared.back_row;
        let alone = self.backlog() == 0 && !self.core.next_full.get() && back_row.is_empty();
        back_row.near(self.index).push(runnable);
        if !alone {
            // It may be more than this worker's own next poll.
            self.wake_somebody();
        }
    }

    /// Takes a task from the back row.
    #[inline]
    pub(crate) fn pop_back_row(&self) -> Option<Runnable> {
        let task = self.shared.back_row.find(self.index, Injector::take)?;
        self.core.back_row_at.set(self.polls());
        Some(task)
    }

    /// The same, though there is other work: one poll in so many is for the back row.
    pub(crate) fn overdue_task(&self) -> Option<Runnable> {
        let since = self.polls() - self.core.back_row_at.get();
        if since < BACK_ROW_EVERY { None } else { self.pop_back_row() }
    }

    #[inline]
    fn put_next(&self, runnable: Runnable) -> Option<Runnable> {
        let next = &self.seat().next;
        if self.core.next_full.replace(true) {
            return next.put(runnable);
        }
        next.fill(runnable);
        None
    }

    #[inline]
    pub(crate) fn take_next(&self) -> Option<Runnable> {
        if !self.core.next_full.replace(false) {
            return None;
        }
        self.seat().next.take()
    }

    #[inline]
    pub(crate) fn enqueue(&self, runnable: Runnable) {
        self.core.queue.push(runnable);
        self.note_loaded();
    }

    /// Something was put into the queue.
    #[inline]
    pub(crate) fn note_loaded(&self) {
        if !self.core.loaded.replace(true) {
            self.seat().own.set_loaded(true);
        }
    }

    /// Takes a newcomer, or one of the queue. See [`NEWCOMER_POLLS`].
    #[inline]
    pub(crate) fn pop_own(&self) -> Option<Runnable> {
        let newcomers = &self.core.newcomers;
        if newcomers.len() == 0 {
            return self.pop_queue();
        }
        let polls = self.core.newcomer_polls.get();
        if polls < NEWCOMER_POLLS {
            self.core.newcomer_polls.set(polls + 1);
        } else {
            self.core.newcomer_polls.set(0);
            if let Some(last) = newcomers.pop_last() {
                self.enqueue(last);
                self.core.offered.forget();
            }
            if let Some(task) = self.pop_queue() {
                self.note_newcomers();
                return Some(task);
            }
        }
        let task = newcomers.pop();
        self.note_newcomers();
        task.or_else(|| self.pop_queue())
    }

    #[inline]
    fn pop_queue(&self) -> Option<Runnable> {
        let task = self.core.queue.pop();
        if task.is_none() && self.core.loaded.replace(false) {
            self.seat().own.set_loaded(false);
        }
        task
    }

    /// Something was put where it waits behind this worker. Wakes somebody if more waits there than may. `own`: so many
    /// of these items are this worker's own next poll.
    #[inline]
    fn offer(&self, own: usize) {
        let length = self.core.queue.len();
        if self.core.offered.covers(length) {
            return;
        }
        let seat = self.seat();
        if (length + self.core.newcomers.len()).saturating_sub(own) > seat.threshold() {
            if seat.is_watched() {
                self.core.offered.ask(length);
            }
            self.wake_somebody();
        }
    }

    #[inline]
    fn wake_somebody(&self) {
        let alone = self.shared.seats.len() == 1;
        if !alone && self.shared.wake_sleeper() {
            self.seat().own.counters.wakes_sent.bump();
        }
    }

    /// If it is counted as searching: it is not any more. The last searcher hands the search on.
    #[inline]
    pub(crate) fn stop_searching(&self) {
        if self.core.searching.replace(false) {
            let shared = &*self.shared;
            if let Some(sleeper) = shared.idle.end_search(|| shared.owes_something()) {
                shared.unpark(sleeper);
                self.seat().own.counters.wakes_sent.bump();
            }
        }
    }

    /// A place in the registry for a task that is spawned here.
    #[inline]
    pub(crate) fn reserve(&self) -> Option<Slot> {
        let mut spare = self.core.spare.get();
        let slot = self.shared.registry.reserve_from(self.index, &mut spare);
        self.core.spare.set(spare);
        self.seat().own.set_spare(spare.len());
        slot
    }

    /// Looks at the driver without waiting, and wakes whoever it says. True if there was somebody.
    pub(crate) fn glance(&self) -> bool {
        // A load first: mostly somebody sleeps in the driver, and nobody else need write to its lock.
        if !self.shared.baton.is_free() {
            return false;
        }
        let Some(mut held) = self.shared.baton.try_take() else { return false };
        let mut ready = self.core.ready.take();
        self.seat().own.counters.driver_glances.bump();
        held.glance(&mut ready);
        drop(held);
        let found = !ready.is_empty();
        self.wake_all(ready);
        found
    }

    /// Wakes what a turn of the driver gave. The driver has been given back.
    fn wake_all(&self, mut ready: Vec<Waker>) {
        let mut batches = self.core.batches.get();
        batches.end(self.polls());
        if !ready.is_empty() {
            let wakes = ready.len();
            self.seat().own.counters.driver_events.add(ready.len() as u64);
            self.core.in_batch.set(true);
            let mut wakers = ready.drain(..);
            wakers.as_slice().iter().take(FETCH_AHEAD).for_each(prefetch::task);
            while let Some(waker) = wakers.next() {
                wakers.as_slice().get(FETCH_AHEAD - 1).inspect(|waker| prefetch::task(waker));
                wake_contained(waker);
            }
            drop(wakers);
            self.core.in_batch.set(false);
            self.core.offered.forget();
            // One of them is this worker's own next poll.
            let back_row = usize::from(!self.shared.back_row.is_empty());
            let backlog = (self.backlog() + back_row).saturating_sub(1);
            if backlog > self.seat().threshold() && batches.is_worth(backlog) {
                self.wake_somebody();
            }
            // A wake takes time, too, which is not theirs.
            batches.begin(wakes, self.polls());
        }
        self.core.batches.set(batches);
        self.core.ready.set(ready);
    }

    /// Found nothing anywhere: lies down, looks once more, sleeps. See `idle.md`.
    fn sleep(&self) {
        let shared = &*self.shared;
        let mut batches = self.core.batches.get();
        batches.end(self.polls());
        self.core.batches.set(batches);
        let mut ready = self.core.ready.take();
        let searching = self.core.searching.replace(false);
        let searching = shared.idle.sleep(
            self.index,
            searching,
            || self.must_get_up(),
            || self.rest(&mut ready),
        );
        self.core.searching.set(searching);
        shared.watchdog.rouse();
        self.wake_all(ready);
    }

    /// The last look, when everybody can see that this worker has lain down.
    fn must_get_up(&self) -> bool {
        self.is_called_away()
            || self.local.as_ref().is_some_and(|tasks| tasks.local.has_mail())
            || self.shared.shake.as_ref().is_some_and(|shake| shake.has_mail(self.index))
            || self.shared.owes_something()
    }

    /// Sleeps, in the driver if nobody else does.
    fn rest(&self, ready: &mut Vec<Waker>) {
        let (shared, seat) = (&*self.shared, self.seat());
        seat.own.counters.parks.bump();
        match shared.baton.try_take() {
            None => shared.standstill.sleep(shared, || seat.parker.park()),
            Some(mut held) => {
                if !shared.standstill.step(shared, &mut held, ready) {
                    shared.idle.set_lookout(Some(self.index));
                    if held.wait(&seat.parker, ready) {
                        seat.own.counters.driver_waits.bump();
                    }
                    shared.idle.set_lookout(None);
                    shared.standstill.get_up();
                }
            }
        }
        self.core.fresh.set(FRESH_POLLS);
        seat.own.set_fresh(true);
    }

    /// True if the pool stops or pauses. Worker 0 belongs to the thread that calls `block_on`, and goes on.
    #[inline]
    fn is_called_away(&self) -> bool {
        self.index != 0 && self.shared.is_calling_workers()
    }

    /// Stands still until the pool goes on.
    fn stand_still(&self) {
        self.stop_searching();
        self.shared.depart(self.index);
        self.shared.pause.stand_still();
        self.shared.arrive(self.index);
    }
}

/// This thread's worker works until `done`, or until a section hands its seat on: see `section.rs`.
pub(crate) fn work(done: impl Fn() -> bool) {
    let mut polled = false;
    // Nothing of the worker is held during a poll, so that a section can take it off the thread.
    while let Some(Turn::Poll(task)) = context::worker(|worker| worker.turn(polled, &done)) {
        task.run();
        polled = true;
    }
}

enum Turn {
    Poll(Runnable),
    Done,
}

/// Wakes somebody. The waker may be a user's, so it may panic; nothing of ours is held meanwhile.
pub(crate) fn wake_contained(waker: Waker) {
    // The panic hook has printed its message; there is no task to blame.
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}
