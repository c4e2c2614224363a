//! What this thread is to a pool: one of its workers, the thread of a `block_on`, a blocking thread.
//!
//! The only thread-local of the crate. Every access tolerates a thread that is being torn down: then the
//! thread is nothing to anybody. No user code runs while a field is borrowed.

use crate::local::LocalQueue;
use crate::shared::Shared;
use crate::worker::Worker;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

struct Here {
    worker: RefCell<Option<Rc<Worker>>>,
    local: RefCell<Option<Rc<LocalQueue>>>,
    runtime: RefCell<Option<Arc<Shared>>>,
    /// What this thread is busy with, so that it must not block.
    occupied: Cell<Option<Occupied>>,
}

/// Why a thread cannot be given to a `block_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// It runs a `block_on` already: the one that was called here.
    BlockOn(&'static Location<'static>),
    /// It is the worker with this index.
    Worker(usize),
}

thread_local! {
    static HERE: Here = const {
        Here {
            worker: RefCell::new(None),
            local: RefCell::new(None),
            runtime: RefCell::new(None),
            occupied: Cell::new(None),
        }
    };
}

/// This thread's worker, if it is one, counted: nothing is borrowed while it is used.
#[inline]
pub(crate) fn this_worker() -> Option<Rc<Worker>> {
    HERE.try_with(|here| here.worker.borrow().clone()).ok().flatten()
}

/// This thread's worker, if it is one.
#[inline]
pub(crate) fn worker<R>(f: impl FnOnce(&Worker) -> R) -> Option<R> {
    HERE.try_with(|here| here.worker.borrow().as_deref().map(f)).ok().flatten()
}

/// The queue of this thread's `block_on`, if it runs one.
pub(crate) fn local<R>(f: impl FnOnce(&Rc<LocalQueue>) -> R) -> Option<R> {
    HERE.try_with(|here| here.local.borrow().as_ref().map(f)).ok().flatten()
}

/// The pool that this thread works for.
pub(crate) fn with_runtime<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> Option<R> {
    HERE.try_with(|here| here.runtime.borrow().as_ref().map(f)).ok().flatten()
}

/// What this thread must not be taken away from.
pub(crate) fn occupied() -> Option<Occupied> {
    HERE.try_with(|here| here.occupied.get()).ok().flatten()
}

/// The thread works for a pool until this is dropped. Goes out in the reverse order of going in.
#[must_use]
pub(crate) struct Entered {
    runtime: Option<Arc<Shared>>,
    occupied: Option<Occupied>,
}

/// This thread works for `shared` from now on.
pub(crate) fn enter(shared: Arc<Shared>, occupied: Option<Occupied>) -> Entered {
    HERE.try_with(|here| Entered {
        runtime: here.runtime.replace(Some(shared)),
        occupied: here.occupied.replace(occupied),
    })
    .unwrap_or_else(|_| Entered { runtime: None, occupied: None })
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut runtime = self.runtime.take();
        let _ = HERE.try_with(|here| {
            here.occupied.set(self.occupied);
            runtime = here.runtime.replace(runtime.take());
        });
    }
}

/// This thread is `worker` from now on.
pub(crate) fn set_worker(worker: Worker) {
    let _ = HERE.try_with(|here| here.worker.replace(Some(Rc::new(worker))));
}

/// This thread is no worker any more. `None`: it was none, or somebody further up its stack uses the worker.
pub(crate) fn take_worker() -> Option<Worker> {
    let take = |here: &Here| {
        let mut place = here.worker.try_borrow_mut().ok()?;
        let worker = Rc::try_unwrap(place.take()?);
        worker.map_err(|in_use| *place = Some(in_use)).ok()
    };
    HERE.try_with(take).ok().flatten()
}

/// Sets this thread's local queue; gives back the one before.
pub(crate) fn set_local(local: Option<Rc<LocalQueue>>) -> Option<Rc<LocalQueue>> {
    HERE.try_with(|here| here.local.replace(local)).unwrap_or(None)
}
