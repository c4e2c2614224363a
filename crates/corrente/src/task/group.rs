//! A group of tasks that ends when all of them have.
//!
//! The group's state is one lock; no user code and no wake happens under it. Who does what:
//!
//! * a child is wrapped in [`Child`], which tells the group how it ended, before its task is complete;
//! * the first failure *aborts* the group: it cancels the children and interrupts the body, once;
//! * [`TaskGroup::run`] drives the body, then waits until no child is left, then until their tasks are
//!   complete, and only then decides what to return.
//!
//! The interruption of the body is a cancel request that is counted in the parent task, so `run` takes it
//! back. It does so when all children are gone: only children interrupt, so by then every request that
//! will ever be made has been made, and the count comes out even.

use crate::runtime::current;
use crate::task::create::TaskBuilder;
use crate::task::error_group::{Error, ErrorGroup};
use crate::task::outcome::Outcome;
use corrente_task::{
    Cancelled, Failed, Interrupter, Panicked, Task, TaskError, TaskRef, cancelling_here,
    catch_cancel, current as current_task, exit_with, on_cancel,
};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Runs several tasks as one thing: nothing in it outlives it.
///
/// * The group ends when its body and all its children have ended. Children may add children.
/// * The first error of a child cancels the siblings and the body; the group waits for all their
///   clean-ups and returns *all* errors. A panic does the same, and is resumed when all have ended.
/// * A cancel of the surrounding task goes to the children and comes out when they have ended.
/// * A child that was cancelled on its own is no error of the group.
///
/// The handle is cheap to clone; a child may carry one, to add more children. asyncio: `TaskGroup`.
///
/// # Examples
///
/// ```
/// use corrente::{Error, TaskGroup};
///
/// async fn parse(text: &'static str) -> Result<u64, std::num::ParseIntError> {
///     text.parse()
/// }
///
/// corrente::run(async {
///     let sum = TaskGroup::run(async |group| {
///         let a = group.create_task(parse("40"));
///         let b = group.create_task(async { 2_u64 });
///         Ok::<u64, Error>(a.await + b.await)
///     });
///     assert_eq!(sum.await.unwrap(), 42);
/// });
/// ```
#[derive(Clone)]
pub struct TaskGroup {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// What stops the children and the body.
    stop: Cancelled,
}

struct State {
    phase: Phase,
    /// The children whose futures still exist, and those that ended since `run` looked last.
    children: Vec<TaskRef>,
    live: usize,
    errors: ErrorGroup,
    panic: Option<Panicked>,
    /// Interrupts the body while it runs.
    body: Option<Interrupter>,
    /// The body was interrupted, and the request has to be taken back.
    interrupted: bool,
    /// `cancel()` was called: leave without an error.
    cancelled: bool,
    waiter: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Takes children.
    Open,
    /// Something failed, or the group is being cancelled: children are told to stop, none are taken.
    Aborting,
    /// Over.
    Ended,
}

/// The group takes no more children: it has ended, or is about to, since a child failed.
///
/// asyncio: the `RuntimeError` of `create_task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupClosed {
    ended: bool,
}

impl fmt::Display for GroupClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ended {
            "the task group has ended: a task can be added only while it runs"
        } else {
            "the task group is shutting down, since one of its tasks failed or it was cancelled"
        })
    }
}

impl std::error::Error for GroupClosed {}

