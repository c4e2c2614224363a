//! The end of a pool, in the only order in which it can happen.
//!
//! ```text
//! StopIntake     new tasks and jobs are refused: their handles say "cancelled"
//! EndTasks       every living task is ended; its future is dropped with the task current
//! StopWorkers    workers leave at the end of their poll, and are waited for, up to the limit
//! Drain          what lies in queues belongs to tasks that have ended
//! JoinBlocking   blocking threads are waited for, up to the limit
//! Retire         the driver goes; tasks do not find the pool any more
//! ```
//!
//! What always holds: it ends within its limit and the time of one destructor each, every future is dropped
//! once, every handle resolves but those of calls that never return, and the report names these.

use crate::blocking::Blocking;
use crate::home;
use crate::queue::LocalQueue;
use crate::shared::Shared;
use corrente_shim::sync::{Condvar, Mutex};
use corrente_task::{TaskId, TaskRef};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The worker threads and the watchdog's: how many are there, and how to join them.
#[derive(Default)]
pub(crate) struct Threads {
    state: Mutex<State>,
    gone: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    handles: Vec<JoinHandle<()>>,
    /// The shutdown is over; the last thread to leave takes the pool out of the table.
    abandoned: bool,
}

/// The phases, see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    StopIntake,
    EndTasks,
    StopWorkers,
    Drain,
    JoinBlocking,
    Retire,
}

const PHASES: [Phase; 6] = [
    Phase::StopIntake,
    Phase::EndTasks,
    Phase::StopWorkers,
    Phase::Drain,
    Phase::JoinBlocking,
    Phase::Retire,
];

/// What a shutdown could not end.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Tasks that were in the middle of a poll, and still are.
    pub tasks: Vec<Unfinished>,
    /// The names of blocking jobs that still run.
    pub jobs: Vec<String>,
    /// Threads that could not be waited for because the pool was shut down by one of its own: the rest of
    /// the work goes on in the background.
    pub in_background: bool,
}

/// A task that a shutdown could not end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unfinished {
    /// Its id.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Where it was spawned.
    pub location: &'static Location<'static>,
}

impl ShutdownReport {
    /// True if everything has ended.
    pub fn is_clean(&self) -> bool {
        self.tasks.is_empty() && self.jobs.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything has ended");
        }
        f.write_str("did not end in time:")?;
        for Unfinished { name, location, .. } in &self.tasks {
            write!(f, " task {name} (spawned at {location});")?;
        }
        for name in &self.jobs {
            write!(f, " blocking job {name};")?;
        }
        Ok(())
    }
}

impl Threads {
    /// A thread will be started. To be taken back by `leave` if it cannot be.
    pub(crate) fn expect(&self) {
        self.state.lock().running += 1;
    }

    pub(crate) fn keep(&self, handle: JoinHandle<()>) {
        let mut state = self.state.lock();
        // Those that stood in for a worker, and found nothing more to do.
        state.handles.retain(|handle| !handle.is_finished());
        state.handles.push(handle);
    }

    /// A thread is about to end, or was not started. True if it is the last one of a pool that is over.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.state.lock();
        state.running -= 1;
        self.gone.notify_all();
        state.running == 0 && state.abandoned
    }

    /// Waits for all of them up to `deadline`, and joins those that have ended. True if all have.
    fn join(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while state.running > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (state, _) = self.gone.wait_timeout(state, left);
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            let _ = handle.join();
        }
        true
    }

    /// The shutdown is over. True if no thread is left to run.
    fn abandon(&self) -> bool {
        let mut state = self.state.lock();
        state.abandoned = true;
        state.running == 0
    }
}

/// Ends the pool, waiting at most `limit`.
pub(crate) fn shut_down(shared: &Arc<Shared>, limit: Duration) -> ShutdownReport {
    let now = Instant::now();
    // A limit beyond the clock's end is no limit; a year is as good.
    let year = Duration::from_secs(365 * 24 * 3600);
    let deadline = now.checked_add(limit).unwrap_or(now + year);
    let mut report = ShutdownReport::default();
    let mut living = Vec::new();
    for phase in PHASES {
        match phase {
            Phase::StopIntake => {
                shared.set_closing();
                living = shared.registry.close();
            }
            Phase::EndTasks => living.retain(|task| !task.end_now()),
            Phase::StopWorkers => {
                stop_workers(shared, deadline);
                report.tasks = living.iter().filter(|task| !task.done()).map(unfinished).collect();
            }
            Phase::Drain => drain(shared),
            Phase::JoinBlocking => report.jobs = join_blocking(&shared.blocking, shared, deadline),
            Phase::Retire => retire(shared),
        }
    }
    report
}

fn unfinished(task: &TaskRef) -> Unfinished {
    Unfinished { id: task.id(), name: task.name(), location: task.location() }
}

fn stop_workers(shared: &Shared, deadline: Instant) {
    shared.set_stopping();
    shared.set_paused(false);
    shared.pause.end();
    shared.watchdog.stop();
    shared.offers.close();
    shared.unpark_all();
    shared.threads.join(deadline);
}

fn drain(shared: &Shared) {
    let empty = LocalQueue::new();
    let next = |queue: &LocalQueue<_>| queue.pop();
    shared.injector.clear();
    shared.back_row.clear();
    for seat in &shared.seats {
        while let Some(runnable) = seat.stealer.steal_into(&empty).or_else(|| next(&empty)) {
            drop(runnable);
        }
        while let Some(runnable) = seat.newcomers.steal() {
            drop(runnable);
        }
        drop(seat.next.steal());
    }
    if let Some(fifo) = &shared.fifo {
        fifo.clear();
    }
    if let Some(shake) = &shared.shake {
        shake.clear();
    }
}

fn join_blocking(blocking: &Blocking, shared: &Shared, deadline: Instant) -> Vec<String> {
    blocking.close(shared);
    blocking.join(deadline)
}

fn retire(shared: &Shared) {
    // A worker that holds the driver is not in a task, so it gives it back.
    drop(shared.baton.retire());
    if shared.threads.abandon() {
        home::leave(shared.id);
    }
}
