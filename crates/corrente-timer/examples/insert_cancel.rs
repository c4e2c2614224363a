//! What does it cost to make a timer and drop it? Prints nanoseconds for each pair of operations.
//!
//! `cargo run --release -p corrente-timer --example insert_cancel`

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use corrente_timer::{Clock, Key, Sleep, Tick, Timers, Wheel};

const PAIRS: u32 = 1_000_000;
const ROUNDS: usize = 9;
/// As many timers as wait at once in the rows with many.
const MANY: usize = 100_000;
const LATER: Duration = Duration::from_secs(30);

/// A waker that counts its clones, as a task's does.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

fn main() {
    let noop = Waker::noop();
    let counted = Waker::from(Arc::new(Counted));
    let mut worst: f64 = 0.0;

    let mut wheel = Wheel::new();
    let mut micros = 0;
    row("wheel: insert, remove", || {
        micros += 1;
        let key = wheel.insert(Tick::from_micros(30_000_000 + micros), noop.clone());
        black_box(wheel.remove(key));
    });

    let mut wheel = Wheel::new();
    let mut keys: Vec<Key> = (0..MANY as u64)
        .map(|i| wheel.insert(Tick::from_micros(30_000_000 + i), noop.clone()))
        .collect();
    let mut at = 0;
    row("wheel: insert, remove, among 100,000", || {
        micros += 1;
        let key = wheel.insert(Tick::from_micros(30_000_000 + micros), noop.clone());
        wheel.remove(std::mem::replace(&mut keys[at], key));
        at = if at + 1 == MANY { 0 } else { at + 1 };
    });

    for (name, waker) in [("no-op", noop), ("counted", &counted)] {
        let timers = Timers::new(Clock::system(), 2);
        let now = timers.clock().now();
        let ns = row(&format!("timers: register, cancel, {name} waker"), || {
            micros += 1;
            let deadline = now.saturating_add(LATER + Duration::from_micros(micros));
            let key = timers.register(0, deadline, waker).expect("not closed");
            black_box(timers.cancel(key));
        });
        worst = worst.max(ns);
    }

    let timers = Timers::new(Clock::system(), 2);
    let now = timers.clock().now();
    let mut cx = Context::from_waker(&counted);
    row("sleep: new, poll, drop", || {
        micros += 1;
        let deadline = now.saturating_add(LATER + Duration::from_micros(micros));
        let mut sleep = Sleep::new(&timers, 0, deadline);
        black_box(Pin::new(&mut sleep).poll(&mut cx).is_ready());
    });
    row("sleep: new with the clock read, poll, drop", || {
        let mut sleep = Sleep::new(&timers, 0, timers.clock().after(LATER));
        black_box(Pin::new(&mut sleep).poll(&mut cx).is_ready());
    });
    row("clock: after", || {
        black_box(timers.clock().after(black_box(LATER)));
    });

    println!("register and cancel: {worst:.1} ns");
}

/// Prints and returns the median of the rounds.
fn row(name: &str, mut pair: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..PAIRS).for_each(|_| pair());
            begin.elapsed().as_secs_f64() * 1e9 / f64::from(PAIRS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let (least, median) = (rounds[0], rounds[ROUNDS / 2]);
    println!("{name:<45} {median:>6.1} ns  (least {least:.1})");
    median
}
