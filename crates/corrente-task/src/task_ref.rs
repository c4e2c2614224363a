//! An untyped, counted reference to a task: who it is, how it is, and how to cancel it.

use crate::current;
use crate::ending::{self, Ending};
use crate::error::{
    Cancelled, Panicked, Payload, TaskError, Unobserved, What, contained, drop_payload, message_of,
};
use crate::header::Header;
use crate::id::TaskId;
use crate::runnable::{self, Cause};
use crate::scope;
use crate::state::{Abort, Seize};
use crate::tree::{Key, Message};
use crate::waits::{CancelRequested, Finished, WatchKey};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

/// A task as others see it. Cloning counts a reference; the task's output is not to be had from it.
pub struct TaskRef(NonNull<Header>);

// SAFETY: what a TaskRef reaches of a cell (state word, id, location, notes under their lock) is made for
// all threads; it never touches the future, the outcome or the tree without holding RUNNING.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

/// A [`TaskRef`] that counts no reference.
pub struct Borrowed<'a>(ManuallyDrop<TaskRef>, PhantomData<&'a TaskRef>);

impl Deref for Borrowed<'_> {
    type Target = TaskRef;
    fn deref(&self) -> &TaskRef {
        &self.0
    }
}

impl TaskRef {
    /// # Safety
    ///
    /// A reference is handed over.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self(header)
    }
    /// # Safety
    ///
    /// The cell outlives the result, and `header` is a pointer to all of it (not to its header alone, as
    /// one made from a `&Header` would be).
    #[inline]
    pub(crate) unsafe fn borrowed<'a>(header: NonNull<Header>) -> Borrowed<'a> {
        Borrowed(ManuallyDrop::new(Self(header)), PhantomData)
    }
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: our reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }
    #[inline]
    pub(crate) fn pointer(&self) -> NonNull<Header> {
        self.0
    }

    /// Reports trouble that nobody else will see. Never panics.
    pub(crate) fn report(&self, what: What, message: &str) {
        let report = Unobserved { task: self, what, message };
        // SAFETY: `self` refers to a live cell of the vtable's type.
        let call = || unsafe { (self.header().vtable.unobserved)(self.0, &report) };
        // A handler that panics must not take the worker down; std has printed its message already.
        if let Err(payload) = contained(call) {
            drop_payload(payload);
        }
    }

    pub(crate) fn report_payload(&self, what: What, payload: Payload) {
        self.report(what, &message_of(&*payload));
        drop_payload(payload);
    }

    /// Runs user code that nobody is waiting for; a panic in it is reported.
    pub(crate) fn contain(&self, what: What, user_code: impl FnOnce()) {
        if let Err(payload) = contained(user_code) {
            self.report_payload(what, payload);
        }
    }

    pub(crate) fn panicked(&self, payload: Payload) -> TaskError {
        TaskError::Panicked(Panicked::new(payload, self.id(), self.name()))
    }

    /// Panics if this is the task that is being polled: it would wait for itself for ever.
    pub(crate) fn check_not_current(&self) {
        let own = current::is_polling(self);
        assert!(!own, "task {} awaits itself and would never end: await another task", self.name());
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.header().id
    }
    /// The name it was given, or `Task-N` with its id. asyncio: `get_name`.
    pub fn name(&self) -> String {
        self.header().name()
    }
    /// Gives it another name. asyncio: `set_name`.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.header().set_name(name.into());
    }
    /// Where it was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.header().location
    }
    /// True if it has ended, in whatever way. asyncio: `done`.
    #[inline]
    pub fn done(&self) -> bool {
        self.header().state.load().is_complete()
    }
    /// True while some thread is polling it.
    pub fn is_running(&self) -> bool {
        self.header().state.load().is_running()
    }

    /// Asks the task to stop at the suspension where it is, or at its next one. True unless it has ended.
    ///
    /// The request goes to the innermost scope of the task, which may clean up, or swallow it. So `true`
    /// means "asked", not "will be cancelled". asyncio: `cancel()`.
    pub fn cancel(&self) -> bool {
        self.cancel_as(Cancelled::default())
    }

    /// [`cancel`](Self::cancel), with a reason for whoever catches it. asyncio: `cancel(msg)`.
    pub fn cancel_with(&self, reason: &str) -> bool {
        self.cancel_as(Cancelled::new(Some(reason)))
    }

    /// [`cancel`](Self::cancel), passing on a cancel that was caught.
    pub fn cancel_as(&self, cancelled: Cancelled) -> bool {
        let own = current::is_polling(self);
        scope::send(self, Message::Request { top: Key::ROOT, cancelled, own }, true)
    }

    /// How many cancel requests it has had, less those taken back. asyncio: `cancelling`.
    pub fn cancelling(&self) -> u32 {
        self.header().notes_if_any().map_or(0, |notes| notes.shared(|shared| shared.requests))
    }

    /// True if it was asked to stop, and nobody has taken that back. For loops that prefer to look.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancelling() > 0
    }

    /// Takes one cancel request back and tells how many are left, never less than none. At none, requests
    /// that were not delivered yet are withdrawn. asyncio: `uncancel`.
    pub fn uncancel(&self) -> u32 {
        scope::take_back(self)
    }

    /// Waits until somebody asks this task to stop. For those who prefer a token to an interruption; a
    /// task that waits for its own must do so in [`uncancellable`](crate::uncancellable).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn cancel_requested(&self) -> CancelRequested {
        CancelRequested::new(self.clone())
    }

    /// Drops the task's future as soon as nobody polls it, without asking: no scope sees it, no clean-up
    /// runs. True unless the task has ended. The hard way; see [`cancel`](Self::cancel).
    pub fn abort(&self) -> bool {
        match self.header().state.abort() {
            Abort::Noted => {
                let header = self.header();
                if header.vtable.ends_unstarted && !header.state.load().is_started() {
                    // Or the poll that begins just now does it: it finds the note.
                    self.end_now();
                }
                true
            }
            Abort::Done => false,
            Abort::Submit => {
                // SAFETY: the state word has counted a reference for the Runnable.
                unsafe { runnable::submit(self.0, Cause::Wake) };
                true
            }
        }
    }

    /// Ends the task here and now: its future is dropped on this thread, also if a Runnable for it lies in
    /// some queue (that one will do nothing). True if the task is over.
    ///
    /// If it is being polled, its future is dropped when that poll is over, and the answer is false. So it
    /// is while another thread delivers a cancel; that one then schedules the task once more, to be ended.
    /// A local task's future is only dropped on its own thread: call this there.
    ///
    /// A future that calls this for the next task in its destructor, and that one for the next, nests as
    /// deep as the chain is long. [`abort`](Self::abort) does not.
    pub fn end_now(&self) -> bool {
        match self.header().state.seize() {
            Seize::Done => true,
            Seize::Busy => false,
            Seize::Seized(_) => {
                // SAFETY: we hold RUNNING, and our reference.
                unsafe { ending::end(self, Ending::aborted()) };
                true
            }
        }
    }

    /// Has `waker` woken once, when the task has ended. None if it has already.
    pub fn watch(&self, waker: &Waker) -> Option<WatchKey> {
        let waker = waker.clone();
        let key = self.header().notes().shared(|shared| shared.observers.insert(waker));
        // On the list before the bit is set: whoever completes the task later sees both.
        if self.header().state.set_observers() {
            return Some(WatchKey(key));
        }
        self.unwatch(WatchKey(key));
        None
    }

    /// Takes a watch back. True if it was still there.
    pub fn unwatch(&self, key: WatchKey) -> bool {
        let waker = self.header().notes().shared(|shared| shared.observers.remove(key.0));
        waker.is_some()
    }

    /// Waits until the task has ended, in whatever way, without taking its outcome. For any number of
    /// waiters. A cancel interrupts the wait and leaves the task alone.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn finished(&self) -> Finished {
        Finished::new(self.clone())
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        self.header().state.ref_inc();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: our reference is given up.
        unsafe { ending::drop_reference(self.0) };
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TaskRef {}

impl std::hash::Hash for TaskRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.done() { "done" } else { "pending" };
        write!(f, "TaskRef({}, {state})", self.name())
    }
}
