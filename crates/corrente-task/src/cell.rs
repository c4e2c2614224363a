//! One allocation per task: the header, the way to its scheduler, and the future or its outcome.
//!
//! The stage is a plain enum whose tag says what is there, so a panic between two stages leaves nothing
//! half-dropped. The future is pinned: it is polled and dropped in place and never moved.
//!
//! Who may touch the stage: the holder of RUNNING until COMPLETE is set; then the owner of the handle;
//! without a handle whoever completed the task; at last whoever drops the last reference.

use crate::context::{Context, ContextChoice};
use crate::error::{Payload, TaskError, Unobserved, contained, drop_payload};
use crate::header::{Ended, Header, VTable};
use crate::memory;
use crate::runnable::{Cause, Runnable, Schedule};
use crate::state::{Snapshot, State};
use crate::waker;
use crate::{Kind, Options};
use corrente_shim::cell::UnsafeCell;
use std::future::Future;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{self, Poll};

#[repr(C)]
pub(crate) struct Cell<F: Future, S> {
    header: Header,
    schedule: S,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(F),
    Outcome(Result<F::Output, TaskError>),
    Gone,
}

/// References of a new task: its Runnable, its Task, its TaskRef.
const FIRST_REFERENCES: usize = 3;

impl<F: Future, S: Schedule> Cell<F, S> {
    const VTABLE: VTable = VTable {
        poll: poll::<F, S>,
        drop_future: drop_future::<F, S>,
        store_error: store_error::<F, S>,
        take_outcome: take_outcome::<F, S>,
        discard_outcome: discard_outcome::<F, S>,
        peek_outcome: peek_outcome::<F, S>,
        peek_outcome_mut: peek_outcome_mut::<F, S>,
        ends_unstarted: S::ENDS_UNSTARTED,
        schedule: schedule::<F, S>,
        completed: completed::<F, S>,
        unobserved: unobserved::<F, S>,
        dealloc: dealloc::<F, S>,
    };

    /// A new cell with [`FIRST_REFERENCES`] references, which the caller hands out. `local`: the future
    /// must be dropped on this thread.
    ///
    /// The vtable outlives every use of `F` and `S`; that they may be used where the references go is
    /// for the caller to see to (`spawn` asks for Send and 'static, `local.rs` and `root.rs` guard them).
    #[inline]
    pub fn allocate(future: F, schedule: S, options: Options, local: bool) -> NonNull<Header> {
        let (context, shared) = match options.context {
            ContextChoice::Inherit => {
                (crate::current::context(Context::inherit).unwrap_or_default(), None)
            }
            ContextChoice::Own(context) => (context, None),
            ContextChoice::Shared(shared) => (shared.snapshot(), Some(shared)),
        };
        let callback = options.kind == Kind::Callback;
        let word = Snapshot::spawned(FIRST_REFERENCES, callback, shared.is_some(), local);
        let header = Header::new(State::new(word), &Self::VTABLE, options.location, context);
        if options.name.is_some() || shared.is_some() {
            header.notes().shared(|notes| {
                notes.name = options.name;
                notes.context = shared;
            });
        }
        // Written field by field, so that a big future is not put together on the stack first.
        let cell = memory::allocate::<Self>();
        let target = cell.as_ptr();
        // SAFETY: each write is to a field of the allocation, and all three fields are written.
        unsafe {
            (&raw mut (*target).header).write(header);
            (&raw mut (*target).schedule).write(schedule);
            (&raw mut (*target).stage).write(UnsafeCell::new(Stage::Future(future)));
        }
        cell.cast()
    }
}

/// # Safety
///
/// `header` is the header of a live `Cell<F, S>`.
unsafe fn cell<'a, F: Future, S>(header: NonNull<Header>) -> &'a Cell<F, S> {
    // SAFETY: the cell is repr(C) and begins with its header; the pointer came from the allocation of
    // the whole cell, so it may be used for all of it.
    unsafe { header.cast().as_ref() }
}

