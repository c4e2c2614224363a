//! Resident memory of a task that waits.

use super::countdown::Countdown;
use crate::measure::{Meter, resident_bytes, scaled};
use crate::{Contender, Figures};
use std::future::pending;
use std::time::Duration;

/// Tasks that wait for nothing.
pub async fn idle<C: Contender>(scale: f64) -> Figures {
    measure(scaled(200_000, scale), |countdown| {
        C::spawn_detached(async move {
            countdown.finish_one();
            pending().await
        });
    })
    .await
}

/// Tasks that sleep for an hour.
pub async fn sleeping<C: Contender>(scale: f64) -> Figures {
    measure(scaled(200_000, scale), |countdown| {
        C::spawn_detached(async move {
            countdown.finish_one();
            C::sleep(Duration::from_secs(3600)).await;
        });
    })
    .await
}

/// Spawns `tasks` tasks; each reports when it was polled, and waits on.
async fn measure(tasks: usize, spawn: impl Fn(&'static Countdown)) -> Figures {
    let (countdown, all_polled) = Countdown::new(tasks);
    let before = resident_bytes();
    let meter = Meter::start();
    for _ in 0..tasks {
        spawn(countdown);
    }
    all_polled.recv().await.expect("every task reports");
    let lap = meter.stop();
    let bytes = resident_bytes().saturating_sub(before);
    Figures::new()
        .with("bytes", bytes as f64 / tasks as f64)
        .with("ns", lap.wall.as_nanos() as f64 / tasks as f64)
        .with("cpu_ns", lap.cpu.as_nanos() as f64 / tasks as f64)
        .with("faults_per_1000", lap.faults as f64 * 1000.0 / tasks as f64)
}
