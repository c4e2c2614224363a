//! What the tests share: pools, a driver with timers and events by hand, small futures.

use corrente_scheduler::{Config, Driver, Handle, Hooks, NoDriver, Pool};
use corrente_task::{Kind, Options, Task};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn config(workers: usize) -> Config {
    Config { workers, name: "test".into(), ..Config::default() }
}

pub fn pool(workers: usize) -> Pool {
    pool_with(config(workers))
}

pub fn pool_with(config: Config) -> Pool {
    Pool::start(config, Box::new(NoDriver::new()), Hooks::default()).expect("the pool starts")
}

/// A pool with [`World`] outside.
pub fn pool_in(config: Config, world: &World) -> Pool {
    Pool::start(config, Box::new(world.driver()), Hooks::default()).expect("the pool starts")
}

pub fn block_on<F: Future>(pool: &Pool, main: F) -> F::Output {
    pool.block_on(main, Options::default()).expect("main returns")
}

#[track_caller]
pub fn named(name: &str) -> Options {
    Options { name: Some(name.into()), ..Options::default() }
}

#[track_caller]
pub fn callback() -> Options {
    Options { kind: Kind::Callback, ..Options::default() }
}

/// Spawns on the pool of this thread.
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Handle::current().expect("in a pool").spawn(future, Options::default())
}

/// A yield: everybody else gets a turn.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A channel for a test to wait on.
pub fn signal<T>() -> (Sender<T>, Signal<T>) {
    let (sender, receiver) = channel();
    (sender, Signal(receiver))
}

pub struct Signal<T>(Receiver<T>);

impl<T> Signal<T> {
    #[track_caller]
    pub fn wait(&self, what: &str) -> T {
        match self.0.recv_timeout(PATIENCE) {
            Ok(value) => value,
            Err(RecvTimeoutError::Timeout) => panic!("this did not come: {what}"),
            Err(RecvTimeoutError::Disconnected) => panic!("nobody will send this any more: {what}"),
        }
    }
    pub fn has_come(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}

/// Waits until `true`, by looking.
#[track_caller]
pub fn wait_until(what: &str, mut true_now: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !true_now() {
        assert!(Instant::now() < end, "this did not become true: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A flag that a task can wait for.
#[derive(Clone, Default)]
pub struct Flag(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Flag {
    pub fn set(&self) {
        let wakers = {
            let mut state = lock(&self.0);
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
    pub fn is_set(&self) -> bool {
        lock(&self.0).0
    }
    pub fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let flag = self.clone();
        poll_fn(move |cx| {
            let mut state = lock(&flag.0);
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// Counts its drops.
#[derive(Clone, Default)]
pub struct Drops(Arc<Mutex<usize>>);

impl Drops {
    pub fn count(&self) -> usize {
        lock(&self.0).to_owned()
    }
    pub fn one(&self) -> OneDrop {
        OneDrop(self.clone())
    }
}

pub struct OneDrop(Drops);

impl Drop for OneDrop {
    fn drop(&mut self) {
        *lock(&self.0.0) += 1;
    }
}

/// An outside world: events by hand, and timers on a clock that is either the machine's or moves only when
/// everything stands still.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    virtual_time: bool,
    begin: Instant,
}

#[derive(Default)]
struct State {
    interrupted: bool,
    events: Vec<Waker>,
    timers: BinaryHeap<Reverse<Timer>>,
    registered: u64,
    now: Duration,
    turns: u64,
}

struct Timer {
    due: Duration,
    number: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl World {
    pub fn real() -> Self {
        Self::new(false)
    }
    pub fn with_virtual_time() -> Self {
        Self::new(true)
    }
    fn new(virtual_time: bool) -> Self {
        let (state, changed, begin) = (Mutex::default(), Condvar::new(), Instant::now());
        Self(Arc::new(Inner { state, changed, virtual_time, begin }))
    }

    fn driver(&self) -> WorldDriver {
        WorldDriver(self.0.clone())
    }

    pub fn now(&self) -> Duration {
        self.0.now(&lock(&self.0.state))
    }

    /// Turns of the driver so far.
    pub fn turns(&self) -> u64 {
        lock(&self.0.state).turns
    }

    /// An event that lets `waker` go on, as a socket would.
    pub fn event(&self, waker: Waker) {
        lock(&self.0.state).events.push(waker);
        self.0.changed.notify_all();
    }

    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.sleep_until(self.now() + time)
    }

    pub fn sleep_until(&self, due: Duration) -> impl Future<Output = ()> + Send + use<> {
        let world = self.clone();
        let mut registered = false;
        poll_fn(move |cx| {
            let mut state = lock(&world.0.state);
            if world.0.now(&state) >= due && registered {
                return Poll::Ready(());
            }
            if !registered {
                registered = true;
                state.registered += 1;
                let timer = Timer { due, number: state.registered, waker: cx.waker().clone() };
                state.timers.push(Reverse(timer));
                world.0.changed.notify_all();
            }
            Poll::Pending
        })
    }
}

impl Inner {
    fn now(&self, state: &State) -> Duration {
        if self.virtual_time { state.now } else { self.begin.elapsed() }
    }
    fn next_due(&self, state: &State) -> Option<Duration> {
        state.timers.peek().map(|Reverse(timer)| timer.due)
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        lock(&self.state).interrupted = true;
        self.changed.notify_all();
    }
}

pub struct WorldDriver(Arc<Inner>);

impl Driver for WorldDriver {
    fn turn(&mut self, limit: Option<Duration>, ready: &mut Vec<Waker>) {
        let inner = &*self.0;
        let mut state = lock(&inner.state);
        state.turns += 1;
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            ready.append(&mut state.events);
            while inner.next_due(&state).is_some_and(|due| due <= inner.now(&state)) {
                let timer = state.timers.pop().map(|Reverse(timer)| timer.waker);
                ready.extend(timer);
            }
            let over = end.is_some_and(|end| Instant::now() >= end);
            if !ready.is_empty() || std::mem::take(&mut state.interrupted) || over {
                return;
            }
            let due = inner.next_due(&state).filter(|_| !inner.virtual_time);
            let until_due = due.map(|due| due.saturating_sub(inner.begin.elapsed()));
            let until_end = end.map(|end| end.saturating_duration_since(Instant::now()));
            let wait = until_due.into_iter().chain(until_end).min().unwrap_or(PATIENCE);
            (state, _) =
                inner.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn interrupter(&self) -> Waker {
        self.0.clone().into()
    }

    fn idle(&mut self, _ready: &mut Vec<Waker>) -> bool {
        let mut state = lock(&self.0.state);
        match self.0.next_due(&state) {
            Some(due) if due > state.now => {
                state.now = due;
                true
            }
            _ => false,
        }
    }

    fn wants_idle(&self) -> bool {
        self.0.virtual_time
    }
}