impl TaskGroup {
    /// Runs `body` with a new group, waits for all its children, and gives the body's value.
    ///
    /// # Errors
    ///
    /// All errors of the children, in the order in which they came, and the body's own last.
    ///
    /// # Panics
    ///
    /// If the body or a child panicked, with that panic, after all others have ended.
    ///
    /// # Cancel safety
    ///
    /// A cancel waits for the children. *Dropping* the future cannot wait: it aborts them, and says so.
    #[allow(clippy::manual_async_fn)] // The bound on the future's own type needs the long form.
    pub async fn run<B>(
        body: impl FnOnce(Self) -> B,
    ) -> Result<<B::Output as Outcome>::Value, ErrorGroup>
    where
        B: Future<Output: Outcome<Error: Into<Error>>>,
    {
        let group = Self::new();
        let parent = current_task();
        let before = cancelling_here();
        let _abort = AbortOnDrop(&group);
        let ended = group.run_body(body(group.clone())).await;
        let (mut value, mut body_error, mut outer) = (None, None, None);
        match ended {
            Ok(Ok(outcome)) => match outcome.into_result() {
                Ok(ok) => value = Some(ok),
                Err(error) => body_error = Some(error.into()),
            },
            Ok(Err(panic)) => group.set_panic(panic),
            Err(cancelled) => outer = Some(cancelled),
        }
        if value.is_none() {
            group.abort();
        }
        on_cancel(group.all_ended(), |_, cancelled| {
            // Later ones are only counted: the children clean up undisturbed.
            if group.abort() {
                outer = Some(cancelled);
            }
        })
        .await;
        let ended = group.end();
        if ended.interrupted {
            if let Some(parent) = &parent {
                parent.uncancel();
                if cancelling_here() <= before {
                    outer = None;
                }
            }
        }
        if let Some(panic) = ended.panic {
            panic.resume();
        }
        let mut errors = ended.errors;
        if let Some(error) = body_error {
            errors.push(None, error);
        }
        if !errors.is_empty() {
            if let Some(parent) = parent.filter(|_| cancelling_here() > before) {
                // The errors win now; the cancel from outside strikes at the next suspension.
                parent.uncancel();
                parent.cancel_as(outer.unwrap_or_default());
            }
            return Err(errors);
        }
        if let Some(cancelled) = outer {
            match cancelled.resume().await {}
        }
        match value {
            Some(value) => Ok(value),
            None => {
                // `cancel()` interrupted the body, so there is no value to give.
                errors.push(None, Cancelled::default().into());
                Err(errors)
            }
        }
    }

    fn new() -> Self {
        let state = State {
            phase: Phase::Open,
            children: Vec::new(),
            live: 0,
            errors: ErrorGroup::new(),
            panic: None,
            body: None,
            interrupted: false,
            cancelled: false,
            waiter: None,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), stop: Cancelled::once() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under this lock, so poison would tell nothing.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives the body; `Err(Cancelled)` if it was interrupted, by the group or from outside.
    async fn run_body<B: Future>(&self, body: B) -> Result<Result<B::Output, Panicked>, Cancelled> {
        let mut body = pin!(catch_cancel(Contained { inner: body }));
        let mut entered = false;
        let result = poll_fn(|cx| {
            loop {
                let polled = body.as_mut().poll(cx);
                if polled.is_ready() || std::mem::replace(&mut entered, true) {
                    return polled;
                }
                // The interrupter exists from the first poll on. If a child failed before we had it, the
                // interruption is ours to make.
                let late = {
                    let mut state = self.lock();
                    state.body = body.interrupter();
                    let late = state.phase == Phase::Aborting;
                    state.interrupted |= late;
                    late
                };
                if !late || !body.as_mut().interrupt_as(self.shared.stop.clone()) {
                    return polled;
                }
            }
        })
        .await;
        self.lock().body = None;
        result
    }

    /// Runs a future as a child of the group.
    ///
    /// Its `Err` goes to the group, so the handle's `.await` gives the value itself: whoever could see the
    /// failure has been cancelled by then. The handle may be dropped; the group waits all the same.
    ///
    /// While the group is shutting down the new task is cancelled before it starts.
    ///
    /// # Panics
    ///
    /// If the group has ended; [`try_create_task`](Self::try_create_task) tells instead.
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<<F::Output as Outcome>::Value>
    where
        F: IntoFuture<IntoFuture: Send + 'static>,
        F::Output: Outcome<Value: Send + 'static, Error: Into<Error>>,
    {
        self.task().spawn(future)
    }

    /// Like [`create_task`](Self::create_task), or an error if the group takes no more children; then the
    /// future is dropped without having run.
    ///
    /// # Errors
    ///
    /// [`GroupClosed`], if the group has ended or is shutting down.
    #[track_caller]
    pub fn try_create_task<F>(
        &self,
        future: F,
    ) -> Result<Task<<F::Output as Outcome>::Value>, GroupClosed>
    where
        F: IntoFuture<IntoFuture: Send + 'static>,
        F::Output: Outcome<Value: Send + 'static, Error: Into<Error>>,
    {
        self.task().try_spawn(future)
    }

    /// A child with options. asyncio: the keyword arguments of `create_task`.
    pub fn task(&self) -> ChildBuilder<'_> {
        ChildBuilder { group: self, builder: TaskBuilder::new() }
    }

