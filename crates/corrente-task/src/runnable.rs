//! The right to poll a task once, and everything that happens around one poll.
//!
//! Possession is state: a [`Runnable`] exists exactly while SCHEDULED is set and nobody polls. Running it
//! uses it up; a wake makes the next one. Dropping it unrun ends the task, as if it had been aborted.
//!
//! One poll, from top to bottom: [`Runnable::run`] takes the cell (`start`), [`poll_once`] looks for
//! requests and polls within a frame, and then either the task lets go ([`rest`]) or ends (`ending.rs`).

use crate::budget;
use crate::current::Frame;
use crate::ending::{self, Ending};
use crate::error::{TaskError, Unobserved, What};
use crate::header::{Header, Polled};
use crate::node::Unwinding;
use crate::quiet;
use crate::scope;
use crate::state::{LetGo, Snapshot, Start};
use crate::task_ref::{Borrowed, TaskRef};
use crate::tree::{Found, ROOT};
use std::mem;
use std::ptr::NonNull;

/// How a task reaches its scheduler. A small value, stored in the task and copied to be called.
///
/// Its functions must not panic: they are called from wakers and destructors, where nobody expects it.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// Whether a task that was never polled ends where it is cancelled or aborted, on that thread and before the
    /// call returns, and not where its Runnable would poll it. For queues in which a Runnable may wait for long;
    /// it stays there, and does nothing. Not for local tasks.
    ///
    /// A future that in its destructor cancels the next such task, and that one the next, nests as deep as the
    /// chain is long.
    const ENDS_UNSTARTED: bool = false;

    /// The task may be polled: bring `runnable` to a thread that will run it. Called on any thread.
    ///
    /// A Runnable of a local task must be brought home also to be dropped: elsewhere its future is leaked.
    fn schedule(&self, runnable: Runnable, cause: Cause);

    /// The task has ended: its future is gone, its outcome stored. Called once, before anybody is woken.
    fn complete(&self) {}

    /// Something went wrong that nobody will read of elsewhere.
    fn unobserved(&self, report: &Unobserved<'_>) {
        eprintln!("corrente: {report}");
    }
}

/// Why a task is to be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It rested and was woken.
    Wake,
    /// It rested, and a task has ended that it waits for.
    Joined,
    /// It was woken while it was being polled, often by itself.
    Yield,
}

/// The right to poll a task once.
///
/// Dropping it without running it ends the task: its future is dropped on this thread.
#[must_use = "a Runnable that is dropped ends its task"]
pub struct Runnable(NonNull<Header>);

// SAFETY: `spawn` asks for futures that are Send; `local.rs` refuses to poll and to drop a future that is
// not on any thread but its own. The rest of a cell is made for all threads.
unsafe impl Send for Runnable {}
// SAFETY: `&Runnable` gives out a `&TaskRef` and nothing else.
unsafe impl Sync for Runnable {}

impl Runnable {
    /// The Runnable of a task that has just been spawned, or whose state word has just made one.
    ///
    /// # Safety
    ///
    /// SCHEDULED is set, no other Runnable exists, and a reference is handed over.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// Polls the task once. True if that ended it.
    #[inline]
    pub fn run(self) -> bool {
        let header = self.into_raw();
        // SAFETY: the Runnable's reference keeps the cell alive until the state word takes it.
        match unsafe { header.as_ref() }.state.start() {
            // SAFETY: we hold RUNNING now, and the reference.
            Start::Poll(before) => unsafe { poll_once(header, before) },
            Start::Bounced => false,
            Start::Discard { last } => {
                if last {
                    // SAFETY: that was the last reference.
                    unsafe { ending::free(header) };
                }
                false
            }
        }
    }

    /// Hands it to the task's scheduler again.
    pub fn schedule(self) {
        // SAFETY: the Runnable goes on as it is.
        unsafe { submit(self.into_raw(), Cause::Wake) };
    }

    /// The task, by reference.
    pub fn task(&self) -> Borrowed<'_> {
        // SAFETY: the Runnable's reference keeps the cell alive.
        unsafe { TaskRef::borrowed(self.0) }
    }

    /// True if the task is a callback ([`Kind::Callback`](crate::Kind::Callback)).
    pub fn is_callback(&self) -> bool {
        // SAFETY: the Runnable's reference keeps the cell alive.
        unsafe { self.0.as_ref() }.state.load().is_callback()
    }

    pub(crate) fn into_raw(self) -> NonNull<Header> {
        mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        // SAFETY: the Runnable's reference is given up.
        unsafe { ending::give_up(self.0) };
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runnable({})", self.task().id())
    }
}

/// Makes a Runnable and hands it to the scheduler.
///
/// # Safety
///
/// The state word has just made a Runnable, with its reference.
pub(crate) unsafe fn submit(header: NonNull<Header>, cause: Cause) {
    quiet::assert_loud();
    // SAFETY: see above; the header is alive by that reference.
    unsafe { (header.as_ref().vtable.schedule)(header, Runnable::new(header), cause) };
}

