//! The floor of `idle_task_bytes`: a task that can be polled, woken, and found when all are ended, and nothing more.
//!
//! One allocation for each: two counts of references, a flag, a lock, the future. One pointer to it in the list of all.
//! It cannot be awaited or cancelled, has no name, no number, no place where it was spawned, and belongs to no worker.
//! Prints `bytes` of resident memory for a task, of 200,000.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

const TASKS: usize = 200_000;

/// The tasks that are ready.
static READY: Mutex<VecDeque<Arc<dyn Run>>> = Mutex::new(VecDeque::new());
/// How many have not been polled yet.
static LEFT: AtomicUsize = AtomicUsize::new(TASKS);

/// A task of whatever future.
trait Run: Send + Sync {
    fn run(self: Arc<Self>);
    /// Drops the future.
    fn end(&self);
}

struct Task<F> {
    queued: AtomicBool,
    future: Mutex<Option<F>>,
}

impl<F: Future<Output = ()> + Send + Unpin + 'static> Run for Task<F> {
    fn run(self: Arc<Self>) {
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self));
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = future.as_mut() else { return };
        if Pin::new(running).poll(&mut Context::from_waker(&waker)).is_ready() {
            *future = None;
        }
    }

    fn end(&self) {
        *self.future.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<F: Future<Output = ()> + Send + Unpin + 'static> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            READY.lock().unwrap_or_else(PoisonError::into_inner).push_back(self);
        }
    }
}

/// What the workload's tasks do: count down, and wait for ever.
struct Waiting {
    left: &'static AtomicUsize,
    counted: bool,
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.counted, true) {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        Poll::Pending
    }
}

fn main() {
    let before = resident_bytes();
    let mut all: Vec<Arc<dyn Run>> = Vec::new();
    for number in 1..=TASKS {
        let future = Mutex::new(Some(Waiting { left: &LEFT, counted: false }));
        let task = Arc::new(Task { queued: AtomicBool::new(false), future });
        all.push(Arc::clone(&task) as Arc<dyn Run>);
        task.wake();
        // They are polled now and then, as a runtime would: what is ready at once does not count.
        if number % 1000 == 0 || number == TASKS {
            run_ready();
        }
    }
    assert_eq!(LEFT.load(Ordering::Relaxed), 0, "every task was polled");
    let bytes = resident_bytes() - before;
    println!("bytes={:.3}", bytes as f64 / TASKS as f64);
    all.iter().for_each(|task| task.end());
}

fn run_ready() {
    loop {
        let task = READY.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match task {
            Some(task) => task.run(),
            None => return,
        }
    }
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the kernel says how much is resident") * 1024
}