    /// Stops everything in the group: children and body are cancelled, and [`run`](Self::run) ends without
    /// an error when they have. Only if the body itself was interrupted, and so has no value, `run` gives an
    /// [`ErrorGroup`] that holds nothing but [`Cancelled`].
    ///
    /// asyncio (3.15): `TaskGroup.cancel()`.
    pub fn cancel(&self) {
        self.lock().cancelled = true;
        self.abort();
    }

    /// True if the group takes no more children.
    pub fn is_closed(&self) -> bool {
        self.lock().phase != Phase::Open
    }

    fn admit(&self) -> Result<(), GroupClosed> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(GroupClosed { ended: state.phase == Phase::Ended });
        }
        state.live += 1;
        Ok(())
    }

    /// Registers a child that [`admit`](Self::admit) has let in. If the group was aborted in between, the
    /// child is cancelled like its siblings.
    fn register(&self, child: TaskRef) {
        let mut state = self.lock();
        let late = state.phase != Phase::Open;
        state.children.push(child.clone());
        drop(state);
        if late {
            child.cancel_as(self.shared.stop.clone());
        }
    }

    /// Tells everybody to stop. True the first time.
    fn abort(&self) -> bool {
        let (children, body) = {
            let mut state = self.lock();
            if state.phase != Phase::Open {
                return false;
            }
            state.phase = Phase::Aborting;
            let body = state.body.clone();
            state.interrupted |= body.is_some();
            (state.children.clone(), body)
        };
        // One request for all: a child that the body awaits gets it from the body, too, and must not take
        // that for a second one, which would cut its clean-up.
        for child in children {
            child.cancel_as(self.shared.stop.clone());
        }
        if let Some(body) = body {
            body.interrupt_as(self.shared.stop.clone());
        }
        true
    }

    fn set_panic(&self, panic: Panicked) {
        let mut state = self.lock();
        if state.panic.is_none() {
            state.panic = Some(panic);
        }
    }

    /// A child's future is about to be gone.
    fn child_left(&self) {
        let waiter = {
            let mut state = self.lock();
            state.live -= 1;
            if state.live > 0 {
                return;
            }
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Waits until no child is left, and until the tasks of all of them are complete.
    async fn all_ended(&self) {
        loop {
            poll_fn(|cx| {
                let mut state = self.lock();
                if state.live == 0 {
                    return Poll::Ready(());
                }
                state.waiter = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            // A child is counted out while its future is dropped; its task completes a moment later.
            let children = std::mem::take(&mut self.lock().children);
            if children.is_empty() {
                return;
            }
            for child in children {
                child.finished().await;
            }
        }
    }

    fn end(&self) -> Ended {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        Ended {
            interrupted: state.interrupted,
            panic: state.panic.take(),
            errors: std::mem::replace(&mut state.errors, ErrorGroup::new()),
        }
    }
}

struct Ended {
    interrupted: bool,
    panic: Option<Panicked>,
    errors: ErrorGroup,
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        write!(f, "TaskGroup({:?}, {} children)", state.phase, state.live)
    }
}

/// A group whose future is dropped cannot wait; what is left of it is aborted.
struct AbortOnDrop<'a>(&'a TaskGroup);

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        let children = {
            let mut state = self.0.lock();
            if state.phase == Phase::Ended {
                return;
            }
            state.phase = Phase::Ended;
            std::mem::take(&mut state.children)
        };
        let children: Vec<_> = children.into_iter().filter(|child| !child.done()).collect();
        if !children.is_empty() {
            let names: Vec<_> = children.iter().map(|child| child.name()).collect();
            eprintln!(
                "corrente: a task group was dropped before it had ended; its tasks are aborted: {}",
                names.join(", ")
            );
        }
        for child in children {
            child.abort();
        }
    }
}

