//! What every task has, whatever its future is: the untyped front of a cell, and its notes.
//!
//! Who may touch what:
//!
//! | field | who |
//! |---|---|
//! | `state`, `vtable`, `id`, `location` | anybody with a reference |
//! | `join` (the join slot) | the `Task`, while JOIN_WAKER is not set and the task not complete; once it is set, whoever completes the task; what is left over, the last reference |
//! | `context` | the holder of RUNNING |
//! | `notes.shared` | anybody, under its lock; no user code runs under it |
//! | `notes.tree` | the holder of RUNNING |
//!
//! The notes hold what most tasks never need (a name, scopes, requests, observers). They are made at the
//! first need, by anybody, and live as long as the cell.

use crate::context::{Context, SharedContext};
use crate::error::{Panicked, TaskError, Unobserved, What, message_of};
use crate::id::TaskId;
use crate::runnable::{Cause, Runnable};
use crate::scope::{Message, Tree};
use crate::state::State;
use crate::task_ref::TaskRef;
use corrente_shim::atomic::{AtomicPtr, Ordering};
use corrente_shim::cell::UnsafeCell;
use corrente_shim::sync::Mutex;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

pub(crate) type Payload = Box<dyn Any + Send>;

pub(crate) struct Header {
    pub state: State,
    pub vtable: &'static VTable,
    pub id: TaskId,
    pub location: &'static Location<'static>,
    pub join: UnsafeCell<Option<Waker>>,
    context: UnsafeCell<Context>,
    notes: AtomicPtr<Notes>,
}

/// How a poll of the future ended.
pub(crate) enum Polled {
    Pending,
    /// The future is gone and its output stored.
    Ready,
    /// The future is still there.
    Panicked(Payload),
    /// The future is gone; its destructor panicked after the output was made, and the output is gone too.
    DropPanicked(Payload),
}

