//! Callbacks: plain functions that the runtime calls, soon, later, or when a task is done.
//!
//! A callback is a cell like a task (`Kind::Callback`): it goes through the same queues in the same order,
//! a panic in it is reported like a task's, and it carries its creator's context. Only `current_task()` is
//! none while it runs, and it is not among `all_tasks()`.

use crate::runtime::current;
use crate::runtime::handle::Handle;
use crate::task::future::CallbackKey;
use corrente_task::{Context, TaskRef, WatchKey};
use corrente_timer::{Tick, TimerKey, Timers};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// A callback that was queued by [`Handle::call_soon`](crate::Handle::call_soon). asyncio: `Handle`.
#[derive(Debug)]
pub struct CallHandle {
    task: TaskRef,
    cancelled: bool,
}

impl CallHandle {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self { task, cancelled: false }
    }

    /// Takes the callback back, if it was not called yet; what it holds is dropped.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        self.task.abort();
    }

    /// True if it was taken back.
    pub fn cancelled(&self) -> bool {
        self.cancelled
    }
}

/// A callback with a time, from [`Handle::call_later`](crate::Handle::call_later). asyncio: `TimerHandle`.
#[derive(Debug)]
pub struct TimerHandle {
    call: CallHandle,
    when: Tick,
}

impl TimerHandle {
    pub(crate) fn new(task: TaskRef, when: Tick) -> Self {
        Self { call: CallHandle::new(task), when }
    }

    /// Takes the callback back, if it was not called yet.
    pub fn cancel(&mut self) {
        self.call.cancel();
    }

    /// True if it was taken back.
    pub fn cancelled(&self) -> bool {
        self.call.cancelled()
    }

    /// When it is to be called, as a time of the runtime's clock. asyncio: `when()`.
    pub fn when(&self) -> Duration {
        self.when.since_origin()
    }
}

/// The future of a callback with a time. Its first poll registers the timer, whatever the time; unlike a
/// sleep it never goes on at once, so a callback is never called from within `call_later`.
pub(crate) struct Later<F> {
    timers: Timers,
    when: Tick,
    key: Option<TimerKey>,
    call: Option<F>,
}

impl<F> Later<F> {
    pub fn new(timers: Timers, when: Tick, call: F) -> Self {
        Self { timers, when, key: None, call: Some(call) }
    }
}

impl<F> Unpin for Later<F> {}

impl<F: FnOnce() -> R, R> Future for Later<F> {
    type Output = R;
    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<R> {
        if self.key.is_none() {
            return match self.timers.register(current::shard(), self.when, cx.waker()) {
                Ok(key) => {
                    self.key = Some(key);
                    Poll::Pending
                }
                // The runtime is over: no time will come, and what waits for it is dropped.
                Err(_) => Poll::Pending,
            };
        }
        // Nobody but the timer wakes a callback.
        self.key = None;
        match self.call.take() {
            Some(call) => Poll::Ready(call()),
            None => unreachable!("a callback that was called is not polled again"),
        }
    }
}

impl<F> Drop for Later<F> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.timers.cancel(key);
        }
    }
}

/// Done-callbacks of tasks.
pub trait DoneCallbacks {
    /// Has `callback` called soon after the task has ended; soon, too, if it has already. Never from within
    /// this call. It runs in the context of whoever adds it. asyncio: `add_done_callback`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime: a callback needs one to run it.
    #[track_caller]
    fn add_done_callback(&self, callback: impl FnOnce(&TaskRef) + Send + 'static) -> DoneCallback;
}

/// A done-callback that was added; dropping this leaves it in place.
#[derive(Debug)]
pub struct DoneCallback {
    task: TaskRef,
    key: Option<WatchKey>,
}

impl DoneCallback {
    /// Takes the callback back. True if it was still to be called. asyncio: `remove_done_callback`.
    pub fn remove(self) -> bool {
        self.key.is_some_and(|key| self.task.unwatch(key))
    }
}

impl DoneCallbacks for TaskRef {
    #[track_caller]
    fn add_done_callback(&self, callback: impl FnOnce(&TaskRef) + Send + 'static) -> DoneCallback {
        let handle = Handle::current_or_panic("add_done_callback");
        let task = self.clone();
        let ticket = Arc::new(Ticket {
            handle,
            context: Context::current(),
            callback: Mutex::new(Some(Box::new(move || callback(&task)))),
        });
        let waker = Waker::from(ticket);
        let key = self.watch(&waker);
        if key.is_none() {
            waker.wake();
        }
        DoneCallback { task: self.clone(), key }
    }
}

/// Queues a callback when it is woken.
struct Ticket {
    handle: Handle,
    context: Context,
    callback: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let callback = self.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(callback) = callback {
            self.context.run(|| self.handle.call_soon(callback));
        }
    }
}

impl fmt::Display for CallbackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "callback {}", self.0)
    }
}
