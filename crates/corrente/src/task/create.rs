//! Making tasks.

use crate::runtime::current;
use corrente_task::{Context, ContextChoice, Options, SharedContext, Task};
use std::any::Any;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::sync::Arc;

/// Runs a future as a task of its own, at the same time as its creator, perhaps on another thread.
///
/// asyncio: `create_task(coro)`. There the child starts when its creator suspends; here it may run, and
/// even be done, before `create_task` returns.
///
/// # Panics
///
/// Outside of a runtime. Use [`Handle::create_task`](crate::Handle::create_task) from plain threads.
///
/// # Examples
///
/// ```
/// corrente::run(async {
///     let answer = corrente::create_task(async { 6 * 7 });
///     assert_eq!(answer.await, 42);
/// });
/// ```
#[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
#[doc(alias("spawn", "Task"))]
#[track_caller]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    let options = Options::default();
    current::here("create_task").spawn_with(future.into_future(), options, false)
}

/// Runs a future that is not `Send` as a task of this thread.
///
/// It belongs to the [`run`](crate::run) that this thread is in, and ends with it.
///
/// # Panics
///
/// On a thread that is not in a `run` or `block_on`: other workers have no local tasks.
#[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
#[doc(alias = "spawn_local")]
#[track_caller]
pub fn create_local_task<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: 'static, Output: 'static>,
{
    TaskBuilder::new().spawn_local(future)
}

/// The task itself if it is one, else a task made of the future.
///
/// asyncio: `ensure_future`.
///
/// # Panics
///
/// As [`create_task`].
#[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
#[doc(alias = "wrap_future")]
#[track_caller]
pub fn ensure_future<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    let mut slot = Some(future.into_future());
    // Tasks are futures, too, and there is no specialisation; the type id tells them apart at no cost.
    if let Some(task) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Task<F::Output>>>() {
        if let Some(task) = task.take() {
            return task;
        }
    }
    match slot {
        Some(future) => create_task(future),
        None => unreachable!("the slot is emptied only if it held a task"),
    }
}

/// A task's options.
///
/// # Examples
///
/// ```
/// use corrente::{TaskBuilder, current_task};
///
/// corrente::run(async {
///     let task = TaskBuilder::new().name("reader").spawn(async {
///         current_task().map(|task| task.name())
///     });
///     assert_eq!(task.await.as_deref(), Some("reader"));
/// });
/// ```
///
/// asyncio: the keyword arguments of `create_task` and `Task`.
#[derive(Clone, Debug, Default)]
pub struct TaskBuilder {
    name: Option<Arc<str>>,
    context: ContextChoice,
    eager: bool,
}

impl TaskBuilder {
    /// No name, the creator's context, not eager.
    pub fn new() -> Self {
        Self::default()
    }

    /// The task's name, for reports and for [`all_tasks`](crate::all_tasks). asyncio: `name=`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The context that the task begins with, instead of its creator's. asyncio: `context=`, of a copy.
    pub fn context(mut self, context: Context) -> Self {
        self.context = ContextChoice::Own(context);
        self
    }

    /// A context that the task shares with others. asyncio: `context=`.
    pub fn shared_context(mut self, context: SharedContext) -> Self {
        self.context = ContextChoice::Shared(context);
        self
    }

    /// Polls the task once before `spawn` returns, so that it runs to its first suspension at once.
    /// asyncio: `eager_start=`, `eager_task_factory`.
    #[doc(alias("eager_task_factory", "create_eager_task_factory"))]
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    #[track_caller]
    pub(crate) fn options(self) -> (Options, bool) {
        let Self { name, context, eager } = self;
        let options = Options { name, context, location: Location::caller(), ..Options::default() };
        (options, eager)
    }

    /// Makes the task.
    ///
    /// # Panics
    ///
    /// As [`create_task`].
    #[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
    {
        let (options, eager) = self.options();
        current::here("create_task").spawn_with(future.into_future(), options, eager)
    }

    /// Makes a task of this thread.
    ///
    /// # Panics
    ///
    /// As [`create_local_task`].
    #[must_use = "a dropped task runs on, but nobody sees its result: await it, keep it, or `detach()` it"]
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Task<F::Output>
    where
        F: IntoFuture<IntoFuture: 'static, Output: 'static>,
    {
        let (options, eager) = self.options();
        let future = future.into_future();
        let spawned = if eager {
            corrente_scheduler::spawn_local_eager(future, options)
        } else {
            corrente_scheduler::spawn_local(future, options)
        };
        match spawned {
            Ok(task) => task,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Lets the other tasks that are ready run once. asyncio: `sleep(0)`.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        if self.yielded {
            return std::task::Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }
}
