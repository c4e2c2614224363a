//! One task, several awaiters.

use crate::error::{Cancelled, TaskError};
use crate::node::{ForwardCancel, Resume, forward_cancel};
use crate::task::Task;
use crate::task_ref::TaskRef;
use crate::waits::Finished;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// A handle of a task that can be cloned; each clone can be awaited, and gives a copy of the output.
///
/// As in asyncio a cancel of one awaiter goes into the task, and so reaches the other awaiters; a
/// [`finished`](TaskRef::finished) in front of it, or `shield`, keeps it away.
///
/// asyncio: any `Task` may be awaited by several.
pub struct Shared<T: Clone> {
    outcome: Arc<Mutex<State<T>>>,
    task: TaskRef,
    waiting: Option<ForwardCancel<Finished>>,
    leaving: Option<Resume>,
}

enum State<T> {
    Running(Task<T>),
    Value(T),
    Cancelled(Cancelled),
    Panicked(String),
}

impl<T: Clone> Task<T> {
    /// Makes the handle one that can be cloned and awaited by several.
    pub fn shared(self) -> Shared<T> {
        let task = self.as_ref().clone();
        let outcome = Arc::new(Mutex::new(State::Running(self)));
        Shared { outcome, task, waiting: None, leaving: None }
    }
}

impl<T: Clone> Shared<T> {
    /// The output, if the task has ended with one. asyncio: `result()`.
    pub fn result(&self) -> Option<T> {
        match &*self.settled() {
            State::Value(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// True if the task was cancelled. asyncio: `cancelled()`.
    pub fn cancelled(&self) -> bool {
        matches!(&*self.settled(), State::Cancelled(_))
    }

    /// The outcome, taken out of the task if that has ended.
    ///
    /// The lock is held while a value is cloned: T need not be Sync, so two may not clone it at once.
    fn settled(&self) -> MutexGuard<'_, State<T>> {
        // A panic in a clone of T leaves the outcome as it was, so poison tells nothing.
        let mut state = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Running(task) = &mut *state else { return state };
        let settled = match task.try_outcome() {
            Some(Ok(value)) => State::Value(value),
            Some(Err(TaskError::Cancelled(cancelled))) => State::Cancelled(cancelled),
            Some(Err(error)) => {
                let message = error.to_string();
                error.drop_contained();
                State::Panicked(message)
            }
            None => return state,
        };
        *state = settled;
        state
    }
}

impl<T: Clone> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            outcome: self.outcome.clone(),
            task: self.task.clone(),
            waiting: None,
            leaving: None,
        }
    }
}

impl<T: Clone> Unpin for Shared<T> {}

impl<T: Clone> Future for Shared<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.leaving.is_none() {
            self.task.check_not_current();
            let task = self.task.clone();
            let waiting = self
                .waiting
                .get_or_insert_with(|| forward_cancel(Arc::from([task.clone()]), task.finished()));
            ready!(Pin::new(waiting).poll(cx));
            let state = self.settled();
            let leaving = match &*state {
                State::Value(value) => return Poll::Ready(value.clone()),
                State::Cancelled(cancelled) => cancelled.clone().resume(),
                State::Panicked(message) => {
                    let message = message.clone();
                    drop(state);
                    panic!("{message}");
                }
                State::Running(_) => unreachable!("the task has finished"),
            };
            drop(state);
            self.leaving = Some(leaving);
        }
        match &mut self.leaving {
            Some(leaving) => match ready!(Pin::new(leaving).poll(cx)) {},
            None => Poll::Pending,
        }
    }
}

impl<T: Clone> Deref for Shared<T> {
    type Target = TaskRef;
    fn deref(&self) -> &TaskRef {
        &self.task
    }
}

impl<T: Clone> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:?})", self.task)
    }
}
