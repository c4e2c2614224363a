//! How a task ends, and how its cell is freed.
//!
//! Whatever the end is (an output, an error, an abort, the last reference gone), it comes to [`end`]: the
//! future is dropped with its task current, the outcome stored, COMPLETE set, the scheduler told, the
//! waiters woken. User code may panic in any of these places and stops none of them.

use crate::current::Frame;
use crate::error::{Cancelled, TaskError, What, contained, drop_payload};
use crate::header::Header;
use crate::node::Unwinding;
use crate::reclaim::{self, Job};
use crate::runnable::{self, Cause};
use crate::scope;
use crate::state::{Abort, Seize, Start};
use crate::task_ref::TaskRef;
use crate::waker;
use std::ptr::NonNull;
use std::task::Waker;

/// How a task ends: with its output stored already, or with this error and its future still there.
pub(crate) enum Ending {
    Output,
    Error(TaskError),
}

impl Ending {
    pub fn aborted() -> Self {
        Self::Error(TaskError::Cancelled(Cancelled::default()))
    }
}

/// Ends a task: drops what is left of its future, stores its outcome, tells everybody.
///
/// # Safety
///
/// The caller holds RUNNING, which it gives up, and a reference, which it keeps.
pub(crate) unsafe fn end(task: &TaskRef, ending: Ending) {
    let header = task.header();
    let callback = header.state.load().is_callback();
    // SAFETY: we hold RUNNING; after COMPLETE nobody else can, so the frame stays sound to its end.
    let frame = unsafe { Frame::new(task.pointer(), false, callback) };
    let entered = frame.enter();
    if let Ending::Error(error) = ending {
        // SAFETY: we hold RUNNING.
        unsafe { store_error(task, error) };
    }
    // What the future set in its context, and what it left in its tree, goes with it.
    let context = header.replace_context(Default::default());
    task.contain(What::DropPanic, || drop(context));
    scope::clear(task);
    let old = header.state.complete();
    // SAFETY: the cell is alive; called once, since COMPLETE is set once.
    if let Err(payload) = contained(|| unsafe { (header.vtable.completed)(task.pointer()) }) {
        drop_payload(payload);
    }
    if !old.has_handle() {
        // SAFETY: without a handle the outcome is ours, who completed the task.
        unsafe { discard_outcome(task) };
    }
    drop(entered);
    if old.has_join_waker() {
        // SAFETY: JOIN_WAKER was set at completion, so the slot is ours.
        let waker = header.join.with_mut(|slot| unsafe { (*slot).take() });
        wake(task, waker);
    }
    if let Some(notes) = header.notes_if_any() {
        // Whoever still waits for a request waits in vain; his waker must not stay here for ever.
        let watchers =
            notes.shared(|shared| (!shared.watchers.is_empty()).then(|| shared.watchers.take()));
        for waker in watchers.into_iter().flatten() {
            task.contain(What::WakerPanic, || drop(waker));
        }
        if old.has_observers() {
            let observers = notes.shared(|shared| shared.observers.take());
            for waker in observers {
                wake(task, Some(waker));
            }
        }
    }
}

fn wake(task: &TaskRef, waker: Option<Waker>) {
    if let Some(waker) = waker {
        task.contain(What::WakerPanic, || waker::wake_joined(waker));
    }
}

/// # Safety
///
/// The caller holds RUNNING.
unsafe fn store_error(task: &TaskRef, mut error: TaskError) {
    let vtable = task.header().vtable;
    // SAFETY: we hold RUNNING.
    if let Err(payload) = unsafe { (vtable.drop_future)(task.pointer()) } {
        match Unwinding::from_payload(payload) {
            Ok(unwinding) => unwinding.drop_contained(),
            // A panic while a scope drops its inner future is the task's panic.
            Err(payload) if !error.is_panic() => error = task.panicked(payload),
            Err(payload) => task.report_payload(What::DropPanic, payload),
        }
    }
    // SAFETY: we hold RUNNING, and the stage is empty.
    if let Err(payload) = unsafe { (vtable.store_error)(task.pointer(), error) } {
        task.report_payload(What::DropPanic, payload);
    }
}

