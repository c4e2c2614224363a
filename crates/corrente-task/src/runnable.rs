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
use crate::header::{Ended, Header};
use crate::node::Unwinding;
use crate::quiet;
use crate::scope;
use crate::state::{LetGo, Snapshot, Start};
use crate::task_ref::{Borrowed, TaskRef};
use crate::tree::{Found, ROOT};
use std::mem;
use std::ptr::NonNull;
use std::task::Poll;

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

/// What a poll has left to be seen to.
#[derive(Default)]
struct Left {
    /// The tree may hold requests.
    asked: bool,
    /// The task has woken itself.
    woken: bool,
}

/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both.
unsafe fn poll_once(header: NonNull<Header>, before: Snapshot) -> bool {
    // SAFETY: the reference keeps the cell alive for as long as `task` is used.
    let task = unsafe { TaskRef::borrowed(header) };
    let mut left = Left::default();
    // SAFETY: we hold RUNNING until the frame is gone.
    let ending = match unsafe { step(&task, before, &mut left) } {
        // SAFETY: as above.
        None => unsafe { rest(&task, &left) },
        ending => ending,
    };
    let Some(ending) = ending else { return false };
    // SAFETY: not let go of yet.
    unsafe { ending::end(&task, ending) };
    // SAFETY: the reference that came with the Runnable.
    unsafe { ending::drop_reference(header) };
    true
}

/// Polls, unless the task is to end at once. `None`: the task goes on.
///
/// # Safety
///
/// The caller holds RUNNING.
#[inline]
unsafe fn step(task: &TaskRef, before: Snapshot, left: &mut Left) -> Option<Ending> {
    if before.is_aborted() {
        return Some(Ending::aborted());
    }
    if before.is_asked() || before.is_posted() {
        if let Some(cancelled) = scope::requested_at_root(task, before) {
            return Some(Ending::Error(TaskError::Cancelled(cancelled)));
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
    let budget = budget::begin();
    // SAFETY: we hold RUNNING, and the future is there until the task ends.
    let polled = unsafe { (task.header().vtable.poll)(task.pointer()) };
    budget::restore(budget);
    drop(entered);
    match polled {
        Poll::Pending => {
            *left = Left { asked: frame.asked.get(), woken: frame.woken.get() };
            frame.take_unwinding(ROOT).map(Ending::Error)
        }
        Poll::Ready(ended) => Some(ending_of(task, ended)),
    }
}

#[inline]
fn ending_of(task: &TaskRef, ended: Ended) -> Ending {
    match ended {
        Ended::Output => {
            // asyncio's rule: who cancels himself and returns is cancelled, and the value lost.
            let posted = task.header().state.load().is_posted();
            match if posted { scope::undelivered(task) } else { None } {
                Some(own) => Ending::Error(TaskError::Cancelled(own)),
                None => Ending::Output,
            }
        }
        Ended::Panicked(payload) => match Unwinding::from_payload(payload) {
            Ok(error) => Ending::Error(error),
            Err(payload) => Ending::Error(task.panicked(payload)),
        },
    }
}

/// Lets go of a task that goes on. Comes back with an end if it was aborted meanwhile.
///
/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both if the answer is `None`; then `task` is not
/// to be used any more.
#[inline]
unsafe fn rest(task: &TaskRef, left: &Left) -> Option<Ending> {
    let Left { asked, woken } = *left;
    // A frame that was not asked has left no request in the tree: only its own poll could have.
    let let_go = if asked { LetGo::Look } else { task.header().state.let_go(false, woken) };
    match let_go {
        // SAFETY: as the caller's.
        LetGo::Look => unsafe { settle_and_rest(task, woken) },
        LetGo::Drop => Some(Ending::aborted()),
        other => {
            // SAFETY: let go of, with our reference.
            unsafe { rested(task, other) };
            None
        }
    }
}

/// The same for a task that has messages or requests.
///
/// # Safety
///
/// As [`rest`].
#[cold]
unsafe fn settle_and_rest(task: &TaskRef, woken: bool) -> Option<Ending> {
    let mut found = Found::new(task.id());
    loop {
        let asked = scope::settle(task, &mut found);
        match task.header().state.let_go(asked, woken) {
            LetGo::Look => {}
            LetGo::Drop => {
                scope::finish(found);
                return Some(Ending::aborted());
            }
            other => {
                // SAFETY: let go of, with our reference.
                unsafe { rested(task, other) };
                scope::finish(found);
                return None;
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