unsafe fn poll<F: Future, S: Schedule>(header: NonNull<Header>) -> Poll<Ended> {
    // SAFETY: see `VTable`.
    let cell = unsafe { cell::<F, S>(header) };
    cell.stage.with_mut(|stage| {
        // SAFETY: the caller holds RUNNING, which is the lock of the stage.
        let Stage::Future(future) = (unsafe { &mut *stage }) else {
            unreachable!("a task without a future was polled");
        };
        // SAFETY: the future lies in a heap cell and is dropped in place (below, `drop_future`).
        let future = unsafe { Pin::new_unchecked(future) };
        // SAFETY: the cell outlives this poll, since the poller has a reference.
        let waker = unsafe { waker::borrowed(header) };
        let mut cx = task::Context::from_waker(&waker);
        match contained(|| future.poll(&mut cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => Poll::Ready(Ended::Panicked(payload)),
            Ok(Poll::Ready(output)) => {
                // SAFETY: still the holder; the pinned future is not used again.
                match unsafe { clear(stage) } {
                    Ok(()) => {
                        // SAFETY: as above; `Gone` needs no drop.
                        unsafe { ptr::write(stage, Stage::Outcome(Ok(output))) };
                        Poll::Ready(Ended::Output)
                    }
                    Err(payload) => {
                        // The task's outcome is the panic, so the output is dropped, contained.
                        if let Err(second) = contained(|| drop(output)) {
                            drop_payload(second);
                        }
                        Poll::Ready(Ended::Panicked(payload))
                    }
                }
            }
        }
    })
}

/// Drops what the stage holds, in place, and leaves `Gone`, even if the destructor panics.
///
/// # Safety
///
/// The caller may touch the stage.
unsafe fn clear<F: Future>(stage: *mut Stage<F>) -> Result<(), Payload> {
    // SAFETY: the caller may touch the stage. What is dropped here is overwritten right after, also when
    // the destructor panics, so it is never seen again.
    let result = contained(|| unsafe { ptr::drop_in_place(stage) });
    // SAFETY: as above.
    unsafe { ptr::write(stage, Stage::Gone) };
    result
}

unsafe fn drop_future<F: Future, S: Schedule>(header: NonNull<Header>) -> Result<(), Payload> {
    // SAFETY: see `VTable`; the caller holds RUNNING.
    unsafe { cell::<F, S>(header).stage.with_mut(|stage| clear(stage)) }
}

unsafe fn store_error<F: Future, S: Schedule>(
    header: NonNull<Header>,
    error: TaskError,
) -> Result<(), Payload> {
    // SAFETY: see `VTable`; the caller holds RUNNING.
    unsafe {
        cell::<F, S>(header).stage.with_mut(|stage| {
            let result = clear(stage);
            ptr::write(stage, Stage::Outcome(Err(error)));
            result
        })
    }
}

unsafe fn take_outcome<F: Future, S: Schedule>(header: NonNull<Header>, target: *mut ()) {
    // SAFETY: see `VTable`; the caller owns the outcome and `target` points at an Option of its type.
    unsafe {
        cell::<F, S>(header).stage.with_mut(|stage| {
            if let Stage::Outcome(outcome) = std::mem::replace(&mut *stage, Stage::Gone) {
                *target.cast::<Option<Result<F::Output, TaskError>>>() = Some(outcome);
            }
        });
    }
}

unsafe fn discard_outcome<F: Future, S: Schedule>(
    header: NonNull<Header>,
) -> Result<Option<TaskError>, Payload> {
    // SAFETY: see `VTable`; the caller owns the outcome.
    let stage = unsafe {
        cell::<F, S>(header).stage.with_mut(|stage| std::mem::replace(&mut *stage, Stage::Gone))
    };
    // A future is never moved: it is gone long before the outcome can be discarded.
    match stage {
        Stage::Outcome(Err(error)) => Ok(Some(error)),
        other => contained(|| drop(other)).map(|()| None),
    }
}

unsafe fn peek_outcome<F: Future, S: Schedule>(header: NonNull<Header>) -> *const () {
    // SAFETY: see `VTable`; the caller owns the outcome.
    unsafe {
        cell::<F, S>(header).stage.with(|stage| match &*stage {
            Stage::Outcome(outcome) => ptr::from_ref(outcome).cast(),
            _ => ptr::null(),
        })
    }
}

unsafe fn peek_outcome_mut<F: Future, S: Schedule>(header: NonNull<Header>) -> *mut () {
    // SAFETY: see `VTable`; the caller owns the outcome, and borrows it alone.
    unsafe {
        cell::<F, S>(header).stage.with_mut(|stage| match &mut *stage {
            Stage::Outcome(outcome) => ptr::from_mut(outcome).cast(),
            _ => ptr::null_mut(),
        })
    }
}

unsafe fn schedule<F: Future, S: Schedule>(
    header: NonNull<Header>,
    runnable: Runnable,
    cause: Cause,
) {
    // A copy of the schedule: once the Runnable is handed over the task may run, end and be freed before
    // the call below returns.
    // SAFETY: see `VTable`; the Runnable's reference keeps the cell alive here.
    let schedule = unsafe { cell::<F, S>(header) }.schedule.clone();
    schedule.schedule(runnable, cause);
}

unsafe fn completed<F: Future, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: see `VTable`.
    unsafe { cell::<F, S>(header) }.schedule.complete();
}

unsafe fn unobserved<F: Future, S: Schedule>(header: NonNull<Header>, report: &Unobserved<'_>) {
    // SAFETY: see `VTable`.
    unsafe { cell::<F, S>(header) }.schedule.unobserved(report);
}

unsafe fn dealloc<F: Future, S: Schedule>(header: NonNull<Header>) {
    /// Frees the memory also when a destructor panics.
    struct Free<T>(NonNull<T>);
    impl<T> Drop for Free<T> {
        fn drop(&mut self) {
            // SAFETY: allocated in `allocate`; its contents were dropped below.
            unsafe { memory::free(self.0) };
        }
    }
    let cell = Free(header.cast::<Cell<F, S>>());
    // SAFETY: the last reference is gone, so nobody uses the cell any more.
    unsafe { ptr::drop_in_place(cell.0.as_ptr()) };
}
