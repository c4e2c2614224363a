//! The right to poll a task once, and everything that happens around one poll.
//!
//! Possession is state: a [`Runnable`] exists exactly while SCHEDULED is set and nobody polls. Running it
//! uses it up; a wake makes the next one. Dropping it unrun ends the task, as if it had been aborted.
//!
//! One poll, from top to bottom: [`Runnable::run`] takes the cell (`start`), [`poll_once`] looks for
//! requests and polls within a frame, and then either the task lets go ([`rest`]) or ends ([`end`]).

use crate::budget;
use crate::current::Frame;
use crate::error::{Cancelled, TaskError, Unobserved, What};
use crate::header::{self, Header, Polled};
use crate::node::Unwinding;
use crate::scope::{self, ROOT, Work};
use crate::state::{LetGo, Seize, Snapshot, Start};
use crate::task_ref::{Borrowed, TaskRef};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// How a task reaches its scheduler. A small value, stored in the task and copied to be called.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// The task may be polled: bring `runnable` to a thread that will run it. Called on any thread.
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
                    unsafe { free(header) };
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
        TaskRef::borrowed(unsafe { self.0.as_ref() })
    }

    /// True if the task is a callback ([`Kind::Callback`](crate::Kind::Callback)).
    pub fn is_callback(&self) -> bool {
        // SAFETY: the Runnable's reference keeps the cell alive.
        unsafe { self.0.as_ref() }.state.load().is_callback()
    }

    fn into_raw(self) -> NonNull<Header> {
        mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let header = self.0;
        // SAFETY: as in `run`.
        match unsafe { header.as_ref() }.state.give_up() {
            Start::Poll(_) => {
                // SAFETY: we hold RUNNING, and the reference until it is dropped below.
                unsafe { end(header, Ending::Error(cancelled())) };
                // SAFETY: the Runnable's reference.
                unsafe { drop_reference(header) };
            }
            Start::Bounced => {}
            // SAFETY: that was the last reference.
            Start::Discard { last } if last => unsafe { free(header) },
            Start::Discard { .. } => {}
        }
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Runnable({})", self.task().id())
    }
}

fn cancelled() -> TaskError {
    TaskError::Cancelled(Cancelled::default())
}

/// Makes a Runnable and hands it to the scheduler.
///
/// # Safety
///
/// The state word has just made a Runnable, with its reference.
pub(crate) unsafe fn submit(header: NonNull<Header>, cause: Cause) {
    // SAFETY: see above; the header is alive by that reference.
    unsafe { (header.as_ref().vtable.schedule)(header, Runnable::new(header), cause) };
}

/// How a task ends: with its output stored already, or with this error and its future still there.
enum Ending {
    Output,
    Error(TaskError),
}

enum Step {
    /// `asked`: the tree may hold requests.
    Rest {
        asked: bool,
    },
    End(Ending),
}

/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both.
unsafe fn poll_once(header: NonNull<Header>, before: Snapshot) -> bool {
    // SAFETY: the reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    // SAFETY: we hold RUNNING until the frame is gone.
    let step = match unsafe { step(header, task, before) } {
        // SAFETY: as above.
        Step::Rest { asked } => unsafe { rest(header, task, asked) },
        end => end,
    };
    match step {
        Step::Rest { .. } => false,
        Step::End(ending) => {
            // SAFETY: not let go of yet.
            unsafe { end(header, ending) };
            // SAFETY: the reference that came with the Runnable.
            unsafe { drop_reference(header) };
            true
        }
    }
}

