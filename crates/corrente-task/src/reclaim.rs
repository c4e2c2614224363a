//! Tasks that own tasks that own tasks: dropping the first must not need a stack as deep as the chain.
//!
//! The ends that can nest go through [`run`]: freeing a cell whose last reference is gone, ending a task
//! whose Runnable is dropped, throwing away an outcome. Each may drop user values that own the next one.
//! They run at once, in the order in which they nest, up to [`LIMIT`] of them within each other; what lies
//! deeper waits in a list until the one at the limit is done. So the stack that this crate needs has a
//! bound, and whoever drops something finds it dropped when the call comes back, but in such depths.

use crate::ending;
use crate::error::{contained, drop_payload};
use crate::header::Header;
use crate::task_ref::TaskRef;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;

/// How deep ends may nest.
const LIMIT: u32 = 16;

/// One end that can nest.
pub(crate) enum Job {
    /// Frees a cell. It has no references left.
    Free(NonNull<Header>),
    /// Ends a task whose Runnable was dropped unrun. The Runnable's reference comes along.
    GiveUp(NonNull<Header>),
    /// Throws away the outcome of a task. The handle is gone; the task is over.
    Discard(TaskRef),
}

corrente_shim::local! {
    static DEPTH: Cell<u32> = Cell::new(0);
}

corrente_shim::local! {
    static LATER: RefCell<VecDeque<Job>> = RefCell::new(VecDeque::new());
}

/// # Safety
///
/// What the job says of its task is so, and the caller gives up what comes along.
pub(crate) unsafe fn run(job: Job) {
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    let job = if depth < LIMIT { Some(job) } else { put_off(job) };
    if let Some(job) = job {
        let _ = DEPTH.try_with(|d| d.set(depth + 1));
        // SAFETY: as the caller's.
        unsafe { run_now(job) };
        if depth + 1 == LIMIT {
            while let Some(job) = next() {
                // SAFETY: as its caller's, who put it off.
                unsafe { run_now(job) };
            }
        }
        let _ = DEPTH.try_with(|d| d.set(depth));
    }
}

/// Comes back with the job if there is no list any more, at the end of a thread.
fn put_off(job: Job) -> Option<Job> {
    let mut job = Some(job);
    let _ = LATER.try_with(|later| later.borrow_mut().extend(job.take()));
    job
}

fn next() -> Option<Job> {
    LATER.try_with(|later| later.borrow_mut().pop_front()).unwrap_or(None)
}

/// # Safety
///
/// As [`run`]. Never unwinds.
unsafe fn run_now(job: Job) {
    let end = || match job {
        // SAFETY: as the caller's.
        Job::Free(header) => unsafe { ending::free_now(header) },
        // SAFETY: as the caller's.
        Job::GiveUp(header) => unsafe { ending::give_up_now(header) },
        // SAFETY: as the caller's.
        Job::Discard(task) => unsafe { ending::discard_outcome(&task) },
    };
    // What user code there is has been contained already, but for a scheduler that panics.
    if let Err(payload) = contained(end) {
        drop_payload(payload);
    }
}
