//! Whether work spreads over the workers: never waking a second worker must not pay.
//!
//! Every round begins with a sleep in which all workers park, so the spawning task has just been woken from a real park.
//! The tasks compute for a given *CPU* time of their thread: two of them on one core take twice as long.

use crate::measure::{Meter, median, scaled, spin_cpu, spin_wall};
use crate::{Contender, Figures};
use std::time::{Duration, Instant};

/// `tasks` tasks of `cpu_us` each, spawned by one task and awaited; the median of `rounds`.
pub async fn fan_out<C: Contender>(
    tasks: usize,
    cpu_us: u64,
    rounds: usize,
    scale: f64,
) -> Figures {
    let mut walls = Vec::new();
    let mut cpu = Duration::ZERO;
    for round in 0..=scaled(rounds, scale) {
        C::sleep(Duration::from_millis(3)).await;
        let meter = Meter::start();
        let compute = |_| C::spawn(async move { spin_cpu(Duration::from_micros(cpu_us)) });
        let handles: Vec<_> = (0..tasks).map(compute).collect();
        for handle in handles {
            handle.await;
        }
        let lap = meter.stop();
        assert!(lap.cpu >= Duration::from_micros(cpu_us) * tasks as u32, "every task has computed");
        // The first round is a warm-up.
        if round > 0 {
            walls.push(lap.wall.as_nanos() as f64 / 1e6);
            cpu += lap.cpu;
        }
    }
    let measured = walls.len() as f64;
    let worst = walls.iter().copied().fold(0.0, f64::max);
    Figures::new()
        .with("ms", median(&mut walls))
        .with("max_ms", worst)
        .with("cpu_ms", cpu.as_nanos() as f64 / 1e6 / measured)
}

/// A task spawns ten others and then computes for 5 ms: how long after its spawn the last of them ran.
pub async fn behind_spin<C: Contender>(scale: f64) -> Figures {
    let mut worst = Vec::new();
    for round in 0..=scaled(50, scale) {
        C::sleep(Duration::from_millis(3)).await;
        let delays = C::spawn(async {
            let spawned = Instant::now();
            let handles: Vec<_> =
                (0..10).map(|_| C::spawn(async move { spawned.elapsed() })).collect();
            spin_wall(Duration::from_millis(5));
            let mut delays = Vec::new();
            for handle in handles {
                delays.push(handle.await);
            }
            delays
        })
        .await;
        assert_eq!(delays.len(), 10);
        if round > 0 {
            worst.push(delays.iter().max().map_or(0.0, |delay| delay.as_nanos() as f64 / 1e6));
        }
    }
    let maximum = worst.iter().copied().fold(0.0, f64::max);
    Figures::new().with("ms", median(&mut worst)).with("max_ms", maximum)
}
