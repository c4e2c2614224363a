//! In which mode the scenarios run: FIFO, or work-stealing on two workers with random wakes.
//!
//! The mode is global, like the trace: one scenario runs at a time.

use corrente::{Builder, get_running_loop};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a runtime schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One thread, asyncio's order.
    Fifo,
    /// Work-stealing; each wake goes to a worker drawn by lot from this seed.
    TwoWorkers(u64),
}

static MODE: Mutex<Mode> = Mutex::new(Mode::Fifo);
static POLLS: Mutex<[u64; 2]> = Mutex::new([0; 2]);

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the runtimes that are made from now on are to be.
pub fn set(mode: Mode) {
    *lock(&MODE) = mode;
}

/// What they are now.
pub fn current() -> Mode {
    *lock(&MODE)
}

/// A builder for the current mode, with a virtual clock. Orphaned errors are part of some scenarios; nobody is
/// to read of them.
pub fn builder() -> Builder {
    let builder = match current() {
        Mode::Fifo => Builder::new().fifo(),
        Mode::TwoWorkers(seed) => Builder::new().workers(2).seed(seed),
    };
    builder.virtual_time().on_unobserved(|_| {})
}

/// `main`, and then the polls of the workers are added to the sum.
pub async fn counted<F: Future>(main: F) -> F::Output {
    let output = main.await;
    if let Ok(handle) = get_running_loop() {
        let metrics = handle.metrics();
        for (sum, worker) in lock(&POLLS).iter_mut().zip(&metrics.workers) {
            *sum += worker.polls;
        }
    }
    output
}

/// Each worker's polls since the last call.
pub fn take_polls() -> [u64; 2] {
    std::mem::take(&mut *lock(&POLLS))
}
