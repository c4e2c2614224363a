//! The floor of `ping_pong`: 500 pairs on each of two threads that never meet, over the same async-channel.
//!
//! What is left is mostly the channel's own cost, which every runtime pays. Prints `ns` for one round trip, the median of
//! four passes after a cold one.
#![forbid(unsafe_code)]

use corrente_floor::pairs::exchange;
use std::thread;
use std::time::Instant;

const PAIRS: usize = 1000;
const THREADS: usize = 2;
const ROUNDS: usize = 200;
const PASSES: usize = 5;

fn main() {
    let mut passes: Vec<f64> = Vec::new();
    for _ in 0..PASSES {
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| exchange(PAIRS / THREADS, ROUNDS));
            }
        });
        passes.push(start.elapsed().as_nanos() as f64 / (PAIRS * ROUNDS) as f64);
    }
    let warm = &mut passes[1..];
    warm.sort_by(f64::total_cmp);
    println!("ns={:.3}", (warm[1] + warm[2]) / 2.0);
}
