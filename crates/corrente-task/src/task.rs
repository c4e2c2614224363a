//! The handle of a task: its owner, who may await it, look at it, cancel it, or let it go.

use crate::budget;
use crate::current::{self, Begun};
use crate::detach::Detach;
use crate::error::{Cancelled, TaskError, What};
use crate::lane::Awaiting;
use crate::node;
use crate::reclaim::{self, Job};

use crate::task_ref::TaskRef;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A task that was spawned. Awaiting it gives its own output.
///
/// * Dropping it detaches: the task runs on. (asyncio's weakly held tasks may vanish; these do not.)
/// * A panic of the task is resumed in whoever awaits it. One that nobody reads is reported.
/// * Awaiting a cancelled task unwinds the awaiter, whoever cancelled it, as if by
///   [`Cancelled::resume`]; [`outcome`](Self::outcome) gives it as a value instead.
/// * A cancel of the awaiter goes into the awaited task. The awaiter is interrupted only if that one ends
///   cancelled.
///
/// asyncio: `Task`. Unlike there it is safe to use from any thread, and has one owner.
pub struct Task<T> {
    task: TaskRef,
    awaiting: Awaiting,
    begun: Begun,
    taken: Taken,
    _output: PhantomData<T>,
}

/// Whether the outcome was taken, and what it was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    No,
    /// An output, or a panic.
    Ended,
    Cancelled,
}

// SAFETY: the outcome is reached through `&mut Task` or by value, so it moves between threads (T: Send).
// Through `&Task` it is only looked at where T: Sync (`result`).
unsafe impl<T: Send> Sync for Task<T> {}

impl<T> Unpin for Task<T> {}

impl<T> Task<T> {
    /// # Safety
    ///
    /// `task` has just been spawned, its output is `T`, and no other handle exists.
    pub(crate) unsafe fn new(task: TaskRef) -> Self {
        Self {
            task,
            awaiting: Awaiting::Nowhere,
            begun: Begun::new(),
            taken: Taken::No,
            _output: PhantomData,
        }
    }

    /// Waits for the task's end, whatever it is: output, cancel or panic, as a value.
    ///
    /// # Errors
    ///
    /// The future's `Err` says why there is no output. Use `(&mut task).outcome()`-like access through
    /// [`poll_outcome`](Self::poll_outcome) to keep the handle.
    ///
    /// # Cancel safety
    ///
    /// Dropping it detaches the task.
    pub fn outcome(self) -> Outcome<T> {
        Outcome(self)
    }

    /// The poll of [`outcome`](Self::outcome), for those who keep the handle.
    ///
    /// # Panics
    ///
    /// After it was ready once, and if the task is polled by itself.
    pub fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        match self.poll_end(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(self.take()),
            Poll::Ready(Err(cancelled)) => {
                node::unwind(cx, TaskError::Cancelled(cancelled), &mut self.begun);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when the task has ended; its outcome stays in it. What [`shield`] and the gatherings are made
    /// of: this wait is no scope of its own, so a cancel of the one who waits does not go into the task.
    ///
    /// [`shield`]: https://docs.rs/corrente/latest/corrente/fn.shield.html
    ///
    /// # Panics
    ///
    /// If the task is polled by itself.
    pub fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.check_not_current();
        if !self.done() && self.register(cx) {
            return Poll::Pending;
        }
        ready!(budget::poll_proceed(cx));
        Poll::Ready(())
    }

    /// Ready when the task has ended; `Err` if the one who waits is to be interrupted first.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cancelled>> {
        assert!(
            self.taken == Taken::No,
            "task {} was awaited again after it had given its output",
            self.name()
        );
        self.task.check_not_current();
        let requested = current::with_frame(|frame| self.awaiting.take_request(frame?, &self.task));
        if let Some(cancelled) = requested {
            self.awaiting.leave(&self.task);
            return Poll::Ready(Err(cancelled));
        }
        if self.task.done() {
            ready!(budget::poll_proceed(cx));
            self.awaiting.leave(&self.task);
            return Poll::Ready(Ok(()));
        }
        current::with_frame(|frame| {
            if let Some(frame) = frame {
                self.awaiting.enter(frame, cx, &self.task);
            }
        });
        if self.register(cx) {
            return Poll::Pending;
        }
        self.awaiting.leave(&self.task);
        Poll::Ready(Ok(()))
    }

    /// Puts the waker into the join slot. False if the task has ended meanwhile.
    fn register(&mut self, cx: &Context<'_>) -> bool {
        let header = self.task.header();
        let snapshot = header.state.load();
        if snapshot.is_complete() || (snapshot.has_join_waker() && !header.state.unset_join_waker())
        {
            return false;
        }
        // SAFETY: JOIN_WAKER is not set and we are the handle: the slot is ours.
        let same = header
            .join
            .with(|slot| unsafe { &*slot }.as_ref().is_some_and(|w| w.will_wake(cx.waker())));
        if !same {
            let waker = cx.waker().clone();
            // SAFETY: as above; the old waker is dropped outside of the access.
            let old = header.join.with_mut(|slot| unsafe { (*slot).replace(waker) });
            drop(old);
        }
        header.state.set_join_waker()
    }

    fn take(&mut self) -> Result<T, TaskError> {
        let mut outcome = None::<Result<T, TaskError>>;
        let header = self.task.header();
        // SAFETY: the task is complete and we are the handle, so the outcome is ours, and its type is T.
        unsafe {
            (header.vtable.take_outcome)(self.task.pointer(), (&raw mut outcome).cast());
        }
        let Some(outcome) = outcome else {
            unreachable!("a complete task with a handle has an outcome");
        };
        self.taken = match &outcome {
            Err(TaskError::Cancelled(_)) => Taken::Cancelled,
            _ => Taken::Ended,
        };
        outcome
    }