/// Drops an outcome that nobody will read, and reports what should have been read.
///
/// # Safety
///
/// The task is complete, and the caller owns the outcome.
pub(crate) unsafe fn discard_outcome(task: &TaskRef) {
    let header = task.header();
    let read_error =
        header.notes_if_any().and_then(|notes| notes.shared(|shared| shared.read_error));
    if let Some(read_error) = read_error {
        let read = || {
            // SAFETY: the outcome is ours.
            let outcome = unsafe { (header.vtable.peek_outcome)(task.pointer()) };
            // SAFETY: as above; `read_error` was set by the handle, which knew the outcome's type.
            if outcome.is_null() { None } else { unsafe { read_error(outcome) } }
        };
        match contained(read) {
            Ok(Some(text)) => task.report(What::Error, &text),
            Ok(None) => {}
            // The error is there, only its text is not to be had.
            Err(payload) => task.report_payload(What::Error, payload),
        }
    }
    // SAFETY: the outcome is ours.
    match unsafe { (header.vtable.discard_outcome)(task.pointer()) } {
        Ok(Some(TaskError::Panicked(panic))) => {
            task.report(What::Panic, panic.message());
            drop_payload(panic.into_payload());
        }
        Ok(_) => {}
        Err(payload) => task.report_payload(What::DropPanic, payload),
    }
}

/// A Runnable was dropped unrun: that ends its task.
///
/// # Safety
///
/// The caller had the Runnable and gives up its reference.
pub(crate) unsafe fn give_up(header: NonNull<Header>) {
    // SAFETY: as the caller's.
    unsafe { reclaim::run(Job::GiveUp(header)) };
}

/// # Safety
///
/// As [`give_up`].
pub(crate) unsafe fn give_up_now(header: NonNull<Header>) {
    // SAFETY: the Runnable's reference keeps the cell alive until the state word takes it.
    match unsafe { header.as_ref() }.state.give_up() {
        Start::Poll(_) => {
            // SAFETY: we hold RUNNING, and the reference until it is dropped below.
            unsafe { end(&TaskRef::borrowed(header), Ending::aborted()) };
            // SAFETY: the Runnable's reference.
            unsafe { drop_reference(header) };
        }
        Start::Bounced | Start::Discard { last: false } => {}
        // SAFETY: that was the last reference.
        Start::Discard { last: true } => unsafe { free(header) },
    }
}

/// # Safety
///
/// The caller has a reference and gives it up.
#[inline]
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
    // SAFETY: as the caller's.
    unsafe { reclaim::run(Job::Free(header)) };
}

/// # Safety
///
/// As [`free`].
pub(crate) unsafe fn free_now(header: NonNull<Header>) {
    // SAFETY: the cell is freed below and not before.
    let task = unsafe { TaskRef::borrowed(header) };
    let state = &task.header().state;
    let word = state.load();
    if word.is_complete() {
        // SAFETY: no references, and complete: only memory is left.
        let dealloc = || unsafe { (task.header().vtable.dealloc)(header) };
        if let Err(payload) = contained(dealloc) {
            drop_payload(payload);
        }
    } else if word.is_local() {
        // Perhaps this is not its thread. Its scheduler brings it there, as for an abort.
        if let Abort::Submit = state.abort() {
            // SAFETY: the state word has counted a reference for the Runnable.
            unsafe { runnable::submit(header, Cause::Wake) };
        }
    } else {
        // A reference again, since user code below may clone it.
        state.ref_inc();
        if let Seize::Seized(_) = state.seize() {
            // SAFETY: we hold RUNNING and the reference.
            unsafe { end(&task, Ending::aborted()) };
        }
        // SAFETY: the reference from above.
        unsafe { drop_reference(header) };
    }
}
