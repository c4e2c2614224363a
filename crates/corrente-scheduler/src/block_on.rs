//! `block_on`: a thread is lent to the pool until its main task has ended.
//!
//! Main is a task of this thread (`with_root`), so it may borrow and need not be Send. What always holds,
//! however it ends: main and all local tasks are over and dropped on this thread, the seat is handed back,
//! and the thread is free for another `block_on`.

use crate::context::{self, Entered, Occupied};
use crate::home::LocalHome;
use crate::local::LocalQueue;
use crate::pool::{sit_down, stand_up};
use crate::shared::Shared;
use crate::worker::{self, Core, Worker};
use corrente_task::{Options, Root, Runnable, TaskError, with_root};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

/// So many polls of a guest, and it looks whether the seat has become free: it may never have nothing to do.
const GUEST_POLLS: usize = 16;

/// Why a `block_on` has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockOnError {
    /// The thread is busy with a runtime already, and would never get free.
    Occupied {
        /// What with.
        by: Occupied,
        /// Where the `block_on` is that cannot be.
        here: &'static Location<'static>,
    },
    /// In FIFO order one thread drives everything, and another one does.
    AlreadyRunning,
    /// The pool is being shut down, or is.
    ShutDown,
    /// The main task was cancelled, or has panicked.
    Task(TaskError),
}

impl fmt::Display for BlockOnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied { by: Occupied::BlockOn(outer), here } => write!(
                f,
                "cannot block at {here}: this thread runs a runtime already (since {outer}); use `.await`, \
                 or do it on a thread of its own"
            ),
            Self::Occupied { by: Occupied::Worker(index), here } => write!(
                f,
                "cannot block at {here}: this thread is worker {index} of a runtime and has other tasks \
                 to run; use `.await`, or do it on a thread of its own"
            ),
            Self::AlreadyRunning => f.write_str(
                "in FIFO order one thread drives the runtime, and another one does already",
            ),
            Self::ShutDown => f.write_str("the runtime has been shut down"),
            Self::Task(error) => write!(f, "the main task did not return: {error}"),
        }
    }
}

impl std::error::Error for BlockOnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Task(error) => Some(error),
            _ => None,
        }
    }
}

/// See [`Pool::block_on`](crate::Pool::block_on).
pub(crate) fn block_on<F: Future>(
    shared: &Arc<Shared>,
    main: F,
    options: Options,
) -> Result<F::Output, BlockOnError> {
    if let Some(by) = context::occupied() {
        return Err(BlockOnError::Occupied { by, here: options.location });
    }
    if shared.is_closing() {
        return Err(BlockOnError::ShutDown);
    }
    let visit = Visit::new(shared, options.location);
    let fifo_seat = visit.fifo_seat()?;
    let local = &visit.queue.local;
    let slot = local.reserve().ok_or(BlockOnError::ShutDown)?;
    let home = LocalHome { runtime: shared.id, local: local.number, slot };
    let (_, outcome) = with_root(main, home, options, |first, root| {
        if local.enter(slot, root.task().clone(), false) {
            visit.drive(first, root, fifo_seat);
        }
    });
    outcome.map_err(BlockOnError::Task)
}

/// A thread inside of a `block_on`.
struct Visit<'a> {
    shared: &'a Arc<Shared>,
    queue: Rc<LocalQueue>,
    before: Option<Rc<LocalQueue>>,
    _entered: Entered,
}

impl<'a> Visit<'a> {
    fn new(shared: &'a Arc<Shared>, here: &'static Location<'static>) -> Self {
        let entered = context::enter(shared.clone(), Some(Occupied::BlockOn(here)));
        // Counted as up before it is admitted: virtual time may move as soon as somebody is.
        shared.standstill.get_up();
        let local = shared.lending.admit(shared.id);
        local.parker.belong_here();
        let queue = Rc::new(LocalQueue::new(local, shared.clone()));
        let before = context::set_local(Some(queue.clone()));
        Self { shared, queue, before, _entered: entered }
    }

    /// In FIFO order: the right to drive.
    fn fifo_seat(&self) -> Result<Option<FifoSeat<'_>>, BlockOnError> {
        if self.shared.fifo.is_none() {
            return Ok(None);
        }
        let core = self.shared.lending.take_seat(&self.queue.local);
        let core = core.ok_or(BlockOnError::AlreadyRunning)?;
        Ok(Some(FifoSeat { visit: self, core: Some(core) }))
    }

    fn drive(&self, first: Runnable, root: &Root<'_>, fifo_seat: Option<FifoSeat<'_>>) {
        if let (Some(fifo), Some(_seat)) = (&self.shared.fifo, fifo_seat) {
            fifo.push(self.shared, first);
            return fifo.run(self.shared, root);
        }
        self.queue.push(first);
        while !root.done() {
            match self.shared.lending.take_seat(&self.queue.local) {
                Some(core) => self.work(core, root),
                None => self.be_guest(root),
            }
        }
    }

    /// As worker 0.
    fn work(&self, core: Core, root: &Root<'_>) {
        let local = Some(self.queue.clone());
        let worker = Worker::new(self.shared.clone(), 0, core, local);
        let _seated = Seated { visit: self };
        sit_down(worker);
        worker::work(|| root.done());
    }

    /// While another thread is worker 0: a few polls of main and the local tasks; or sleep, if none is ready,
    /// until something happens.
    fn be_guest(&self, root: &Root<'_>) {
        for _ in 0..GUEST_POLLS {
            let Some(runnable) = self.queue.pop(self.shared.shake.as_ref()) else {
                return self
                    .shared
                    .standstill
                    .sleep(self.shared, || self.queue.local.parker.park());
            };
            runnable.run();
            if root.done() {
                return;
            }
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.queue.end_all();
        context::set_local(self.before.take());
        self.shared.lending.dismiss(self.shared, &self.queue.local);
        self.shared.standstill.lie_down(self.shared);
    }
}

/// The seat of worker 0 with this thread on it; handed back also when something unwinds.
struct Seated<'a> {
    visit: &'a Visit<'a>,
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let Visit { shared, queue, .. } = self.visit;
        match stand_up(shared, 0) {
            Some(core) => {
                // First the departure: as soon as the seat is free, another thread may arrive at it.
                shared.depart(0);
                shared.lending.return_seat(&queue.local, core);
            }
            None => shared.lending.lose_seat(&queue.local),
        }
    }
}

/// In FIFO order the seat is only the right to be the one thread.
struct FifoSeat<'a> {
    visit: &'a Visit<'a>,
    core: Option<Core>,
}

impl Drop for FifoSeat<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.core.take() {
            self.visit.shared.lending.return_seat(&self.visit.queue.local, core);
        }
    }
}
