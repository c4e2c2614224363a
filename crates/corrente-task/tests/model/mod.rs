//! What the models share: a queue, futures that are watched, wakers that count.
//!
//! The queue and the counters are std's on purpose: they order nothing in the eyes of loom, so what a
//! model proves rests on the task's own words alone. What must not race or leak lies in loom's cells.

use corrente_task::{
    Cause, ContextChoice, Kind, Options, Runnable, Schedule, Spawned, Task, Unobserved,
};
use loom::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// loom reports it if one of these is never dropped.
#[derive(Default)]
struct Leakable {
    _token: loom::sync::Arc<()>,
}

/// Where Runnables wait, and how many tasks have ended.
#[derive(Clone, Default)]
pub struct Queue(Arc<(Mutex<VecDeque<Runnable>>, AtomicUsize)>);

impl Queue {
    /// Runs one Runnable, if there is one.
    pub fn run_one(&self) -> bool {
        let runnable = self.0.0.lock().unwrap().pop_front();
        runnable.map(Runnable::run).is_some()
    }
    /// Runs all there are, and those that come of it.
    pub fn run_all(&self) {
        while self.run_one() {}
    }
    pub fn take(&self) -> Option<Runnable> {
        self.0.0.lock().unwrap().pop_front()
    }
    pub fn ended(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    /// A task whose first Runnable is in the queue.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.spawn_as::<false, T>(future)
    }

    /// The same, of a task that may end where it is cancelled if it was not polled before.
    pub fn spawn_as<const ENDS_UNSTARTED: bool, T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let schedule = Way::<ENDS_UNSTARTED> { queue: self.clone(), _cell: Arc::default() };
        let Spawned { runnable, task, .. } =
            corrente_task::spawn(Watch::new(future), schedule, options());
        runnable.schedule();
        task
    }
}

/// A task's way to the queue, which lives as long as its cell.
#[derive(Clone)]
struct Way<const ENDS_UNSTARTED: bool> {
    queue: Queue,
    _cell: Arc<Leakable>,
}

impl<const ENDS_UNSTARTED: bool> Schedule for Way<ENDS_UNSTARTED> {
    const ENDS_UNSTARTED: bool = ENDS_UNSTARTED;
    fn schedule(&self, runnable: Runnable, _: Cause) {
        self.queue.0.0.lock().unwrap().push_back(runnable);
    }
    fn complete(&self) {
        self.queue.0.1.fetch_add(1, Ordering::Relaxed);
    }
    fn unobserved(&self, report: &Unobserved<'_>) {
        panic!("{report}");
    }
}

fn options() -> Options {
    let (context, location) = (ContextChoice::Inherit, Location::caller());
    Options { name: None, context, location, kind: Kind::Task }
}

/// A future of which loom sees every poll and the drop: two at once, or one that does not see what the
/// one before did, is a race.
pub struct Watch<F: Future> {
    seen: UnsafeCell<u32>,
    _leakable: Leakable,
    inner: Pin<Box<F>>,
}

impl<F: Future> Watch<F> {
    pub fn new(inner: F) -> Self {
        Self { seen: UnsafeCell::new(0), _leakable: Leakable::default(), inner: Box::pin(inner) }
    }
}

impl<F: Future> Future for Watch<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.seen.with_mut(|_| ());
        let poll = self.inner.as_mut().poll(cx);
        self.seen.with_mut(|_| ());
        poll
    }
}

impl<F: Future> Drop for Watch<F> {
    fn drop(&mut self) {
        self.seen.with_mut(|_| ());
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub struct Count {
    woken: AtomicUsize,
    _leakable: Leakable,
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn woken(&self) -> usize {
        self.woken.load(Ordering::Relaxed)
    }
}

/// Polls a future once under a counting waker. If it is pending and `then` makes it ready, it was woken.
pub struct Waiting<F> {
    future: F,
    count: Arc<Count>,
}

impl<F: Future + Unpin> Waiting<F> {
    pub fn new(future: F) -> Self {
        Self { future, count: Arc::default() }
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.count.clone());
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// The output of a future that was polled before what it waits for was over.
    pub fn output(mut self, first: Poll<F::Output>) -> F::Output {
        if let Poll::Ready(output) = first {
            return output;
        }
        assert!(self.count.woken() > 0, "nobody has woken the one who waits");
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("woken for nothing"),
        }
    }
}
