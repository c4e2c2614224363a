//! What the parts of a task cost, in nanoseconds and bytes.
//!
//! `cargo run --release -p corrente-task --example costs`
//!
//! One thread and no scheduler but a slot for one Runnable, so that only the cell is measured. Each figure
//! is the median of many batches, and the best of them beside it; the machine may be busy meanwhile.

use corrente_task::{
    Cause, Options, Runnable, Schedule, Spawned, Task, catch_cancel, cell_size, spawn,
};
use std::cell::RefCell;
use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::time::Instant;

const BATCHES: usize = 301;
const BATCH: usize = 2_000;

thread_local! {
    static SLOT: RefCell<Option<Runnable>> = const { RefCell::new(None) };
}

/// Keeps the one Runnable of this thread.
#[derive(Clone, Copy)]
struct Slot;

impl Schedule for Slot {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        let before = SLOT.replace(Some(runnable));
        assert!(before.is_none(), "one task at a time");
    }
}

fn run() {
    if let Some(runnable) = SLOT.take() {
        runnable.run();
    }
}

fn start<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let Spawned { runnable, task, .. } = spawn(future, Slot, Options::default());
    runnable.schedule();
    task
}

/// The output of a task that wakes itself until it is done.
fn finish<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let mut task = start(future);
    loop {
        run();
        match task.try_outcome() {
            Some(Ok(output)) => return output,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
}

/// Nanoseconds for one operation: the median of the batches, and the best.
#[derive(Clone, Copy)]
struct Cost {
    median: f64,
    best: f64,
}

/// `batch` gives the nanoseconds of a whole batch.
fn measure(mut batch: impl FnMut() -> f64) -> Cost {
    batch();
    let mut costs: Vec<f64> = (0..BATCHES).map(|_| batch() / BATCH as f64).collect();
    costs.sort_by(f64::total_cmp);
    Cost { median: costs[BATCHES / 2], best: costs[0] }
}

fn timed(operation: impl FnMut()) -> f64 {
    let since = Instant::now();
    std::iter::repeat_with(operation).take(BATCH).for_each(drop);
    since.elapsed().as_nanos() as f64
}

/// Measures an operation that is itself awaited, within one task.
fn measure_awaited<F>(operation: fn() -> F) -> Cost
where
    F: Future<Output = ()> + Send + 'static,
{
    measure(|| {
        finish(async move {
            let since = Instant::now();
            for _ in 0..BATCH {
                operation().await;
            }
            since.elapsed().as_nanos() as f64
        })
    })
}

fn yield_once() -> impl Future<Output = ()> + Send {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A task that rests for ever, and its waker.
fn resting() -> (Task<()>, Waker) {
    let (sender, waker) = channel();
    let mut theirs = Some(sender);
    let task = start(poll_fn(move |cx| {
        if let Some(place) = theirs.take() {
            let _ = place.send(cx.waker().clone());
        }
        Poll::<()>::Pending
    }));
    run();
    (task, waker.recv().expect("it was polled"))
}

fn size_of_cell<F: Future>(_: &F) -> usize {
    cell_size::<F, Slot>()
}

fn row(what: &str, cost: Cost) {
    println!("{what:<52} {:>8.1} {:>8.1}", cost.median, cost.best);
}

fn less(cost: Cost, base: Cost) -> Cost {
    Cost { median: cost.median - base.median, best: cost.best - base.best }
}

fn main() {
    println!("{:<52} {:>8} {:>8}", "nanoseconds", "median", "best");
    let spawned = measure(|| timed(|| finish(async {})));
    row("spawn, run and join an empty task", spawned);

    let (task, waker) = resting();
    let wake = measure(|| {
        timed(|| {
            waker.wake_by_ref();
            run();
        })
    });
    row("wake and poll", wake);
    let clone = measure(|| timed(|| drop(black_box(task.as_ref().clone()))));
    row("clone and drop a TaskRef", clone);

    let bare = measure_awaited(|| black_box(ready(())));
    let scope = measure_awaited(|| async {
        let _ = catch_cancel(black_box(ready(()))).await;
    });
    row("enter and leave a scope", less(scope, bare));
    let bare = measure_awaited(yield_once);
    row("yield: one more poll", bare);
    let scope = measure_awaited(|| async {
        let _ = catch_cancel(yield_once()).await;
    });
    row("enter and leave a scope that suspends once", less(scope, bare));

    let one_scope = || async { catch_cancel(ready(())).await.is_ok() };
    let first = measure(|| timed(|| assert!(finish(one_scope()))));
    row("the first scope of a task", less(first, spawned));

    println!("\n{:<52} {:>8}", "bytes", "");
    println!("{:<52} {:>8}", "the cell of an empty future", size_of_cell(&async {}));
    assert!(task.end_now());
}
