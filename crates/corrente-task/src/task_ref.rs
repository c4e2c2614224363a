//! An untyped, counted reference to a task: who it is, how it is, and how to cancel it.

use crate::current;
use crate::error::Cancelled;
use crate::header::Header;
use crate::id::TaskId;
use crate::runnable::{self, Cause};
use crate::scope::{self, Key, Message};
use crate::state::{Abort, Seize};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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
    pub(crate) fn from_header(header: &Header) -> Self {
        header.state.ref_inc();
        Self(header.into())
    }
    pub(crate) fn borrowed(header: &Header) -> Borrowed<'_> {
        Borrowed(ManuallyDrop::new(Self(header.into())), PhantomData)
    }
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: our reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }
    pub(crate) fn pointer(&self) -> NonNull<Header> {
        self.0
    }
    #[inline]
    pub(crate) fn is_at(&self, header: &Header) -> bool {
        std::ptr::eq(self.0.as_ptr(), header)
    }

    /// Panics if this is the task that is being polled: it would wait for itself for ever.
    pub(crate) fn check_not_current(&self) {
        let own = current::with_frame(|frame| frame.is_some_and(|f| self.is_at(f.header())));
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
        let own = current::with_frame(|frame| frame.is_some_and(|f| self.is_at(f.header())));
        scope::send(self, Message::Request { top: Key::ROOT, cancelled, own }, true)
    }

    /// How many cancel requests it has had, less those taken back. asyncio: `cancelling`.
    pub fn cancelling(&self) -> u32 {
        self.header().notes_if_any().map_or(0, |notes| notes.shared.lock().requests)
    }

    /// True if it was asked to stop, and nobody has taken that back. For loops that prefer to look.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancelling() > 0
    }

    /// Takes one cancel request back and tells how many are left, never less than none. At none, requests
    /// that were not delivered yet are withdrawn. asyncio: `uncancel`.
    pub fn uncancel(&self) -> u32 {
        let Some(notes) = self.header().notes_if_any() else { return 0 };
        let mut shared = notes.shared.lock();
        shared.requests = shared.requests.saturating_sub(1);
        let left = shared.requests;
        if left == 0 {
            shared.inbox.retain(|message| !matches!(message, Message::Request { .. }));
        }
        left
    }

    /// Waits until somebody asks this task to stop. For those who prefer a token to an interruption; a
    /// task that waits for its own must do so in [`uncancellable`](crate::uncancellable).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn cancel_requested(&self) -> CancelRequested {
        CancelRequested { task: self.clone() }
    }

    /// Drops the task's future as soon as nobody polls it, without asking: no scope sees it, no clean-up
    /// runs. True unless the task has ended. The hard way; see [`cancel`](Self::cancel).
    pub fn abort(&self) -> bool {
        match self.header().state.abort() {
            Abort::Noted => true,
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
    /// If it is being polled, its future is dropped when that poll is over, and the answer is false. A
    /// local task's future is only dropped on its own thread: call this there.
    pub fn end_now(&self) -> bool {
        match self.header().state.seize() {
            Seize::Done => true,
            Seize::Busy => !self.abort(),
            Seize::Seized(_) => {
                // SAFETY: we hold RUNNING, and our reference.
                unsafe { runnable::end_seized(self.0) };
                true
            }
        }
    }

    /// Has `waker` woken once, when the task has ended. None if it has already.
    pub fn watch(&self, waker: &Waker) -> Option<WatchKey> {
        let waker = waker.clone();
        let notes = self.header().notes();
        let key = {
            let mut shared = notes.shared.lock();
            let key = shared.next_observer;
            shared.next_observer += 1;
            shared.observers.push((key, waker));
            key
        };
        // On the list before the bit is set: whoever completes the task later sees both.
        if self.header().state.set_observers() {
            return Some(WatchKey(key));
        }
        self.unwatch(WatchKey(key));
        None
    }

    /// Takes a watch back. True if it was still there.
    pub fn unwatch(&self, key: WatchKey) -> bool {
        let mut shared = self.header().notes().shared.lock();
        let position = shared.observers.iter().position(|(other, _)| *other == key.0);
        let waker = position.map(|position| shared.observers.remove(position));
        drop(shared);
        waker.is_some()
    }

    /// Waits until the task has ended, in whatever way, without taking its outcome. For any number of
    /// waiters. A cancel interrupts the wait and leaves the task alone.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn finished(&self) -> Finished {
        Finished { task: self.clone(), key: None, waker: None }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::from_header(self.header())
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: our reference is given up.
        unsafe { runnable::drop_reference(self.0) };
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

/// Names one [`TaskRef::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchKey(u64);

/// The future of [`TaskRef::finished`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct Finished {
    task: TaskRef,
    key: Option<WatchKey>,
    waker: Option<Waker>,
}

impl Finished {
    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.task.unwatch(key);
        }
    }
}

impl Future for Finished {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.task.done() {
            self.forget();
            return Poll::Ready(());
        }
        if self.key.is_some() && self.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.forget();
        self.waker = Some(cx.waker().clone());
        self.key = self.task.watch(cx.waker());
        if self.key.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The future of [`TaskRef::cancel_requested`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct CancelRequested {
    task: TaskRef,
}

impl Future for CancelRequested {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut shared = self.task.header().notes().shared.lock();
        if shared.requests > 0 {
            drop(shared);
            return Poll::Ready(());
        }
        if !shared.watchers.iter().any(|other| other.will_wake(&waker)) {
            shared.watchers.push(waker);
        }
        Poll::Pending
    }
}