/// A child's options; see [`TaskGroup::task`].
#[derive(Debug)]
pub struct ChildBuilder<'a> {
    group: &'a TaskGroup,
    builder: TaskBuilder,
}

impl ChildBuilder<'_> {
    /// See [`TaskBuilder::name`].
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.builder = self.builder.name(name);
        self
    }

    /// See [`TaskBuilder::context`].
    pub fn context(mut self, context: corrente_task::Context) -> Self {
        self.builder = self.builder.context(context);
        self
    }

    /// See [`TaskBuilder::eager_start`].
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.builder = self.builder.eager_start(eager);
        self
    }

    /// See [`TaskGroup::create_task`].
    ///
    /// # Panics
    ///
    /// If the group has ended.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<<F::Output as Outcome>::Value>
    where
        F: IntoFuture<IntoFuture: Send + 'static>,
        F::Output: Outcome<Value: Send + 'static, Error: Into<Error>>,
    {
        let builder = self.builder.clone();
        match self.group.admit() {
            Ok(()) => self.start(future.into_future()),
            Err(closed) if closed.ended => panic!("{closed}"),
            Err(_) => {
                let task = builder.spawn(std::future::pending());
                task.abort();
                task
            }
        }
    }

    /// See [`TaskGroup::try_create_task`].
    ///
    /// # Errors
    ///
    /// [`GroupClosed`], if the group takes no more children.
    #[track_caller]
    pub fn try_spawn<F>(self, future: F) -> Result<Task<<F::Output as Outcome>::Value>, GroupClosed>
    where
        F: IntoFuture<IntoFuture: Send + 'static>,
        F::Output: Outcome<Value: Send + 'static, Error: Into<Error>>,
    {
        self.group.admit()?;
        Ok(self.start(future.into_future()))
    }

    #[track_caller]
    fn start<F>(self, future: F) -> Task<<F::Output as Outcome>::Value>
    where
        F: Future<Output: Outcome<Value: Send + 'static, Error: Into<Error>>> + Send + 'static,
    {
        let membership = Membership { group: self.group.clone() };
        let child = Child { inner: Contained { inner: future }, membership, leaving: None };
        let (options, eager) = self.builder.options();
        let task = current::here("TaskGroup::create_task").spawn_with(child, options, eager);
        self.group.register(task.as_ref().clone());
        task
    }
}

/// Counts a child out when its future goes, however it goes.
struct Membership {
    group: TaskGroup,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.group.child_left();
    }
}

pin_project! {
    /// The future of a child: gives a value, or gives its error to the group.
    struct Child<F> {
        #[pin]
        inner: Contained<F>,
        membership: Membership,
        #[pin]
        leaving: Option<corrente_task::Resume>,
    }
}

impl<F: Future<Output: Outcome<Error: Into<Error>>>> Future for Child<F> {
    type Output = <F::Output as Outcome>::Value;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let group = &this.membership.group;
        let message = match std::task::ready!(this.inner.poll(cx)) {
            Ok(outcome) => match outcome.into_result() {
                Ok(value) => return Poll::Ready(value),
                Err(error) => {
                    let error: Error = error.into();
                    let message = error.to_string();
                    let name = current_task().map(|task| task.name());
                    group.lock().errors.push(name, error);
                    message
                }
            },
            Err(panic) => {
                let message = panic.to_string();
                group.set_panic(panic);
                message
            }
        };
        group.abort();
        this.leaving.set(Some(exit_with(TaskError::Failed(Failed::new(message)))));
        if let Some(leaving) = this.leaving.as_pin_mut() {
            let _ = leaving.poll(cx);
        }
        Poll::Pending
    }
}

pin_project! {
    /// Gives a panic as a value. An unwinding of ours passes through: nodes catch it.
    struct Contained<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => match Panicked::caught(payload) {
                Ok(panic) => Poll::Ready(Err(panic)),
                Err(unwinding) => resume_unwind(unwinding),
            },
        }
    }
}
