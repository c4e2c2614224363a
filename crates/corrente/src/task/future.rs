//! The low-level future: a value to come, completed by hand.

use crate::runtime::handle::Handle;
use corrente_task::{Cancelled, OnCancel, Resume, on_cancel};
use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// A value that somebody will set. Clones are the same future; any number may await it.
///
/// An application seldom needs one: a task, or a [`oneshot`](crate::sync::oneshot) channel, is simpler. As
/// in asyncio, cancelling one who awaits it cancels the future, and so everybody who awaits it.
/// asyncio: `Future`. A future that may fail is a `Future<Result<T, E>>`.
///
/// # Examples
///
/// ```
/// use corrente::Future;
///
/// corrente::run(async {
///     let future = Future::new();
///     let setter = future.clone();
///     corrente::create_task(async move { setter.set_result(42).unwrap() }).detach();
///     assert_eq!(future.await, 42);
/// });
/// ```
pub struct Future<T> {
    shared: Arc<Mutex<State<T>>>,
}

struct State<T> {
    value: Value<T>,
    observers: Vec<Observer>,
    next: u64,
}

enum Value<T> {
    Pending,
    Set(T),
    Cancelled(Cancelled),
}

enum Observer {
    Waiter(u64, Waker),
    Callback(u64, Box<dyn FnOnce() + Send>),
}

impl Observer {
    fn key(&self) -> u64 {
        match self {
            Self::Waiter(key, _) | Self::Callback(key, _) => *key,
        }
    }

    fn tell(self) {
        match self {
            Self::Waiter(_, waker) => waker.wake(),
            Self::Callback(_, queue) => queue(),
        }
    }
}

/// The future does not allow that now: it is done already, or not yet. asyncio: `InvalidStateError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidStateError {
    /// It is done, and can be completed only once.
    Done,
    /// It is not done, and has no result yet.
    Pending,
}

impl fmt::Display for InvalidStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "the future is done already: ask `done()` before completing it",
            Self::Pending => "the future has no result yet: await it",
        })
    }
}

impl std::error::Error for InvalidStateError {}

/// Names one done-callback, to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackKey(pub(crate) u64);

impl<T> Future<T> {
    /// A future that is pending. asyncio: `loop.create_future()`.
    #[doc(alias = "create_future")]
    pub fn new() -> Self {
        let state = State { value: Value::Pending, observers: Vec::new(), next: 0 };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Only a clone of T runs under this lock, and it changes nothing: poison tells nothing.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, value: Value<T>) -> Result<(), InvalidStateError> {
        let observers = {
            let mut state = self.lock();
            if !matches!(state.value, Value::Pending) {
                return Err(InvalidStateError::Done);
            }
            state.value = value;
            std::mem::take(&mut state.observers)
        };
        observers.into_iter().for_each(Observer::tell);
        Ok(())
    }

    /// Gives the value. Whoever awaits it is woken, in the order in which they began.
    ///
    /// # Errors
    ///
    /// [`InvalidStateError::Done`], if it is done.
    pub fn set_result(&self, value: T) -> Result<(), InvalidStateError> {
        self.complete(Value::Set(value))
    }

    /// Ends it as cancelled. True unless it was done.
    pub fn cancel(&self) -> bool {
        self.complete(Value::Cancelled(Cancelled::default())).is_ok()
    }

    /// True if it has a value or was cancelled.
    pub fn done(&self) -> bool {
        !matches!(self.lock().value, Value::Pending)
    }

    /// True if it was cancelled.
    pub fn cancelled(&self) -> bool {
        matches!(self.lock().value, Value::Cancelled(_))
    }

    /// The value, if there is one. `Ok(Err(_))` if it was cancelled.
    ///
    /// # Errors
    ///
    /// [`InvalidStateError::Pending`], if it is not done.
    pub fn result(&self) -> Result<Result<T, Cancelled>, InvalidStateError>
    where
        T: Clone,
    {
        match &self.lock().value {
            Value::Pending => Err(InvalidStateError::Pending),
            Value::Set(value) => Ok(Ok(value.clone())),
            Value::Cancelled(cancelled) => Ok(Err(cancelled.clone())),
        }
    }

