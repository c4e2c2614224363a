//! The floor of `ping_pair`: one pair on one thread, over the same async-channel.
//!
//! No peer is ahead of corrente in this row. The floor shows what is the channel's in it, which every runtime pays. Prints
//! `ns` for one round trip, the median of four passes after a cold one.
#![forbid(unsafe_code)]

use corrente_floor::pairs::exchange;
use std::time::Instant;

const ROUNDS: usize = 200_000;
const PASSES: usize = 5;

fn main() {
    let mut passes: Vec<f64> = Vec::new();
    for _ in 0..PASSES {
        let start = Instant::now();
        exchange(1, ROUNDS);
        passes.push(start.elapsed().as_nanos() as f64 / ROUNDS as f64);
    }
    let warm = &mut passes[1..];
    warm.sort_by(f64::total_cmp);
    println!("ns={:.3}", (warm[1] + warm[2]) / 2.0);
}