    /// Waits until the task has ended, and leaves the outcome where it is. A cancel of the one who waits
    /// is not passed on.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub fn finished(&self) -> crate::Finished {
        self.task.finished()
    }

    /// Takes the outcome, if the task has ended and it was not taken yet.
    pub fn try_outcome(&mut self) -> Option<Result<T, TaskError>> {
        (self.taken == Taken::No && self.done()).then(|| self.take())
    }

    /// The outcome, if the task has ended and it was not taken yet; it stays where it is.
    pub fn outcome_mut(&mut self) -> Option<&mut Result<T, TaskError>> {
        if self.taken != Taken::No || !self.done() {
            return None;
        }
        // SAFETY: the task is complete and we are the handle: the outcome is ours alone while we are
        // borrowed mutably, its type is T, and it stays where it is.
        unsafe {
            (self.task.header().vtable.peek_outcome_mut)(self.task.pointer())
                .cast::<Result<T, TaskError>>()
                .as_mut()
        }
    }

    /// Looks at the outcome without taking it.
    ///
    /// asyncio: `result()` and `exception()` in one.
    ///
    /// # Errors
    ///
    /// [`NotDone`] before the task has ended, and after its outcome was taken.
    pub fn result(&self) -> Result<Result<&T, &TaskError>, NotDone>
    where
        T: Sync,
    {
        if self.taken != Taken::No || !self.done() {
            return Err(NotDone(()));
        }
        // SAFETY: the task is complete and we are the handle: the outcome is ours, its type is T, and it
        // stays where it is while we are borrowed. T: Sync, so it may be seen from several threads.
        let outcome = unsafe {
            (self.task.header().vtable.peek_outcome)(self.task.pointer())
                .cast::<Result<T, TaskError>>()
                .as_ref()
        };
        outcome.map(Result::as_ref).ok_or(NotDone(()))
    }

    /// True if the task has ended by being cancelled; also after an await has seen that. asyncio:
    /// `cancelled`.
    pub fn cancelled(&self) -> bool {
        if self.taken != Taken::No || !self.done() {
            return self.taken == Taken::Cancelled;
        }
        // SAFETY: as in `result`; only the error is looked at, which is Sync, and never the output.
        let outcome = unsafe {
            (self.task.header().vtable.peek_outcome)(self.task.pointer())
                .cast::<Result<T, TaskError>>()
                .as_ref()
        };
        matches!(outcome, Some(Err(TaskError::Cancelled(_))))
    }
}

impl<T> Task<T> {
    /// Lets the task run on its own. If it ends with an `Err` that is reported, with the task's name and
    /// the place where it was spawned; so is a panic.
    ///
    /// Only for tasks without a value to lose: those of `()`, `Result`, and those that never return.
    pub fn detach(self)
    where
        T: Detach,
    {
        unsafe fn read<T: Detach>(outcome: *const ()) -> Option<String> {
            // SAFETY: the caller (`ending::discard_outcome`) owns an outcome of the type that the handle
            // had when it set this function.
            match unsafe { &*outcome.cast::<Result<T, TaskError>>() } {
                Ok(output) => output.error_text(),
                Err(_) => None,
            }
        }
        if T::MAY_FAIL {
            self.task.header().notes().shared(|shared| shared.read_error = Some(read::<T>));
        }
    }
}

impl<T> Future for Task<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(self.poll_outcome(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(TaskError::Panicked(panic)) => panic.resume(),
            Err(TaskError::Failed(failed)) => {
                panic!("task {}, whose output is awaited here, {failed}", self.name())
            }
            Err(cancelled) => {
                node::unwind(cx, cancelled, &mut self.begun);
                Poll::Pending
            }
        }
    }
}

/// The task without its type. Also by deref: `task.cancel()`, `task.name()`, `task.done()`.
impl<T> AsRef<TaskRef> for Task<T> {
    fn as_ref(&self) -> &TaskRef {
        &self.task
    }
}

impl<T> Deref for Task<T> {
    type Target = TaskRef;
    fn deref(&self) -> &TaskRef {
        &self.task
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.awaiting.leave(&self.task);
        let header = self.task.header();
        let before = header.state.drop_handle();
        if before.is_complete() {
            if self.taken == Taken::No {
                // SAFETY: complete, and we were the handle: the outcome is ours. It is 'static, so it may
                // be dropped later: of the tasks that may borrow `with_root` takes the outcome itself.
                unsafe { reclaim::run(Job::Discard(self.task.clone())) };
            }
            if before.has_join_waker() {
                // The slot belongs to whoever completed the task.
                return;
            }
        }
        // SAFETY: JOIN_WAKER is not set (any more), so the slot is ours until our reference goes.
        if let Some(waker) = header.join.with_mut(|slot| unsafe { (*slot).take() }) {
            self.task.contain(What::WakerPanic, || drop(waker));
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({}, {})", self.name(), if self.done() { "done" } else { "pending" })
    }
}

/// The future of [`Task::outcome`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct Outcome<T>(Task<T>);

impl<T> Outcome<T> {
    /// The task.
    pub fn task(&self) -> &Task<T> {
        &self.0
    }
}

impl<T> Future for Outcome<T> {
    type Output = Result<T, TaskError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_outcome(cx)
    }
}

/// The task has not ended yet, or its outcome was taken. asyncio: `InvalidStateError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotDone(());

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task has no result to look at: it has not ended, or its output was taken")
    }
}

impl Error for NotDone {}