/// # Safety
///
/// The caller holds RUNNING.
unsafe fn step(header: NonNull<Header>, task: &Header, before: Snapshot) -> Step {
    if before.is_aborted() {
        return Step::End(Ending::Error(cancelled()));
    }
    if before.is_asked() || before.is_posted() {
        if let Some(cancelled) = scope::requested_at_root(task, before) {
            return Step::End(Ending::Error(TaskError::Cancelled(cancelled)));
        }
    }
    if before.is_shared() {
        if let Some(shared) = task.shared_context() {
            drop(task.replace_context(shared.snapshot()));
        }
    }
    // SAFETY: we hold RUNNING while the frame is entered.
    let frame = unsafe { Frame::new(header, before.is_asked(), before.is_callback()) };
    let entered = frame.enter();
    let left = budget::begin();
    // SAFETY: we hold RUNNING, and the future is there until the task ends.
    let polled = unsafe { (task.vtable.poll)(header) };
    budget::restore(left);
    drop(entered);
    match polled {
        Polled::Pending => match frame.take_unwinding(ROOT) {
            Some(error) => Step::End(Ending::Error(error)),
            None => Step::Rest { asked: frame.asked.get() },
        },
        Polled::Ready => match task.state.load().is_posted().then(|| scope::undelivered(task)) {
            // asyncio's rule: who cancels himself and returns is cancelled, and the value lost.
            Some(Some(own)) => Step::End(Ending::Error(TaskError::Cancelled(own))),
            _ => Step::End(Ending::Output),
        },
        Polled::Panicked(payload) => match Unwinding::from_payload(payload) {
            Ok(error) => Step::End(Ending::Error(error)),
            Err(payload) => Step::End(Ending::Error(task.panicked(payload))),
        },
        Polled::DropPanicked(payload) => Step::End(Ending::Error(task.panicked(payload))),
    }
}

/// Lets go of a task that goes on. Comes back with an end if it was aborted meanwhile.
///
/// # Safety
///
/// The caller holds RUNNING and a reference, and gives up both if the answer is `Rest`.
unsafe fn rest(header: NonNull<Header>, task: &Header, asked: bool) -> Step {
    let mut work = Work::default();
    // A frame that was not asked has left no request in the tree: only its own poll could have.
    let mut asked = asked && scope::settle(task, &mut work);
    loop {
        match task.state.let_go(asked) {
            LetGo::Look => {
                asked = scope::settle(task, &mut work);
                continue;
            }
            LetGo::Drop => {
                scope::finish(work);
                return Step::End(Ending::Error(cancelled()));
            }
            // SAFETY: our reference is the new Runnable's.
            LetGo::Submit => unsafe { submit(header, Cause::Yield) },
            // SAFETY: our reference was the last one.
            LetGo::Parked { last: true } => unsafe { free(header) },
            LetGo::Parked { last: false } | LetGo::Quiet => {}
        }
        scope::finish(work);
        return Step::Rest { asked };
    }
}

/// Ends a task: drops what is left of its future, stores its outcome, tells everybody.
///
/// # Safety
///
/// The caller holds RUNNING, which it gives up, and a reference, which it keeps.
unsafe fn end(header: NonNull<Header>, ending: Ending) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    let callback = task.state.load().is_callback();
    // SAFETY: we hold RUNNING; after COMPLETE nobody else can, so the frame stays sound to its end.
    let frame = unsafe { Frame::new(header, false, callback) };
    let entered = frame.enter();
    if let Ending::Error(error) = ending {
        // SAFETY: we hold RUNNING.
        unsafe { store_error(header, task, error) };
    }
    // What the future set in its context goes with it.
    let context = task.replace_context(Default::default());
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(context))) {
        task.report_payload(What::DropPanic, payload);
    }
    let old = task.state.complete();
    // SAFETY: the cell is alive; called once, since COMPLETE is set once.
    unsafe { (task.vtable.completed)(header) };
    if !old.has_handle() {
        // SAFETY: without a handle the outcome is ours, who completed the task.
        unsafe { discard_outcome(header) };
    }
    drop(entered);
    if old.has_join_waker() {
        // SAFETY: JOIN_WAKER was set at completion, so the slot is ours.
        let waker = task.join.with_mut(|slot| unsafe { (*slot).take() });
        wake(task, waker);
    }
    if old.has_observers() {
        let observers = mem::take(&mut task.notes().shared.lock().observers);
        for (_, waker) in observers {
            wake(task, Some(waker));
        }
    }
}

