//! The words of the scenarios: what `python/corpus.py` is to the Python ones.
//!
//! A scenario logs lines into one trace, which all its tasks and threads share; the runner runs one scenario at
//! a time. `run` and `runner` make a runtime in the mode that is being tested, with a virtual clock.

pub use corrente::Shared as SharedTask;
pub use corrente::testing::Gate;
pub use corrente::{
    Context, ContextVar, DoneCallbacks, Future, ReturnWhen, SharedContext, Task, TaskBuilder,
    TaskError, TaskGroup, TaskRef, all_tasks, as_completed, catch_cancel, current_task, gather,
    get_running_loop, outcomes, shield, shield_ref, sleep_with, timeout, timeout_at, timeout_scope,
    timeout_scope_at, to_thread, try_gather, wait, wait_for, with_cleanup,
};
pub use std::sync::{Arc, Mutex};

use crate::mode::{self, Mode};
use corrente::sync;
use corrente::{Cancelled, Handle, RunError, Runner};
use futures_lite::FutureExt;
use std::error::Error;
use std::fmt;
use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

// ---- the trace --------------------------------------------------------------------------------------

static TRACE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn trace() -> MutexGuard<'static, Vec<String>> {
    TRACE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends a line to the trace; strings lose the quotes that `{:?}` gives them.
pub fn write(line: &str) {
    trace().push(line.replace('"', ""));
}

/// Takes the trace of the scenario that has ended.
pub fn take_trace() -> Vec<String> {
    std::mem::take(&mut *trace())
}

macro_rules! log {
    ($($text:tt)*) => { $crate::vocabulary::write(&format!($($text)*)) };
}
pub(crate) use log;

// ---- scenarios --------------------------------------------------------------------------------------

/// One program of the corpus.
pub struct Scenario {
    /// `topic/name-with-dashes`.
    pub id: String,
    pub run: fn(),
}

/// `scenarios!("topic": f, g)` registers async functions, each the main task of a runtime of its own;
/// `scenarios!("topic", plain: f)` functions that call `run` themselves.
macro_rules! scenarios {
    ($topic:literal: $($name:ident),* $(,)?) => {
        pub fn scenarios() -> Vec<Scenario> {
            vec![$(Scenario { id: scenario_id($topic, stringify!($name)), run: || main_task($name()) }),*]
        }
    };
    ($topic:literal, plain: $($name:ident),* $(,)?) => {
        pub fn plain_scenarios() -> Vec<Scenario> {
            vec![$(Scenario { id: scenario_id($topic, stringify!($name)), run: $name }),*]
        }
    };
}
pub(crate) use scenarios;

pub fn scenario_id(topic: &str, function: &str) -> String {
    format!("{topic}/{}", function.replace('_', "-"))
}

// ---- running ----------------------------------------------------------------------------------------

/// Runs `main` as the main task of a new runtime.
pub fn run<F: IntoFuture>(main: F) -> F::Output {
    match try_run(main) {
        Ok(value) => value,
        Err(e) => panic!("escaped {}", kind(&e)),
    }
}

/// Runs a scenario. On two workers its main is a task like the others, which may run on either.
pub fn main_task(main: impl IntoFuture<Output = (), IntoFuture: Send + 'static>) {
    match mode::current() {
        Mode::Fifo => run(main),
        Mode::TwoWorkers(_) => run(async { spawn(main).await }),
    }
}

/// `run`, with the cancel of main as a value: what Python raises from `run`.
pub fn try_run<F: IntoFuture>(main: F) -> Result<F::Output, RunError> {
    mode::builder().run(mode::counted(main.into_future()))
}

/// `Runner()`.
pub fn runner() -> Runner {
    mode::builder().runner().unwrap()
}

/// The running loop.
pub fn the_loop() -> Handle {
    get_running_loop().unwrap()
}

// ---- time -------------------------------------------------------------------------------------------

/// Virtual time, in whole milliseconds.
pub fn now() -> u128 {
    (the_loop().time() + Duration::from_micros(500)).as_millis()
}

/// A duration in milliseconds. What is negative in Python is zero here: there are no negative durations.
pub fn ms(n: i64) -> Duration {
    Duration::from_millis(n.try_into().unwrap_or(0))
}

pub async fn nap(n: u64) {
    corrente::sleep(Duration::from_millis(n)).await;
}

/// `sleep(0)`.
pub async fn sleep_zero() {
    corrente::sleep(Duration::ZERO).await;
}

/// Long enough for everything that is ready now.
pub async fn settle() {
    nap(1).await;
}

// ---- tasks ------------------------------------------------------------------------------------------

pub type BoxFuture<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// `create_task(coro)`.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    corrente::create_task(future)
}

