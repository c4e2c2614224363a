//! What a task can end with instead of a value, and the report of what nobody read.

use crate::{TaskId, TaskRef, quiet};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// A task, or the body of a scope, was interrupted by a cancel request.
///
/// It is no ordinary error: nothing in this crate puts it into a user's `Err`, but the functions whose
/// purpose is to catch it ([`catch_cancel`](crate::catch_cancel), [`Task::outcome`](crate::Task::outcome)).
/// asyncio: `CancelledError`.
#[derive(Clone, Default)]
#[must_use = "a caught cancel that is not resumed is swallowed: go on with `.resume().await`"]
pub struct Cancelled {
    request: Option<Arc<Request>>,
}

struct Request {
    reason: Option<String>,
    once: bool,
}

impl Cancelled {
    /// A cancel with a reason for whoever catches it.
    pub fn new(reason: Option<&str>) -> Self {
        let request = |text: &str| Arc::new(Request { reason: Some(text.to_owned()), once: false });
        Self { request: reason.map(request) }
    }

    /// One cancel for several tasks: who gets it twice, by two ways, takes the second for the first.
    ///
    /// For whoever stops several tasks of which one may await another, and so may pass the request on.
    pub fn once() -> Self {
        Self { request: Some(Arc::new(Request { reason: None, once: true })) }
    }

    /// What the one who cancelled had to say. asyncio: the `msg` of `cancel(msg)`.
    pub fn reason(&self) -> Option<&str> {
        self.request.as_ref()?.reason.as_deref()
    }

    /// True if both are clones of one [`once`](Self::once).
    pub(crate) fn is_again(&self, before: &Self) -> bool {
        match (&self.request, &before.request) {
            (Some(this), Some(that)) => this.once && Arc::ptr_eq(this, that),
            _ => false,
        }
    }
}

/// By the reason.
impl PartialEq for Cancelled {
    fn eq(&self, other: &Self) -> bool {
        self.reason() == other.reason()
    }
}

impl Eq for Cancelled {}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "Cancelled({reason:?})"),
            None => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "cancelled: {reason}"),
            None => f.write_str("cancelled"),
        }
    }
}

impl Error for Cancelled {}

/// A panic, caught at the task's boundary.
pub struct Panicked(Box<PanicInner>);

struct PanicInner {
    // A lock only because a payload is Send and not Sync, and errors should be both.
    payload: Mutex<Box<dyn Any + Send>>,
    message: String,
    task: TaskId,
    name: String,
}

impl Panicked {
    pub(crate) fn new(payload: Box<dyn Any + Send>, task: TaskId, name: String) -> Self {
        let message = message_of(&*payload);
        Self(Box::new(PanicInner { payload: Mutex::new(payload), message, task, name }))
    }
    /// The panic caught in the current task, or the payload back if it is no panic but an unwinding of
    /// this crate on its way through foreign code.
    ///
    /// # Errors
    ///
    /// The payload, which is to be resumed.
    pub fn caught(payload: Box<dyn Any + Send>) -> Result<Self, Box<dyn Any + Send>> {
        if crate::node::Unwinding::is(&*payload) {
            return Err(payload);
        }
        let task = crate::current().map(|task| (task.id(), task.name()));
        let (task, name) = task.unwrap_or_else(|| (TaskId::next(), "(no task)".to_owned()));
        Ok(Self::new(payload, task, name))
    }
    /// The panic's text, if it had one.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The task that panicked.
    pub fn task(&self) -> TaskId {
        self.0.task
    }
    /// The name of the task that panicked.
    pub fn task_name(&self) -> &str {
        &self.0.name
    }
    /// What was given to `panic!`.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.0.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
    /// Goes on panicking here, without printing the message again.
    pub fn resume(self) -> ! {
        std::panic::resume_unwind(self.into_payload())
    }
}

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs user code that must not harm us by panicking. std's hook has printed the panic by the time it
/// comes back as an `Err`.
pub(crate) fn contained<R>(user_code: impl FnOnce() -> R) -> Result<R, Payload> {
    quiet::assert_loud();
    catch_unwind(AssertUnwindSafe(user_code))
}

/// Drops a payload whose own destructor may panic.
pub(crate) fn drop_payload(payload: Payload) {
    let mut next = Some(payload);
    for _ in 0..4 {
        let Some(payload) = next else { return };
        next = contained(|| drop(payload)).err();
    }
    // Payloads of payloads that go on panicking have no end: leave the last one alone.
    std::mem::forget(next);
}

pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Panicked({:?} in task {})", self.message(), self.task_name())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} panicked: {}", self.task_name(), self.message())
    }
}

impl Error for Panicked {}

/// A child of a group ended with an error, which its group has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    message: Arc<String>,
}

impl Failed {
    /// A failure; `message` is the error's text.
    pub fn new(message: String) -> Self {
        Self { message: Arc::new(message) }
    }
    /// The text of the error. The error itself is in the group's `ErrorGroup`.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed, and its group has the error: {}", self.message)
    }
}

impl Error for Failed {}

/// Why a task has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// It was cancelled or aborted, or its runtime was shut down.
    Cancelled(Cancelled),
    /// It panicked.
    Panicked(Panicked),
    /// It is a child of a group and returned an error, which went to the group.
    Failed(Failed),
}

impl TaskError {
    /// Drops it. A payload inside may panic while it is dropped; that stays in here.
    pub(crate) fn drop_contained(self) {
        if let Self::Panicked(panic) = self {
            drop_payload(panic.into_payload());
        }
    }

    /// True if the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }
    /// True if the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => write!(f, "the task was {error}"),
            Self::Panicked(error) => error.fmt(f),
            Self::Failed(error) => write!(f, "the task {error}"),
        }
    }
}

impl Error for TaskError {}

/// Something went wrong in a task, and nobody will read of it elsewhere.
///
/// asyncio: the context of the loop's exception handler.
pub struct Unobserved<'a> {
    /// Where it happened.
    pub task: &'a TaskRef,
    /// What kind of trouble it is.
    pub what: What,
    /// The panic's or the error's text.
    pub message: &'a str,
}

/// The kinds of [`Unobserved`] trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A task panicked and its outcome was thrown away unread.
    Panic,
    /// A task ended with an error and its outcome was thrown away unread.
    Error,
    /// Dropping a future or its output panicked, when the outcome was already settled.
    DropPanic,
    /// A waker panicked.
    WakerPanic,
}

impl Unobserved<'_> {
    /// Where the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.task.location()
    }
}

impl fmt::Display for Unobserved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Panic => "panicked and nobody read its outcome",
            What::Error => "failed and nobody read its outcome",
            What::DropPanic => "panicked in a destructor",
            What::WakerPanic => "had a waker that panicked",
        };
        let (name, place) = (self.task.name(), self.location());
        write!(f, "task {name} (spawned at {place}) {what}: {}", self.message)
    }
}

impl fmt::Debug for Unobserved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unobserved({self})")
    }
}
