//! asyncio's order, exactly: one thread, one ready queue, rounds.
//!
//! 1. A round runs the entries that were in the queue when it began; what they queue runs in the next.
//! 2. Between rounds the driver is asked, and the wakers it gives are appended in its order. Such a waker
//!    is an entry of its own, as a timer handle is in asyncio: its turn comes, it wakes its task, and the
//!    task runs in the round after. Only if what it wakes is a callback, the callback *is* the entry, and
//!    runs in its place.
//! 3. When nothing is ready, no blocking job is active, and a look at the driver finds nothing, the driver
//!    may move its clock. If it does not, the thread waits in it.
//! 4. When main has ended, its round is run to the end and one more, as asyncio's loop does that is told to
//!    stop by a callback.
//!
//! No budget, no watchdog, no stealing. What always holds: all of a pool's tasks are polled by the thread
//! of its one `block_on`, in the order of the queue.

use crate::context;
use crate::parker::Parker;
use crate::shared::Shared;
use crate::watchdog::LongPoll;
use crate::worker::wake_contained;
use corrente_shim::sync::Mutex;
use corrente_task::{Root, Runnable, budget};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::{Duration, Instant};

/// One entry of the ready queue.
enum Entry {
    /// A task or a callback is to be polled.
    Run(Runnable),
    /// The driver says that this is due.
    Wake(Waker),
}

/// The ready queue, for every thread.
pub(crate) struct Fifo {
    ready: Mutex<VecDeque<Entry>>,
    parker: Parker,
}

thread_local! {
    /// On the thread of the loop, while an entry of the driver is being woken: the pool whose callback is
    /// to be caught, and the callback.
    static CATCH: (Cell<Option<u32>>, RefCell<Option<Runnable>>) =
        const { (Cell::new(None), RefCell::new(None)) };
}

impl Fifo {
    pub(crate) fn new() -> Self {
        Self { ready: Mutex::new(VecDeque::new()), parker: Parker::new() }
    }

    /// Appends a task. On the thread of the loop, or on any other.
    pub(crate) fn push(&self, shared: &Shared, runnable: Runnable) {
        let Some(runnable) = caught(shared, runnable) else { return };
        self.ready.lock().push_back(Entry::Run(runnable));
        let here = context::local(|queue| queue.local.runtime == shared.id) == Some(true);
        if !here {
            let _ = self.parker.unpark(shared.baton.interrupter());
        }
    }

    fn append(&self, due: &mut Vec<Waker>) {
        self.ready.lock().extend(due.drain(..).map(Entry::Wake));
    }

    fn len(&self) -> usize {
        self.ready.lock().len()
    }

    fn pop(&self) -> Option<Entry> {
        self.ready.lock().pop_front()
    }

    /// Runs rounds until main has ended.
    pub(crate) fn run(&self, shared: &Shared, root: &Root<'_>) {
        self.parker.belong_here();
        budget::set_unlimited(true);
        let _limited = Limited;
        let mut due = Vec::new();
        // Rounds after the one in which main ended.
        let mut extra = 0;
        loop {
            self.between_rounds(shared, &mut due, root.done());
            for _ in 0..self.len() {
                // Somebody may have emptied the queue: a shutdown from a task.
                let Some(entry) = self.pop() else { break };
                run_entry(shared, entry);
            }
            if root.done() {
                if extra == 1 {
                    return;
                }
                extra += 1;
            }
        }
    }

    /// Asks the driver, and waits in it if there is nothing to do. `last`: main has ended, so there is
    /// nothing to wait for.
    fn between_rounds(&self, shared: &Shared, due: &mut Vec<Waker>, last: bool) {
        loop {
            let Some(mut held) = shared.baton.try_take() else { return };
            shared.seats[0].own.counters.driver_glances.bump();
            held.glance(due);
            self.append(due);
            // Asked after the glance, which may swallow an interruption: a job that ends after this will
            // interrupt the wait below. And before the queue is looked at: a job that has ended has
            // delivered its wakes before it counts as over.
            let active = shared.blocking.is_active();
            if last || self.len() > 0 {
                return;
            }
            if !active && shared.baton.wants_idle() && held.idle(due) {
                self.append(due);
                continue;
            }
            if self.parker.enter_driver() {
                // What was pushed before that was announced woke nobody.
                if self.len() == 0 {
                    shared.seats[0].own.counters.driver_waits.bump();
                    held.turn(None, due);
                }
                self.parker.leave_driver();
            }
            self.append(due);
        }
    }

    /// Drops all entries: their tasks have ended, or end by it.
    pub(crate) fn clear(&self) {
        while let Some(entry) = self.pop() {
            drop(entry);
        }
    }
}

/// The budget is back when this is dropped.
struct Limited;

impl Drop for Limited {
    fn drop(&mut self) {
        budget::set_unlimited(false);
    }
}

fn run_entry(shared: &Shared, entry: Entry) {
    match entry {
        Entry::Run(runnable) => poll(shared, runnable),
        Entry::Wake(waker) => {
            let _ = CATCH.try_with(|(catching, _)| catching.set(Some(shared.id)));
            wake_contained(waker);
            let callback = CATCH.try_with(|(catching, caught)| {
                catching.set(None);
                caught.take()
            });
            if let Ok(Some(callback)) = callback {
                poll(shared, callback);
            }
        }
    }
}

/// Keeps a callback that the current entry has woken; gives everything else back.
fn caught(shared: &Shared, runnable: Runnable) -> Option<Runnable> {
    let mut runnable = Some(runnable);
    let _ = CATCH.try_with(|(catching, caught)| {
        let mut caught = caught.borrow_mut();
        let ours = catching.get() == Some(shared.id) && caught.is_none();
        if ours && runnable.as_ref().is_some_and(Runnable::is_callback) {
            *caught = runnable.take();
        }
    });
    runnable
}

fn poll(shared: &Shared, runnable: Runnable) {
    let own = &shared.seats[0].own;
    let number = runnable.task().id().get();
    // Only who wants to know about long polls pays for the clock.
    let begin = shared.hooks.long_poll.as_ref().map(|hook| (hook, Instant::now()));
    let task = begin.is_some().then(|| (*runnable.task()).clone());
    own.begin_poll(number);
    runnable.run();
    own.end_poll();
    if let (Some((hook, begin)), Some(task)) = (begin, task) {
        let so_far: Duration = begin.elapsed();
        if so_far >= shared.config.long_poll {
            shared.watchdog.long_polls.bump();
            let report = LongPoll::new(0, Some(&task), number, so_far);
            let _ = catch_unwind(AssertUnwindSafe(|| hook(&report)));
        }
    }
}