fn wake(task: &Header, waker: Option<std::task::Waker>) {
    if let Some(Err(payload)) = waker.map(header::wake_contained) {
        task.report_payload(What::WakerPanic, payload);
    }
}

/// # Safety
///
/// The caller holds RUNNING.
unsafe fn store_error(header: NonNull<Header>, task: &Header, mut error: TaskError) {
    // SAFETY: we hold RUNNING.
    let dropped = unsafe { (task.vtable.drop_future)(header) };
    if let Err(payload) = dropped {
        match Unwinding::from_payload(payload) {
            Ok(_) => {}
            // A panic while a scope drops its inner future is the task's panic.
            Err(payload) if !error.is_panic() => error = task.panicked(payload),
            Err(payload) => task.report_payload(What::DropPanic, payload),
        }
    }
    // SAFETY: we hold RUNNING, and the stage is empty.
    if let Err(payload) = unsafe { (task.vtable.store_error)(header, error) } {
        task.report_payload(What::DropPanic, payload);
    }
}

/// Drops an outcome that nobody will read, and reports what should have been read.
///
/// # Safety
///
/// The task is complete, and the caller owns the outcome.
pub(crate) unsafe fn discard_outcome(header: NonNull<Header>) {
    // SAFETY: the caller has a reference.
    let task = unsafe { header.as_ref() };
    let read_error = task.notes_if_any().and_then(|notes| notes.shared.lock().read_error);
    if let Some(read_error) = read_error {
        // SAFETY: the outcome is ours; `read_error` was set by the handle, which knew its type.
        let text = unsafe {
            let outcome = (task.vtable.peek_outcome)(header);
            if outcome.is_null() { None } else { read_error(outcome) }
        };
        if let Some(text) = text {
            task.report(What::Error, &text);
        }
    }
    // SAFETY: the outcome is ours.
    match unsafe { (task.vtable.discard_outcome)(header) } {
        Ok(Some(TaskError::Panicked(panic))) => {
            task.report(What::Panic, panic.message());
            header::drop_payload(panic.into_payload());
        }
        Ok(_) => {}
        Err(payload) => task.report_payload(What::DropPanic, payload),
    }
}

/// Ends a seized task as aborted.
///
/// # Safety
///
/// The caller holds RUNNING, which it gives up, and a reference, which it keeps.
pub(crate) unsafe fn end_seized(header: NonNull<Header>) {
    // SAFETY: as the caller's.
    unsafe { end(header, Ending::Error(cancelled())) };
}

/// # Safety
///
/// The caller has a reference and gives it up.
pub(crate) unsafe fn drop_reference(header: NonNull<Header>) {
    // SAFETY: the reference keeps the cell alive here.
    if unsafe { header.as_ref() }.state.ref_dec() {
        // SAFETY: that was the last one.
        unsafe { free(header) };
    }
}

/// Frees a cell that has no references left. A task that rests with nobody to wake it ends here.
///
/// # Safety
///
/// The last reference is gone; nobody else knows the cell.
pub(crate) unsafe fn free(header: NonNull<Header>) {
    // SAFETY: the cell is freed below and not before.
    let task = unsafe { header.as_ref() };
    if !task.state.load().is_complete() {
        // A reference again, since user code below may clone it.
        task.state.ref_inc();
        if let Seize::Seized(_) = task.state.seize() {
            // SAFETY: we hold RUNNING and the reference.
            unsafe { end_seized(header) };
        }
        // SAFETY: the reference from above.
        return unsafe { drop_reference(header) };
    }
    // SAFETY: no references, and complete: only memory is left, and perhaps a stale join waker.
    let dealloc = || unsafe { (task.vtable.dealloc)(header) };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(dealloc)) {
        header::drop_payload(payload);
    }
}
