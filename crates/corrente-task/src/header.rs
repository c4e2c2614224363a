//! What every task has, whatever its future is: the untyped front of a cell, and its notes.
//!
//! Who may touch what:
//!
//! | field | who |
//! |---|---|
//! | `state`, `vtable`, `id`, `location` | anybody with a reference |
//! | `join` (the join slot) | the `Task`, while JOIN_WAKER is not set and the task not complete; once it is set, whoever completes the task; what is left over, the last reference |
//! | `context`, `lane` | the holder of RUNNING |
//! | `notes.shared` | anybody, under its lock; no user code runs under it |
//! | `notes.tree` | the holder of RUNNING |
//!
//! The notes hold what most tasks never need (a name, scopes, requests, observers). They are made at the
//! first need, by anybody, and live as long as the cell.

use crate::context::{Context, SharedContext};
use crate::error::{Cancelled, Payload, TaskError, Unobserved};
use crate::id::TaskId;
use crate::quiet::Quiet;
use crate::runnable::{Cause, Runnable};
use crate::spare;
use crate::state::State;
use crate::tree::{Message, Tree};
use crate::waiters::Waiters;
use corrente_shim::atomic::{AtomicPtr, Ordering};
use corrente_shim::cell::UnsafeCell;
use corrente_shim::sync::Mutex;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Poll, Waker};

pub(crate) struct Header {
    pub state: State,
    pub vtable: &'static VTable,
    pub id: TaskId,
    pub location: &'static Location<'static>,
    pub join: UnsafeCell<Option<Waker>>,
    context: UnsafeCell<Context>,
    /// See `lane.rs`. Null, the address of a header, or [`SCOPE`].
    lane: UnsafeCell<*mut Header>,
    notes: AtomicPtr<Notes>,
}

/// What a task waits for, as far as that fits into a word: see `lane.rs`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Empty,
    /// Awaits this task, directly below the root.
    Task(NonNull<Header>),
    /// Is in a scope that catches cancels, directly below the root.
    Scope,
}

/// [`Lane::Scope`] as an address. No header's: those are aligned.
const SCOPE: *mut Header = ptr::without_provenance_mut(1);

/// How a poll ended the future.
pub(crate) enum Ended {
    /// The future is gone and its output stored.
    Output,
    /// The future is still there; or it is gone, and its output with it, if its destructor panicked.
    Panicked(Payload),
}

/// The typed half of a cell, as functions. All are called with a pointer to a live cell of their type.
pub(crate) struct VTable {
    /// Polls the future. The caller holds RUNNING, and the future is there.
    pub poll: unsafe fn(NonNull<Header>) -> Poll<Ended>,
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
    /// See [`Schedule::ENDS_UNSTARTED`](crate::Schedule::ENDS_UNSTARTED).
    pub ends_unstarted: bool,
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
    shared: Mutex<Shared>,
    tree: UnsafeCell<Tree>,
}

/// What others may write to a task.
#[derive(Default)]
pub(crate) struct Shared {
    pub name: Option<Arc<str>>,
    /// Cancel requests so far, less those taken back.
    pub requests: u32,
    /// The last request to the task, to tell whether the same comes again by another way.
    pub last: Option<Cancelled>,
    /// For the holder of RUNNING to read before it lets go.
    pub inbox: Vec<Message>,
    /// Woken at the next request.
    pub watchers: Waiters,
    /// Woken when the task has ended.
    pub observers: Waiters,
    pub context: Option<SharedContext>,
    /// Reads an error out of an outcome (`*const Result<T, TaskError>`) that nobody else will read.
    pub read_error: Option<ReadError>,
}

/// The text of the error in the outcome behind the pointer, if it is one.
pub(crate) type ReadError = unsafe fn(*const ()) -> Option<String>;

impl Notes {
    /// As new, but for the memory of the tree.
    pub fn empty(&mut self) {
        *self.shared.get_mut() = Shared::default();
        // SAFETY: `&mut self`: nobody else has the notes.
        self.tree.with_mut(|tree| unsafe { (*tree).empty() });
    }

    /// Calls `f` with what others may write, under its lock. `f` runs no user code: what it must drop or
    /// wake it gives back.
    pub fn shared<R>(&self, f: impl FnOnce(&mut Shared) -> R) -> R {
        let mut shared = self.shared.lock();
        let _quiet = Quiet::begin();
        f(&mut shared)
    }

    /// Calls `f` with the scope tree. `f` runs no user code and does not ask for the tree again.
    ///
    /// # Safety
    ///
    /// The caller holds RUNNING of this task, the lock of the tree.
    pub unsafe fn tree<R>(&self, f: impl FnOnce(&mut Tree) -> R) -> R {
        let _quiet = Quiet::begin();
        // SAFETY: see above; `f` does not come back here, so this is the only borrow.
        self.tree.with_mut(|tree| f(unsafe { &mut *tree }))
    }
}

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
            lane: UnsafeCell::new(ptr::null_mut()),
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
    #[inline]
    pub fn notes(&self) -> &Notes {
        match self.notes_if_any() {
            Some(notes) => notes,
            None => self.make_notes(),
        }
    }

    #[cold]
    fn make_notes(&self) -> &Notes {
        let made = Box::into_raw(spare::take());
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
                spare::keep(unsafe { Box::from_raw(made) });
                // SAFETY: a stored pointer is valid until `Drop`.
                unsafe { &*other }
            }
        }
    }

    pub fn set_name(&self, name: Arc<str>) {
        let old = self.notes().shared(|shared| shared.name.replace(name));
        drop(old);
    }

    pub fn name(&self) -> String {
        let given = self.notes_if_any().and_then(|notes| notes.shared(|s| s.name.clone()));
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

    /// The caller holds RUNNING, or has the only reference. The old context is the caller's to drop.
    #[must_use = "values of a context are user code and must be dropped outside"]
    pub fn replace_context(&self, next: Context) -> Context {
        // SAFETY: as for `context`; the old one is moved out, so no destructor runs inside.
        self.context.with_mut(|context| unsafe { std::mem::replace(&mut *context, next) })
    }

    /// The caller holds RUNNING.
    #[inline]
    pub fn lane(&self) -> Lane {
        // SAFETY: callers (`lane.rs`) are frames and seizers, which hold RUNNING.
        let lane = self.lane.with(|lane| unsafe { *lane });
        if lane == SCOPE { Lane::Scope } else { NonNull::new(lane).map_or(Lane::Empty, Lane::Task) }
    }

    /// The caller holds RUNNING.
    #[inline]
    pub fn set_lane(&self, lane: Lane) {
        let address = match lane {
            Lane::Empty => ptr::null_mut(),
            Lane::Task(header) => header.as_ptr(),
            Lane::Scope => SCOPE,
        };
        // SAFETY: as for `lane`.
        self.lane.with_mut(|lane| unsafe { *lane = address });
    }

    pub fn shared_context(&self) -> Option<SharedContext> {
        if !self.state.load().is_shared() {
            return None;
        }
        self.notes_if_any().and_then(|notes| notes.shared(|shared| shared.context.clone()))
    }
}

impl Drop for Header {
    fn drop(&mut self) {
        // Relaxed: the last reference is alone with the cell.
        let notes = self.notes.load(Ordering::Relaxed);
        if !notes.is_null() {
            // SAFETY: stored by `make_notes` from Box::into_raw, and nobody else is left to use it.
            spare::keep(unsafe { Box::from_raw(notes) });
        }
    }
}
