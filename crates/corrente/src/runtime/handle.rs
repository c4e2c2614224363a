//! The running runtime as everybody may hold it: asyncio's loop.

use crate::runtime::current;
use crate::runtime::thread_future::ThreadFuture;
use crate::task::callback::{CallHandle, Later, TimerHandle};
use crate::task::future::Future as LowFuture;
use corrente_io::ReactorHandle;
use corrente_scheduler::Metrics;
use corrente_task::{Detach, Kind, Options, Task, TaskRef};
use corrente_timer::{Clock, Sleep as Timer, Tick, Timers};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A runtime, from any thread: make tasks, queue callbacks, look at its clock.
///
/// Cheap to clone. It does not keep the runtime alive: after its end new tasks are cancelled at once.
/// asyncio: the event loop, from [`get_running_loop`](crate::get_running_loop).
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

/// A handle that keeps nothing alive.
pub(crate) struct WeakHandle(Weak<Inner>);

impl WeakHandle {
    pub fn upgrade(&self) -> Option<Handle> {
        self.0.upgrade().map(|inner| Handle { inner })
    }
}

struct Inner {
    pool: corrente_scheduler::Handle,
    timers: Timers,
    reactor: ReactorHandle,
}

/// No runtime runs on this thread. asyncio: the `RuntimeError` of `get_running_loop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRunningLoop(());

impl fmt::Display for NoRunningLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no runtime runs on this thread: call this from within `corrente::run(async { … })`",
        )
    }
}

impl std::error::Error for NoRunningLoop {}

impl Handle {
    pub(crate) fn new(
        pool: corrente_scheduler::Handle,
        timers: Timers,
        reactor: ReactorHandle,
    ) -> Self {
        Self { inner: Arc::new(Inner { pool, timers, reactor }) }
    }

    /// The runtime that this thread works for: in a task, a callback, or a function in `to_thread`.
    ///
    /// asyncio: `get_running_loop()`.
    ///
    /// # Errors
    ///
    /// [`NoRunningLoop`] on any other thread.
    #[doc(alias("get_running_loop", "get_event_loop"))]
    pub fn current() -> Result<Self, NoRunningLoop> {
        current::get().ok_or(NoRunningLoop(()))
    }

    #[track_caller]
    pub(crate) fn current_or_panic(function: &str) -> Self {
        current::with(function, Self::clone)
    }

    /// Runs a future as a task of this runtime.
    ///
    /// asyncio: `loop.create_task`. From any thread.
    #[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
    {
        self.spawn_with(future.into_future(), Options::default(), false)
    }