/// The typed half of a cell, as functions. All are called with a pointer to a live cell of their type.
pub(crate) struct VTable {
    /// Polls the future. The caller holds RUNNING, and the future is there.
    pub poll: unsafe fn(NonNull<Header>) -> Polled,
    /// Drops the future, if it is there. The caller holds RUNNING.
    pub drop_future: unsafe fn(NonNull<Header>) -> Result<(), Payload>,
    /// Stores how the task ended instead of an output; whatever was there must be gone, or is an output
    /// that is dropped. The caller holds RUNNING.
    pub store_error: unsafe fn(NonNull<Header>, TaskError) -> Result<(), Payload>,
    /// Moves the outcome to `*mut Option<Result<T, TaskError>>`. The caller owns the outcome.
    pub take_outcome: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the outcome. Gives back an error, or the panic of the output's destructor. The caller owns
    /// the outcome.
    pub discard_outcome: unsafe fn(NonNull<Header>) -> Result<Option<TaskError>, Payload>,
    /// `*const Result<T, TaskError>`, or null if it is not there. The caller owns the outcome.
    pub peek_outcome: unsafe fn(NonNull<Header>) -> *const (),
    /// The same, for an owner that borrows it alone.
    pub peek_outcome_mut: unsafe fn(NonNull<Header>) -> *mut (),
    /// The Schedule's three functions.
    pub schedule: unsafe fn(NonNull<Header>, Runnable, Cause),
    pub completed: unsafe fn(NonNull<Header>),
    pub unobserved: unsafe fn(NonNull<Header>, &Unobserved<'_>),
    /// Frees the cell and whatever is in it. The caller had the last reference.
    pub dealloc: unsafe fn(NonNull<Header>),
}

/// What most tasks never need.
#[derive(Default)]
pub(crate) struct Notes {
    pub shared: Mutex<Shared>,
    pub tree: UnsafeCell<Tree>,
}

/// What others may write to a task.
#[derive(Default)]
pub(crate) struct Shared {
    pub name: Option<Arc<str>>,
    /// Cancel requests so far, less those taken back.
    pub requests: u32,
    /// For the holder of RUNNING to read before it lets go.
    pub inbox: Vec<Message>,
    /// Woken at the next request.
    pub watchers: Vec<Waker>,
    /// Woken when the task has ended.
    pub observers: Vec<(u64, Waker)>,
    pub next_observer: u64,
    pub context: Option<SharedContext>,
    /// Reads an error out of an outcome (`*const Result<T, TaskError>`) that nobody else will read.
    pub read_error: Option<ReadError>,
}

/// The text of the error in the outcome behind the pointer, if it is one.
pub(crate) type ReadError = unsafe fn(*const ()) -> Option<String>;

impl Header {
    pub fn new(
        state: State,
        vtable: &'static VTable,
        location: &'static Location<'static>,
        context: Context,
    ) -> Self {
        Self {
            state,
            vtable,
            id: TaskId::next(),
            location,
            join: UnsafeCell::new(None),
            context: UnsafeCell::new(context),
            notes: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The notes, if anybody needed them yet.
    #[inline]
    pub fn notes_if_any(&self) -> Option<&Notes> {
        // Acquire: pairs with the Release in `notes`, so the notes' contents are there, too.
        let notes = self.notes.load(Ordering::Acquire);
        // SAFETY: once stored the pointer never changes, and only `Drop` frees it.
        unsafe { notes.as_ref() }
    }

    /// The notes, made now if need be.
    pub fn notes(&self) -> &Notes {
        if let Some(notes) = self.notes_if_any() {
            return notes;
        }
        let made = Box::into_raw(Box::default());
        // AcqRel: Release publishes the new notes; on failure Acquire sees the other's.
        match self.notes.compare_exchange(
            ptr::null_mut(),
            made,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            // SAFETY: we stored it; only `Drop` frees it.
            Ok(_) => unsafe { &*made },
            Err(other) => {
                // SAFETY: `made` came from Box::into_raw just above and was not stored.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: a stored pointer is valid until `Drop`.
                unsafe { &*other }
            }
        }
    }

    pub fn set_name(&self, name: Arc<str>) {
        let old = self.notes().shared.lock().name.replace(name);
        drop(old);
    }

    pub fn name(&self) -> String {
        let given = self.notes_if_any().and_then(|notes| notes.shared.lock().name.clone());
        match given {
            Some(name) => name.to_string(),
            None => format!("Task-{}", self.id),
        }
    }

    /// A copy of the task's context. The caller holds RUNNING.
    pub fn context(&self) -> Context {
        // SAFETY: callers are frames (`current.rs`) and the poll itself, which hold RUNNING.
        self.context.with(|context| unsafe { (*context).clone() })
    }

    /// The caller holds RUNNING, or has the only reference.
    pub fn replace_context(&self, next: Context) -> Context {
        // SAFETY: as for `context`; the old one is moved out, so no destructor runs inside.
        self.context.with_mut(|context| unsafe { std::mem::replace(&mut *context, next) })
    }

    pub fn shared_context(&self) -> Option<SharedContext> {
        if !self.state.load().is_shared() {
            return None;
        }
        self.notes_if_any().and_then(|notes| notes.shared.lock().context.clone())
    }

    /// Reports trouble that nobody else will see. Never panics.
    pub fn report(&self, what: What, message: &str) {
        let task = TaskRef::borrowed(self);
        let report = Unobserved { task: &task, what, message };
        // SAFETY: `self` is the header of a live cell of the vtable's type.
        let call = || unsafe { (self.vtable.unobserved)(NonNull::from(self), &report) };
        // A handler that panics must not take the worker down; std has printed its message already.
        let _ = catch_unwind(AssertUnwindSafe(call));
    }

    pub fn report_payload(&self, what: What, payload: Payload) {
        self.report(what, &message_of(&*payload));
        drop_payload(payload);
    }

    pub fn panicked(&self, payload: Payload) -> TaskError {
        TaskError::Panicked(Panicked::new(payload, self.id, self.name()))
    }
}

/// Wakes; a waker that panics does no further harm. std's hook has printed the panic by then.
pub(crate) fn wake_contained(waker: Waker) -> Result<(), Payload> {
    catch_unwind(AssertUnwindSafe(|| waker.wake()))
}

/// Drops a payload whose own destructor may panic.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A payload of a payload that panics again has no end: leave that one alone.
        std::mem::forget(second);
    }
}

impl Drop for Header {
    fn drop(&mut self) {
        // Relaxed: the last reference is alone with the cell.
        let notes = self.notes.load(Ordering::Relaxed);
        if !notes.is_null() {
            // SAFETY: stored by `notes` from Box::into_raw, and nobody else is left to use it.
            drop(unsafe { Box::from_raw(notes) });
        }
    }
}