enum Step {
    /// `asked`: the tree may hold requests.
    /// `woken`: the task has woken itself.
    Rest {
        asked: bool,
        woken: bool,
    },
    End(Ending),
}

/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both.
unsafe fn poll_once(header: NonNull<Header>, before: Snapshot) -> bool {
    // SAFETY: the reference keeps the cell alive for as long as `task` is used.
    let task = unsafe { TaskRef::borrowed(header) };
    // SAFETY: we hold RUNNING until the frame is gone.
    let step = match unsafe { step(&task, before) } {
        // SAFETY: as above.
        Step::Rest { asked, woken } => unsafe { rest(&task, asked, woken) },
        end => end,
    };
    match step {
        Step::Rest { .. } => false,
        Step::End(ending) => {
            // SAFETY: not let go of yet.
            unsafe { ending::end(&task, ending) };
            // SAFETY: the reference that came with the Runnable.
            unsafe { ending::drop_reference(header) };
            true
        }
    }
}

/// # Safety
///
/// The caller holds RUNNING.
unsafe fn step(task: &TaskRef, before: Snapshot) -> Step {
    if before.is_aborted() {
        return Step::End(Ending::aborted());
    }
    if before.is_asked() || before.is_posted() {
        if let Some(cancelled) = scope::requested_at_root(task, before) {
            return Step::End(Ending::Error(TaskError::Cancelled(cancelled)));
        }
    }
    if before.is_shared() {
        if let Some(shared) = task.header().shared_context() {
            let old = task.header().replace_context(shared.snapshot());
            task.contain(What::DropPanic, || drop((old, shared)));
        }
    }
    // SAFETY: we hold RUNNING while the frame is entered.
    let frame = unsafe { Frame::new(task.pointer(), before.is_asked(), before.is_callback()) };
    let entered = frame.enter();
    let left = budget::begin();
    // SAFETY: we hold RUNNING, and the future is there until the task ends.
    let polled = unsafe { (task.header().vtable.poll)(task.pointer()) };
    budget::restore(left);
    drop(entered);
    match polled {
        Polled::Pending => match frame.take_unwinding(ROOT) {
            Some(error) => Step::End(Ending::Error(error)),
            None => Step::Rest { asked: frame.asked.get(), woken: frame.woken.get() },
        },
        Polled::Ready => match task.header().state.load().is_posted() {
            // asyncio's rule: who cancels himself and returns is cancelled, and the value lost.
            true => match scope::undelivered(task) {
                Some(own) => Step::End(Ending::Error(TaskError::Cancelled(own))),
                None => Step::End(Ending::Output),
            },
            false => Step::End(Ending::Output),
        },
        Polled::Panicked(payload) => match Unwinding::from_payload(payload) {
            Ok(error) => Step::End(Ending::Error(error)),
            Err(payload) => Step::End(Ending::Error(task.panicked(payload))),
        },
        Polled::DropPanicked(payload) => match Unwinding::from_payload(payload) {
            Ok(error) => Step::End(Ending::Error(error)),
            Err(payload) => Step::End(Ending::Error(task.panicked(payload))),
        },
    }
}

/// Lets go of a task that goes on. Comes back with an end if it was aborted meanwhile.
///
/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both if the answer is `Rest`; then `task` is not
/// to be used any more.
#[inline]
unsafe fn rest(task: &TaskRef, asked: bool, woken: bool) -> Step {
    // A frame that was not asked has left no request in the tree: only its own poll could have.
    let let_go = if asked { LetGo::Look } else { task.header().state.let_go(false, woken) };
    match let_go {
        // SAFETY: as the caller's.
        LetGo::Look => unsafe { settle_and_rest(task, woken) },
        LetGo::Drop => Step::End(Ending::aborted()),
        other => {
            // SAFETY: let go of, with our reference.
            unsafe { rested(task, other) };
            Step::Rest { asked, woken }
        }
    }
}

/// The same for a task that has messages or requests.
///
/// # Safety
///
/// As [`rest`].
#[cold]
unsafe fn settle_and_rest(task: &TaskRef, woken: bool) -> Step {
    let mut found = Found::new(task.id());
    loop {
        let asked = scope::settle(task, &mut found);
        match task.header().state.let_go(asked, woken) {
            LetGo::Look => {}
            LetGo::Drop => {
                scope::finish(found);
                return Step::End(Ending::aborted());
            }
            other => {
                // SAFETY: let go of, with our reference.
                unsafe { rested(task, other) };
                scope::finish(found);
                return Step::Rest { asked, woken };
            }
        }
    }
}

/// # Safety
///
/// The task was let go of with this result, and the caller's reference with it.
#[inline]
unsafe fn rested(task: &TaskRef, let_go: LetGo) {
    match let_go {
        // SAFETY: our reference is the new Runnable's.
        LetGo::Submit => unsafe { submit(task.pointer(), Cause::Yield) },
        // SAFETY: our reference was the last one.
        LetGo::Parked { last: true } => unsafe { ending::free(task.pointer()) },
        _ => {}
    }
}
