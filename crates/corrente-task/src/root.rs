//! A task that lives on its caller's stack frame, so to say: its future may borrow, and is gone on return.

use crate::cell::Cell;
use crate::error::{TaskError, What, contained};
use crate::local::Bound;
use crate::runnable::{Runnable, Schedule};
use crate::task::Task;
use crate::task_ref::TaskRef;
use crate::{Options, Spawned};
use std::future::Future;
use std::panic::resume_unwind;

/// The root task, as seen by whoever drives it.
pub struct Root<'a> {
    task: &'a TaskRef,
}

impl Root<'_> {
    /// True if the root's future is done.
    pub fn done(&self) -> bool {
        self.task.done()
    }
    /// The task.
    pub fn task(&self) -> &TaskRef {
        self.task
    }
}

/// Runs `future`, which may borrow and need not be Send, as a task of this thread.
///
/// `drive` is given the first Runnable and has to bring it, and those that wakes make, to this thread and
/// run them until the root [is done](Root::done). Should it return or unwind earlier, the task is ended.
/// When this function returns the future is gone, and with it every borrow; wakers may live on.
///
/// # Errors
///
/// As [`Task::outcome`].
pub fn with_root<F, S, R>(
    future: F,
    schedule: S,
    options: Options,
    drive: impl FnOnce(Runnable, &Root<'_>) -> R,
) -> (R, Result<F::Output, TaskError>)
where
    F: Future,
    S: Schedule,
{
    let header = Cell::allocate(Bound::new(future), schedule, options, true);
    // SAFETY: three references were made. The future is polled and dropped by this thread only (`Bound`),
    // and it is gone before this function returns or unwinds, so what it borrows outlives it. The output
    // leaves through the handle, which stays here, and is taken out of it below in every case.
    let Spawned { runnable, mut task, task_ref } = unsafe { Spawned::<F::Output>::new(header) };
    let result = contained(|| drive(runnable, &Root { task: &task_ref }));
    // Somebody may hold the cell for the moment of a seizure. Nobody polls it but this thread.
    while !task_ref.end_now() {
        corrente_shim::thread::yield_now();
    }
    let outcome = take(&mut task);
    match result {
        Ok(result) => (result, outcome),
        Err(payload) => {
            task_ref.contain(What::DropPanic, || drop(outcome));
            resume_unwind(payload)
        }
    }
}

fn take<T>(task: &mut Task<T>) -> Result<T, TaskError> {
    match task.try_outcome() {
        Some(outcome) => outcome,
        None => unreachable!("the root has ended and nobody else has its handle"),
    }
}
