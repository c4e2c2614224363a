//! The floor of `ping_pong`: 500 pairs on each of two threads that never meet, over the same async-channel.
//!
//! An executor that can do nothing else: tasks in a list, a plain queue of indices, and a place for the task that was
//! woken last and runs next, though not more than 16 times in a row. A wake from another thread would be lost, and there
//! is none. What is left is mostly the channel's own cost, which every runtime pays. Prints `ns` for one round trip, the median of four passes after a cold one.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Instant;

const PAIRS: usize = 1000;
const THREADS: usize = 2;
const ROUNDS: usize = 200;
const PASSES: usize = 5;

thread_local! {
    static READY: RefCell<Ready> = const { RefCell::new(Ready::new()) };
}

/// The tasks that are ready, by their index.
struct Ready {
    next: Option<usize>,
    /// How many in a row were next.
    streak: usize,
    queue: VecDeque<usize>,
}

impl Ready {
    const fn new() -> Self {
        Ready { next: None, streak: 0, queue: VecDeque::new() }
    }

    fn push(&mut self, index: usize) {
        self.queue.extend(self.next.replace(index));
    }

    fn pop(&mut self) -> Option<usize> {
        if self.streak < 16 && self.next.is_some() {
            self.streak += 1;
            return self.next.take();
        }
        self.streak = 0;
        self.queue.pop_front().or_else(|| self.next.take())
    }
}

/// Which task to poll, and whether it is in the queue.
struct Place {
    index: usize,
    queued: AtomicBool,
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Relaxed: everything happens on one thread.
        if !self.queued.load(Ordering::Relaxed) {
            self.queued.store(true, Ordering::Relaxed);
            READY.with_borrow_mut(|ready| ready.push(self.index));
        }
    }
}

type Task = (Arc<Place>, Waker, Option<Pin<Box<dyn Future<Output = ()>>>>);

#[derive(Default)]
struct Tasks(Vec<Task>);

impl Tasks {
    fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        let index = self.0.len();
        let place = Arc::new(Place { index, queued: AtomicBool::new(false) });
        place.wake_by_ref();
        self.0.push((place.clone(), place.into(), Some(Box::pin(future))));
    }

    /// Polls whoever is ready until nobody is; how many tasks have ended.
    fn run(&mut self) -> usize {
        let mut ended = 0;
        while let Some(index) = READY.with_borrow_mut(Ready::pop) {
            let (place, waker, future) = &mut self.0[index];
            place.queued.store(false, Ordering::Relaxed);
            let Some(running) = future else { continue };
            if running.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                *future = None;
                ended += 1;
            }
        }
        ended
    }
}

/// Lets so many pairs exchange their numbers.
fn exchange(pairs: usize) {
    let mut tasks = Tasks::default();
    for _ in 0..pairs {
        let (ping, pinged) = async_channel::bounded::<usize>(1);
        let (pong, ponged) = async_channel::bounded::<usize>(1);
        tasks.spawn(async move {
            while let Ok(value) = pinged.recv().await {
                pong.send(value + 1).await.expect("the other end is there");
            }
        });
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                ping.send(round).await.expect("the other end is there");
                assert_eq!(ponged.recv().await, Ok(round + 1));
            }
        });
    }
    assert_eq!(tasks.run(), 2 * pairs, "every task comes to its end");
}

fn main() {
    let mut passes: Vec<f64> = Vec::new();
    for _ in 0..PASSES {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| exchange(PAIRS / THREADS));
            }
        });
        passes.push(start.elapsed().as_nanos() as f64 / (PAIRS * ROUNDS) as f64);
    }
    let warm = &mut passes[1..];
    warm.sort_by(f64::total_cmp);
    println!("ns={:.3}", (warm[1] + warm[2]) / 2.0);
}
