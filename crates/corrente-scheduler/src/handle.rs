//! A pool as anybody may hold it: to spawn from anywhere, and to look inside.
//!
//! Cheap to clone. It keeps the pool's memory alive but not the pool: after a shutdown what it spawns is
//! cancelled at once, and never runs.

use crate::context;
use crate::home::{Home, JobHome, LocalHome};
use crate::local::LocalQueue;
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::worker::Worker;
use corrente_task::{Kind, Options, Runnable, Spawned, Task, TaskRef, spawn, spawn_local as bind};
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

/// See the module.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The pool that this thread works for: as a worker, in `block_on`, or with a blocking job.
    pub fn current() -> Option<Self> {
        context::with_runtime(|shared| Self::new(shared.clone()))
    }

    /// Spawns a task. It runs when a worker gets to it, and not before this returns to its caller's caller:
    /// a spawn polls nothing.
    ///
    /// After a shutdown has begun the task is cancelled at once. asyncio: `create_task`.
    #[inline]
    pub fn spawn<F>(&self, future: F, options: Options) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.prepare(future, options, |shared, worker, runnable| match worker {
            Some(worker) => worker.push_new(runnable),
            None => shared.push(runnable),
        })
    }

    /// Spawns a task and polls it once, here and now. asyncio: `eager_start=True`.
    pub fn spawn_eager<F>(&self, future: F, options: Options) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.prepare(future, options, |_, worker, runnable| {
            // Not held in the poll: it may hand the worker on.
            drop(worker);
            runnable.run();
        })
    }

    /// A new task, entered in the books and given to `start`, with this thread's worker if it is of this pool.
    #[inline]
    fn prepare<F>(
        &self,
        future: F,
        options: Options,
        start: impl FnOnce(&Shared, Option<Rc<Worker>>, Runnable),
    ) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = &*self.shared;
        let callback = options.kind == Kind::Callback;
        let worker = context::this_worker().filter(|worker| worker.shared.id == shared.id);
        let slot = match &worker {
            Some(worker) => worker.reserve(),
            // Threads from outside use the shards behind the workers'.
            None => shared.registry.reserve(shared.seats.len()),
        };
        let home = Home { runtime: shared.id, slot };
        let Spawned { runnable, task, task_ref } = spawn(future, home, options);
        match slot {
            Some(slot) if shared.registry.enter(slot, task_ref, callback) => {
                start(shared, worker, runnable);
            }
            // The pool is over: this ends the task.
            _ => drop(runnable),
        }
        task
    }

    /// Calls `f` on a thread that may block. The task's handle has its value.
    ///
    /// A job that has not begun ends at once when it is cancelled; one that has runs to its end. If the system refuses every
    /// thread, the handle ends as cancelled, with the system's reason. asyncio: what is under `to_thread`.
    pub fn spawn_blocking<F, T>(&self, f: F, options: Options) -> Task<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // A job is no task to those who look: on its thread there is no current one.
        let options = Options { kind: Kind::Callback, ..options };
        let home = JobHome { runtime: self.shared.id };
        let Spawned { runnable, task, task_ref } = spawn(async move { f() }, home, options);
        drop(task_ref);
        self.shared.blocking.push(&self.shared, runnable);
        task
    }

    /// What the pool has done so far.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// The tasks that have not ended, in no order; callbacks and blocking jobs are not among them.
    /// asyncio: `all_tasks`.
    pub fn all_tasks(&self) -> Vec<TaskRef> {
        self.shared.tasks()
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.shared.config.workers
    }

    /// True if a shutdown has begun.
    pub fn is_shut_down(&self) -> bool {
        self.shared.is_closing()
    }

    /// True if both are of the same pool.
    pub fn is_same(&self, other: &Self) -> bool {
        self.shared.id == other.shared.id
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}, {:?})", self.shared.id, self.shared.config)
    }
}

/// The index of the worker that this thread is; `None` on all other threads.
pub fn current_worker() -> Option<usize> {
    context::worker(|worker| worker.index)
}

/// There is no `block_on` on this thread, to which a local task could belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoBlockOn;

impl fmt::Display for NoBlockOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a local task belongs to the thread that runs the main task, and this is another one: spawn it \
             from main or from another local task, or use a task that is Send",
        )
    }
}

impl std::error::Error for NoBlockOn {}

/// Spawns a task that need not be `Send`: it runs on this thread, and ends with this thread's `block_on`.
///
/// # Errors
///
/// If this thread is not in `block_on`.
pub fn spawn_local<F>(future: F, options: Options) -> Result<Task<F::Output>, NoBlockOn>
where
    F: Future + 'static,
    F::Output: 'static,
{
    prepare_local(future, options, |queue, runnable| match &queue.shared.fifo {
        Some(fifo) => fifo.push(&queue.shared, runnable),
        None => queue.push(runnable),
    })
}

/// Like [`spawn_local`], and polls the task once, here and now.
///
/// # Errors
///
/// If this thread is not in `block_on`.
pub fn spawn_local_eager<F>(future: F, options: Options) -> Result<Task<F::Output>, NoBlockOn>
where
    F: Future + 'static,
    F::Output: 'static,
{
    prepare_local(future, options, |_, runnable| {
        runnable.run();
    })
}

fn prepare_local<F>(
    future: F,
    options: Options,
    start: impl FnOnce(&LocalQueue, corrente_task::Runnable),
) -> Result<Task<F::Output>, NoBlockOn>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let queue = context::local(Rc::clone).ok_or(NoBlockOn)?;
    let callback = options.kind == Kind::Callback;
    let slot = queue.local.reserve();
    let home = LocalHome {
        runtime: queue.shared.id,
        local: queue.local.number,
        slot: slot.unwrap_or(u32::MAX),
    };
    let Spawned { runnable, task, task_ref } = bind(future, home, options);
    match slot {
        Some(slot) if queue.local.enter(slot, task_ref, callback) => start(&queue, runnable),
        // The `block_on` is over: this ends the task.
        _ => drop(runnable),
    }
    Ok(task)
}