    #[inline]
    pub(crate) fn spawn_with<F>(&self, future: F, options: Options, eager: bool) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        if eager {
            self.inner.pool.spawn_eager(future, options)
        } else {
            self.inner.pool.spawn(future, options)
        }
    }

    #[track_caller]
    pub(crate) fn callback<F>(&self, future: F, eager: bool) -> TaskRef
    where
        F: Future<Output: Detach + Send + 'static> + Send + 'static,
    {
        let options = Options { kind: Kind::Callback, ..Options::default() };
        let task = self.spawn_with(future, options, eager);
        let reference = task.as_ref().clone();
        task.detach();
        reference
    }

    /// Has `callback` called soon: after what is ready already, never from within this call.
    ///
    /// It runs in the caller's context, with no current task. A panic in it, or an `Err` that it returns, is
    /// reported. asyncio: `call_soon`, and `call_soon_threadsafe`, since this may be called from any thread.
    #[doc(alias = "call_soon_threadsafe")]
    #[track_caller]
    pub fn call_soon<R>(&self, callback: impl FnOnce() -> R + Send + 'static) -> CallHandle
    where
        R: Detach + Send + 'static,
    {
        CallHandle::new(self.callback(async move { callback() }, false))
    }

    /// Has `callback` called after `delay`. asyncio: `call_later`.
    #[track_caller]
    pub fn call_later<R>(
        &self,
        delay: Duration,
        callback: impl FnOnce() -> R + Send + 'static,
    ) -> TimerHandle
    where
        R: Detach + Send + 'static,
    {
        self.call_at_tick(self.clock().after(delay), callback)
    }

    /// Has `callback` called when the clock shows `when`. asyncio: `call_at`.
    #[track_caller]
    pub fn call_at<R>(
        &self,
        when: Duration,
        callback: impl FnOnce() -> R + Send + 'static,
    ) -> TimerHandle
    where
        R: Detach + Send + 'static,
    {
        self.call_at_tick(Tick::ceil(when), callback)
    }

    #[track_caller]
    fn call_at_tick<R>(
        &self,
        when: Tick,
        callback: impl FnOnce() -> R + Send + 'static,
    ) -> TimerHandle
    where
        R: Detach + Send + 'static,
    {
        // The first poll only registers the timer; made at once, timers keep the order of their calls.
        let later = Later::new(self.inner.timers.clone(), when, callback);
        TimerHandle::new(self.callback(later, true), when)
    }

    /// How long the runtime's clock has run; with virtual time, what it shows. asyncio: `loop.time()`.
    pub fn time(&self) -> Duration {
        self.clock().time()
    }

    /// A low-level future. asyncio: `loop.create_future()`.
    pub fn create_future<T>(&self) -> LowFuture<T> {
        LowFuture::new()
    }

    /// Runs a blocking function on a thread of the pool, without the caller's context.
    ///
    /// Cancelled before the function has begun, the task ends at once, and the function is dropped there; later
    /// the function runs to its end.
    ///
    /// asyncio: `run_in_executor(None, f)`; [`to_thread`](crate::to_thread) carries the context along.
    #[must_use = "the function runs, but its result is seen only if this is awaited"]
    #[track_caller]
    pub fn run_in_executor<R: Send + 'static>(
        &self,
        function: impl FnOnce() -> R + Send + 'static,
    ) -> Task<R> {
        let options = Options {
            context: corrente_task::ContextChoice::Own(corrente_task::Context::new()),
            ..Options::default()
        };
        self.blocking(function, options)
    }

    pub(crate) fn blocking<R: Send + 'static>(
        &self,
        function: impl FnOnce() -> R + Send + 'static,
        options: Options,
    ) -> Task<R> {
        let handle = self.clone();
        self.inner.pool.spawn_blocking(
            move || {
                let _entered = current::enter(handle);
                function()
            },
            options,
        )
    }

    /// Runs a future as a task, for a plain thread that wants to wait for it.
    ///
    /// asyncio: `run_coroutine_threadsafe`.
    #[doc(alias = "run_coroutine_threadsafe")]
    #[track_caller]
    pub fn run_threadsafe<F>(&self, future: F) -> ThreadFuture<F::Output>
    where
        F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
    {
        ThreadFuture::new(self.create_task(future))
    }

    /// The tasks that have not ended, main included. asyncio: `all_tasks(loop)`.
    pub fn all_tasks(&self) -> Vec<TaskRef> {
        // A task is over a moment before its scheduler has taken it off the books.
        let mut tasks = self.inner.pool.all_tasks();
        tasks.retain(|task| !task.done());
        tasks
    }

    /// What the workers have done so far.
    pub fn metrics(&self) -> Metrics {
        self.inner.pool.metrics()
    }

    pub(crate) fn downgrade(&self) -> WeakHandle {
        WeakHandle(Arc::downgrade(&self.inner))
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.inner.timers.clock()
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.inner.timers
    }

    #[inline]
    pub(crate) fn timer(&self, deadline: Tick) -> Timer {
        Timer::new(&self.inner.timers, current::shard(), deadline)
    }

    /// The reactor for a new socket.
    pub(crate) fn current_reactor() -> io::Result<ReactorHandle> {
        match current::get() {
            Some(handle) => Ok(handle.inner.reactor.clone()),
            None => Err(io::Error::other(
                "a socket needs a runtime: make it from within `corrente::run(async { … })` or a task",
            )),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