/// `create_task(coro, name=name)`.
pub fn spawn_named<F>(name: &str, future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>,
{
    TaskBuilder::new().name(name).spawn(future)
}

/// The current task.
pub fn me() -> TaskRef {
    current_task().unwrap()
}

/// Whatever has a task's name.
pub trait Named {
    fn name_of(&self) -> String;
}

impl<T> Named for Task<T> {
    fn name_of(&self) -> String {
        self.name()
    }
}

impl Named for TaskRef {
    fn name_of(&self) -> String {
        self.name()
    }
}

/// Sorted names joined with commas, `-` if there are none.
pub fn names(tasks: &[impl Named]) -> String {
    let names = sorted(tasks.iter().map(Named::name_of).collect());
    if names.is_empty() { "-".into() } else { names.join(",") }
}

pub fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

// ---- outcomes ---------------------------------------------------------------------------------------

/// A value that a task may return: how the trace shows it, or the kind of error that it is.
pub trait Value {
    fn shown(&self) -> Result<String, String>;
}

macro_rules! values {
    ($($t:ty),*) => { $(impl Value for $t {
        fn shown(&self) -> Result<String, String> {
            Ok(format!("{self}"))
        }
    })* };
}
values!(i32, usize, String, &'static str);

impl Value for () {
    fn shown(&self) -> Result<String, String> {
        Ok("none".into())
    }
}

impl<T: Value, E: Kind> Value for Result<T, E> {
    fn shown(&self) -> Result<String, String> {
        match self {
            Ok(value) => value.shown(),
            Err(e) => Err(kind(e)),
        }
    }
}

/// What has an outcome to look at.
pub trait Look {
    fn look(&self) -> String;
}

fn ended(value: Result<&impl Value, &impl Kind>) -> String {
    match value.map(Value::shown) {
        Ok(Ok(value)) => format!("result={value}"),
        Ok(Err(kind)) => format!("error={kind}"),
        Err(e) if kind(e) == "Cancelled" => "cancelled".into(),
        Err(e) => format!("error={}", kind(e)),
    }
}

impl<T: Value + Sync> Look for Task<T> {
    fn look(&self) -> String {
        if self.cancelled() {
            // Also after an await has taken the outcome.
            return "cancelled".into();
        }
        self.result().map_or("pending".into(), ended)
    }
}

impl<T: Value + Clone> Look for SharedTask<T> {
    fn look(&self) -> String {
        match self.result() {
            Some(value) => ended(Ok::<_, &TaskError>(&value)),
            None if self.cancelled() => "cancelled".into(),
            None if self.done() => "panicked".into(),
            None => "pending".into(),
        }
    }
}

impl<T: Value + Clone> Look for Future<T> {
    fn look(&self) -> String {
        self.result().map_or("pending".into(), |value| ended(value.as_ref()))
    }
}

/// `pending`, `cancelled`, `error=KIND` or `result=VALUE`.
pub fn outcome(of: &impl Look) -> String {
    of.look()
}

// ---- misuse -----------------------------------------------------------------------------------------

/// What a misuse that panics here is called in Python.
pub async fn misuse<F>(future: F) -> Result<F::Output, &'static str>
where
    F: std::future::Future,
{
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => Ok(output),
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) if text.contains("awaits itself") => Err("RuntimeError"),
            _ => std::panic::resume_unwind(panic),
        },
    }
}

// ---- errors -----------------------------------------------------------------------------------------

/// The user's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boom(pub &'static str);

impl fmt::Display for Boom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boom({})", self.0)
    }
}

impl Error for Boom {}

/// An error with a name that is the same in Python and Rust.
pub trait Kind {
    fn kind(&self) -> String;
}

pub fn kind(e: &impl Kind) -> String {
    e.kind()
}

macro_rules! kinds {
    ($($t:ty => $kind:literal),* $(,)?) => { $(
        impl Kind for $t {
            fn kind(&self) -> String {
                $kind.into()
            }
        }
    )* };
}
kinds!(
    Cancelled => "Cancelled",
    corrente::TimeoutError => "Timeout",
    corrente::InvalidStateError => "InvalidState",
    corrente::NotDone => "InvalidState",
    sync::TooManyDone => "ValueError",
    sync::InvalidValue => "ValueError",
    sync::OverRelease => "ValueError",
    sync::BrokenBarrier => "BrokenBarrier",
    sync::NotLocked => "RuntimeError",
    corrente::EmptyWait => "ValueError",
    corrente::GroupClosed => "RuntimeError",
    corrente::DeadlineError => "RuntimeError",
    corrente::NoRunningLoop => "RuntimeError",
);

impl Kind for Boom {
    fn kind(&self) -> String {
        self.to_string()
    }
}

impl<T> Kind for sync::QueueShutDown<T> {
    fn kind(&self) -> String {
        "QueueShutDown".into()
    }
}

impl Kind for sync::GetNowaitError {
    fn kind(&self) -> String {
        match self {
            Self::QueueEmpty => "QueueEmpty".into(),
            Self::QueueShutDown => "QueueShutDown".into(),
        }
    }
}

impl<T> Kind for sync::PutNowaitError<T> {
    fn kind(&self) -> String {
        match self {
            Self::QueueFull(_) => "QueueFull".into(),
            Self::QueueShutDown(_) => "QueueShutDown".into(),
        }
    }
}

impl Kind for TaskError {
    fn kind(&self) -> String {
        if self.is_cancelled() { "Cancelled".into() } else { format!("unexpected: {self}") }
    }
}

impl Kind for RunError {
    fn kind(&self) -> String {
        match self {
            Self::Cancelled(_) => "Cancelled".into(),
            Self::Nested { .. } | Self::Closed => "RuntimeError".into(),
            other => format!("unexpected: {other}"),
        }
    }
}

impl Kind for corrente::ErrorGroup {
    fn kind(&self) -> String {
        format!("Group[{}]", self.errors().map(kind).collect::<Vec<_>>().join(", "))
    }
}

impl Kind for corrente::Error {
    fn kind(&self) -> String {
        if let Some(group) = self.downcast_ref::<corrente::ErrorGroup>() {
            kind(group)
        } else if let Some(boom) = self.downcast_ref::<Boom>() {
            kind(boom)
        } else {
            format!("unexpected: {self}")
        }
    }
}
