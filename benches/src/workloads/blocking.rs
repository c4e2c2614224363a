//! Closures for the threads that may block.

use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};
use std::thread;
use std::time::Duration;

/// Hands all over, then awaits them.
pub async fn trivial<C: Contender>(scale: f64) -> Figures {
    let jobs = scaled(10_000, scale);
    let expected: usize = (0..jobs).sum();
    let mut passes = Passes::new(4, jobs);
    while passes.start() {
        let mut handles = Vec::with_capacity(jobs);
        for number in 0..jobs {
            handles.push(C::spawn_blocking(move || number));
        }
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        passes.stop();
        assert_eq!(sum, expected);
    }
    passes.figures()
}

/// 512 closures of 20 ms each: with as many threads they take 20 ms together.
pub async fn sleepers<C: Contender>() -> Figures {
    const JOBS: usize = 512;
    let mut passes = Passes::new(3, 1);
    while passes.start() {
        let sleep = |_| C::spawn_blocking(|| thread::sleep(Duration::from_millis(20)));
        let handles: Vec<_> = (0..JOBS).map(sleep).collect();
        for handle in handles {
            handle.await;
        }
        passes.stop();
    }
    let figures = passes.figures();
    let ms = |key| figures.get(key).expect("every pass has it") / 1e6;
    Figures::new().with("ms", ms("ns")).with("cold_ms", ms("cold_ns"))
}