    /// Has `callback` called soon after the future is done; soon, too, if it is done already. Callbacks and
    /// waiters take their turns in the order in which they came. asyncio: `add_done_callback`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime: a callback needs one to run it.
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static) -> CallbackKey
    where
        T: Send + 'static,
    {
        let handle = Handle::current_or_panic("Future::add_done_callback");
        let context = corrente_task::Context::current();
        let future = self.clone();
        let queue: Box<dyn FnOnce() + Send> = Box::new(move || {
            context.run(|| handle.call_soon(move || callback(&future)));
        });
        let mut state = self.lock();
        let key = state.next;
        state.next += 1;
        if matches!(state.value, Value::Pending) {
            state.observers.push(Observer::Callback(key, queue));
        } else {
            drop(state);
            queue();
        }
        CallbackKey(key)
    }

    /// Takes a callback back. True if it was still to be called. asyncio: `remove_done_callback`.
    pub fn remove_done_callback(&self, key: CallbackKey) -> bool {
        self.forget(key.0)
    }

    fn forget(&self, key: u64) -> bool {
        let observer = {
            let mut state = self.lock();
            let position = state.observers.iter().position(|observer| observer.key() == key);
            position.map(|position| state.observers.remove(position))
        };
        observer.is_some()
    }
}

impl<T, E> Future<Result<T, E>> {
    /// Gives an error. asyncio: `set_exception`.
    ///
    /// # Errors
    ///
    /// [`InvalidStateError::Done`], if it is done.
    pub fn set_exception(&self, error: E) -> Result<(), InvalidStateError> {
        self.set_result(Err(error))
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T> Default for Future<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lock().value {
            Value::Pending => "Future(pending)",
            Value::Set(_) => "Future(done)",
            Value::Cancelled(_) => "Future(cancelled)",
        })
    }
}

impl<T: Clone> IntoFuture for Future<T> {
    type Output = T;
    type IntoFuture = FutureWait<T>;
    fn into_future(self) -> FutureWait<T> {
        let wait = Wait { future: self, key: None, interrupted: None };
        FutureWait { wait: on_cancel(wait, pass_on as PassOn<T>), leaving: None }
    }
}

impl<T: Clone> IntoFuture for &Future<T> {
    type Output = T;
    type IntoFuture = FutureWait<T>;
    fn into_future(self) -> FutureWait<T> {
        self.clone().into_future()
    }
}

type PassOn<T> = fn(Pin<&mut Wait<T>>, Cancelled);

/// A cancel of one who waits cancels the future, and by that the wait.
fn pass_on<T>(mut wait: Pin<&mut Wait<T>>, cancelled: Cancelled) {
    if wait.future.complete(Value::Cancelled(cancelled.clone())).is_err() {
        // It was done, and the waiter had not resumed yet: the cancel wins, the future keeps its value.
        wait.interrupted = Some(cancelled);
    }
}

/// The wait for a [`Future`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct FutureWait<T> {
    wait: OnCancel<Wait<T>, PassOn<T>>,
    leaving: Option<Resume>,
}

struct Wait<T> {
    future: Future<T>,
    key: Option<u64>,
    interrupted: Option<Cancelled>,
}

impl<T> Unpin for Wait<T> {}

impl<T: Clone> std::future::Future for Wait<T> {
    type Output = Result<T, Cancelled>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(cancelled) = self.interrupted.take() {
            return Poll::Ready(Err(cancelled));
        }
        let waker = cx.waker().clone();
        let this = &mut *self;
        let mut state = this.future.lock();
        let result = match &state.value {
            Value::Set(value) => Ok(value.clone()),
            Value::Cancelled(cancelled) => Err(cancelled.clone()),
            Value::Pending => {
                let key = *this.key.get_or_insert(state.next);
                if key == state.next {
                    state.next += 1;
                    state.observers.push(Observer::Waiter(key, waker));
                } else if let Some(Observer::Waiter(_, old)) =
                    state.observers.iter_mut().find(|observer| observer.key() == key)
                {
                    let old = std::mem::replace(old, waker);
                    drop(state);
                    drop(old);
                }
                return Poll::Pending;
            }
        };
        this.key = None;
        Poll::Ready(result)
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.future.forget(key);
        }
    }
}

impl<T: Clone> std::future::Future for FutureWait<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.leaving.is_none() {
            match ready!(Pin::new(&mut self.wait).poll(cx)) {
                Ok(value) => return Poll::Ready(value),
                Err(cancelled) => self.leaving = Some(cancelled.resume()),
            }
        }
        match &mut self.leaving {
            Some(leaving) => Pin::new(leaving).poll(cx).map(|never| match never {}),
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for FutureWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FutureWait")
    }
}
