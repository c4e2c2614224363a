//! A small executor with a clock that stands still while anything can run, and a log.
//!
//! One thread, first in first out, in rounds as asyncio has them: what becomes ready during a round runs
//! in the next one, and time moves only between rounds in which nothing ran. So a test knows exactly what
//! happens when, and says what it expects as lines of text.

pub mod child;
pub mod drops;
pub mod foreign;
pub mod threads;
pub mod timeout;

use corrente_task::{
    Cause, ContextChoice, Kind, Options, Runnable, Schedule, Spawned, Task, TaskRef, Unobserved,
    current,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// Everything a run consists of. Others threads may have it, too: wakes come from anywhere.
#[derive(Default)]
pub struct World {
    ready: Mutex<VecDeque<Runnable>>,
    clock: Mutex<Clock>,
    log: Mutex<Vec<String>>,
    ended: Mutex<u32>,
}

#[derive(Default)]
struct Clock {
    now: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    registered: u64,
}

thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way into a world's queue, as long as there is one. Then Runnables are dropped.
#[derive(Clone)]
pub struct Fifo(Weak<World>);

impl Fifo {
    pub fn of(world: &Arc<World>) -> Self {
        Self(Arc::downgrade(world))
    }
}

impl Schedule for Fifo {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        if let Some(world) = self.0.upgrade() {
            lock(&world.ready).push_back(runnable);
        }
    }
    fn complete(&self) {
        if let Some(world) = self.0.upgrade() {
            *lock(&world.ended) += 1;
        }
    }
    fn unobserved(&self, report: &Unobserved<'_>) {
        if let Some(world) = self.0.upgrade() {
            world.log(format!("unobserved {:?}: {}", report.what, report.message));
        }
    }
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The world that the calling thread runs.
    pub fn here() -> Arc<Self> {
        WORLD.with_borrow(Clone::clone).expect("no world runs on this thread")
    }

    /// Calls `f` with this as the world of the calling thread.
    pub fn enter<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        let before = WORLD.replace(Some(self.clone()));
        let result = f();
        WORLD.set(before);
        result
    }

    pub fn log(&self, line: impl Into<String>) {
        lock(&self.log).push(line.into());
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.log))
    }

    /// How many tasks have told their scheduler that they ended.
    pub fn ended(&self) -> u32 {
        *lock(&self.ended)
    }

    pub fn now(&self) -> u64 {
        lock(&self.clock).now
    }

    /// Takes what is ready, without running it.
    pub fn take_ready(&self) -> Vec<Runnable> {
        lock(&self.ready).drain(..).collect()
    }

    /// Runs everything that can run now; the clock stands still.
    pub fn run_ready(self: &Arc<Self>) {
        self.enter(|| {
            loop {
                let round = self.take_ready();
                if round.is_empty() {
                    return;
                }
                for runnable in round {
                    runnable.run();
                }
            }
        });
    }

    /// Runs until `task` is done, moving the clock on whenever nothing can run.
    pub fn run_until(self: &Arc<Self>, task: &TaskRef) {
        self.enter(|| {
            while !task.done() {
                for waker in self.due() {
                    waker.wake();
                }
                let round = self.take_ready();
                if round.is_empty() {
                    let mut clock = lock(&self.clock);
                    let next = clock.timers.keys().next().map(|key| key.0);
                    clock.now = next.unwrap_or_else(|| panic!("{task:?} waits for ever"));
                }
                for runnable in round {
                    runnable.run();
                }
            }
        });
    }

    fn due(&self) -> Vec<Waker> {
        let mut clock = lock(&self.clock);
        let now = clock.now;
        let later = clock.timers.split_off(&(now + 1, 0));
        std::mem::replace(&mut clock.timers, later).into_values().collect()
    }

    fn wake_at(&self, at: u64, waker: Waker) {
        let mut clock = lock(&self.clock);
        clock.registered += 1;
        let key = (at, clock.registered);
        clock.timers.insert(key, waker);
    }

    pub fn spawn<T: 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let Spawned { runnable, task, .. } =
            corrente_task::spawn_local(future, Fifo::of(self), options());
        runnable.schedule();
        task
    }

    /// A task that any thread may run.
    pub fn spawn_send<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let Spawned { runnable, task, .. } =
            corrente_task::spawn(future, Fifo::of(self), options());
        runnable.schedule();
        task
    }
}

pub fn options() -> Options {
    Options {
        name: None,
        context: ContextChoice::Inherit,
        location: Location::caller(),
        kind: Kind::Task,
    }
}

/// Runs `main` in a world of its own and gives back what was logged.
pub fn run(main: impl Future<Output = ()> + 'static) -> Vec<String> {
    let world = World::new();
    let mut main = world.spawn(main);
    world.run_until(&main);
    match main.try_outcome() {
        Some(Ok(())) => {}
        other => world.log(format!("main: {other:?}")),
    }
    world.take_log()
}

/// Runs `main` and compares what was logged.
#[track_caller]
pub fn check(main: impl Future<Output = ()> + 'static, expected: &[&str]) {
    assert_eq!(run(main), expected);
}

pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    World::here().spawn(future)
}

pub fn log(line: impl Into<String>) {
    World::here().log(line);
}

pub fn now() -> u64 {
    World::here().now()
}

/// The task that is running.
pub fn me() -> TaskRef {
    current().expect("not in a task")
}

/// How a task has ended, in one word.
pub fn how<T>(task: &Task<T>) -> &'static str {
    match (task.done(), task.cancelled()) {
        (false, _) => "pending",
        (true, true) => "cancelled",
        (true, false) => "result",
    }
}

/// Waits for a moment of the world's clock.
pub struct Nap {
    after: u64,
    until: Option<u64>,
}

/// Sleeps for `after` milliseconds of the world's clock.
pub fn nap(after: u64) -> Nap {
    Nap { after, until: None }
}

impl Future for Nap {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let world = World::here();
        let after = self.after;
        let until = *self.until.get_or_insert_with(|| world.now() + after);
        if world.now() >= until {
            return Poll::Ready(());
        }
        world.wake_at(until, cx.waker().clone());
        Poll::Pending
    }
}
