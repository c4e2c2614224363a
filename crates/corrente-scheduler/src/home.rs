//! How a task finds its pool again: a few numbers stored in it, and one table of all pools.
//!
//! A wake on one of the pool's own workers finds the pool in a thread-local. A wake from elsewhere looks
//! into the table. So no task holds a counted reference to its pool, and a spawn touches no shared count.
//! What always holds: a pool's number is never given to another, and the pool stays in the table while any
//! of its tasks may still end.

use crate::context;
use crate::registry::Slot;
use crate::shared::Shared;
use corrente_task::{Cause, Runnable, Schedule, Unobserved};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The schedule of a task that any worker may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    pub(crate) runtime: u32,
    /// `None`: refused by a closed registry, and about to be dropped.
    pub(crate) slot: Option<Slot>,
}

/// The schedule of a task that belongs to one `block_on`: its main task and the local ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalHome {
    pub(crate) runtime: u32,
    pub(crate) local: u32,
    pub(crate) slot: u32,
}

/// The schedule of a blocking job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobHome {
    pub(crate) runtime: u32,
}

impl Schedule for Home {
    #[inline]
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        let mut runnable = Some(runnable);
        // The hot path: a worker of this pool wakes. A push runs no user code.
        context::worker(|worker| {
            if worker.shared.id == self.runtime {
                if let Some(runnable) = runnable.take() {
                    worker.push(runnable, cause);
                }
                if worker.core.in_batch.get() {
                    // Until it is polled there is time to fetch what most of these polls will touch at their end.
                    self.slot.inspect(|slot| worker.shared.registry.prefetch(*slot));
                }
            }
        });
        if let Some(runnable) = runnable {
            deliver(self.runtime, runnable, Shared::push);
        }
    }

    fn complete(&self) {
        let Some(slot) = self.slot else { return };
        let on_worker = context::worker(|worker| {
            let ours = worker.shared.id == self.runtime;
            if ours {
                worker.shared.registry.leave(slot);
            }
            ours
        });
        if on_worker != Some(true) {
            with_shared(self.runtime, |shared| shared.registry.leave(slot));
        }
    }

    fn unobserved(&self, report: &Unobserved<'_>) {
        unobserved(self.runtime, report);
    }
}

impl Schedule for LocalHome {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        let mut runnable = Some(runnable);
        context::local(|queue| {
            if queue.is(self) && !queue.is_fifo() {
                queue.push_some(runnable.take());
            }
        });
        if let Some(runnable) = runnable {
            deliver(self.runtime, runnable, |shared, runnable| shared.push_local(self, runnable));
        }
    }

    fn complete(&self) {
        let here = context::local(|queue| queue.is(self).then(|| queue.local.forget(self.slot)));
        if here.flatten().is_none() {
            with_shared(self.runtime, |shared| {
                if let Some(local) = shared.lending.find(self.local) {
                    local.forget(self.slot);
                }
            });
        }
    }

    fn unobserved(&self, report: &Unobserved<'_>) {
        unobserved(self.runtime, report);
    }
}

impl Schedule for JobHome {
    /// All threads may be busy for long, and nobody is to wait for one only to learn that a job is cancelled.
    const ENDS_UNSTARTED: bool = true;

    fn schedule(&self, runnable: Runnable, _: Cause) {
        deliver(self.runtime, runnable, |shared, runnable| shared.blocking.push(shared, runnable));
    }

    fn unobserved(&self, report: &Unobserved<'_>) {
        unobserved(self.runtime, report);
    }
}

/// Gives the `Runnable` to the pool. Without a pool it is dropped, which ends its task.
fn deliver(runtime: u32, runnable: Runnable, to: impl FnOnce(&Shared, Runnable)) {
    with_shared(runtime, |shared| to(shared, runnable));
}

fn unobserved(runtime: u32, report: &Unobserved<'_>) {
    let hook = with_shared(runtime, |shared| shared.hooks.unobserved.clone()).flatten();
    match hook {
        Some(hook) => hook(report),
        None => eprintln!("corrente: {report}"),
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);
/// Few pools exist at a time, so a scan beats a map.
static TABLE: RwLock<Vec<Arc<Shared>>> = RwLock::new(Vec::new());

/// A number for a new pool. `None`: 4 billion pools have been.
pub(crate) fn new_number() -> Option<u32> {
    // Relaxed: it only counts.
    let number = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    number.ok()
}

/// Lets tasks find the pool.
pub(crate) fn enter(shared: Arc<Shared>) {
    TABLE.write().unwrap_or_else(PoisonError::into_inner).push(shared);
}

/// No task of the pool is left.
pub(crate) fn leave(runtime: u32) {
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let position = table.iter().position(|shared| shared.id == runtime);
    let shared = position.map(|position| table.swap_remove(position));
    drop(table);
    drop(shared);
}

/// The pool with this number, if it is there.
pub(crate) fn find(runtime: u32) -> Option<Arc<Shared>> {
    let here = context::with_runtime(|shared| (shared.id == runtime).then(|| shared.clone()));
    here.flatten().or_else(|| {
        let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
        table.iter().find(|shared| shared.id == runtime).cloned()
    })
}

/// Calls `f` with the pool, if it is there. Without holding a lock: `f` may do anything.
fn with_shared<R>(runtime: u32, f: impl FnOnce(&Shared) -> R) -> Option<R> {
    find(runtime).map(|shared| f(&shared))
}
