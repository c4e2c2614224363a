//! Timers: made and dropped, fired in crowds, on an idle machine, beside load.

use crate::latency::Latencies;
use crate::measure::{Meter, Passes, Random, process_cpu, scaled, spin_wall};
use crate::{Contender, Figures};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A task each, all spawned, then awaited.
pub async fn timeout_many<C: Contender>(scale: f64) -> Figures {
    let tasks = scaled(100_000, scale);
    let mut passes = Passes::new(4, tasks);
    while passes.start() {
        let mut handles = Vec::with_capacity(tasks);
        for _ in 0..tasks {
            handles.push(C::spawn(async { C::timeout(LONG, C::yield_now()).await }));
        }
        let mut in_time = 0;
        for handle in handles {
            in_time += usize::from(handle.await.is_some());
        }
        passes.stop();
        assert_eq!(in_time, tasks);
    }
    passes.figures()
}

/// One task, one timeout after the other.
pub async fn timeout_one<C: Contender>(scale: f64) -> Figures {
    let timeouts = scaled(100_000, scale);
    let mut passes = Passes::new(3, timeouts);
    while passes.start() {
        let mut in_time = 0;
        for _ in 0..timeouts {
            in_time += usize::from(C::timeout(LONG, C::yield_now()).await.is_some());
        }
        passes.stop();
        assert_eq!(in_time, timeouts);
    }
    passes.figures()
}

/// Sleeps, and says how late it ended. Early is a panic.
async fn lateness<C: Contender>(duration: Duration) -> Duration {
    let start = Instant::now();
    C::sleep(duration).await;
    start.elapsed().checked_sub(duration).expect("no sleep ends early")
}

/// 100,000 tasks, each sleeping for between 1 ms and 1 s; the CPU time of all of it, and how late they end.
pub async fn timers<C: Contender>(scale: f64) -> Figures {
    let tasks = scaled(100_000, scale);
    let mut random = Random::new(7);
    let meter = Meter::start();
    let mut handles = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        let duration = Duration::from_micros(1_000 + random.below(999_000));
        handles.push(C::spawn(lateness::<C>(duration)));
    }
    let mut latencies = Latencies::new();
    for handle in handles {
        latencies.add(handle.await);
    }
    let lap = meter.stop();
    assert_eq!(latencies.total(), tasks as u64);
    Figures::new().with("cpu_ns", lap.cpu.as_nanos() as f64 / tasks as f64).and(latencies.figures())
}

/// One task that sleeps 1 ms again and again while nothing else happens.
pub async fn sleep_idle<C: Contender>(scale: f64) -> Figures {
    let sleeps = scaled(250, scale);
    for _ in 0..20 {
        C::sleep(MILLISECOND).await;
    }
    let cpu = process_cpu();
    let mut latencies = Latencies::new();
    for _ in 0..sleeps {
        latencies.add(lateness::<C>(MILLISECOND).await);
    }
    let cpu = process_cpu() - cpu;
    latencies.figures().with("cpu_ns", cpu.as_nanos() as f64 / sleeps as f64)
}

/// Tasks that compute for `per_poll` and yield, until told to stop; counts their polls.
struct Hogs<C: Contender> {
    stop: Arc<AtomicBool>,
    handles: Vec<C::Task<u64>>,
}

impl<C: Contender> Hogs<C> {
    fn start(count: usize, per_poll: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let hog = |_| {
            let stop = Arc::clone(&stop);
            C::spawn(async move {
                let mut polls = 0;
                // Relaxed: nothing but the flag is communicated.
                while !stop.load(Ordering::Relaxed) {
                    spin_wall(per_poll);
                    polls += 1;
                    C::yield_now().await;
                }
                polls
            })
        };
        let handles = (0..count).map(hog).collect();
        Hogs { stop, handles }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut polls = 0;
        for handle in self.handles {
            polls += handle.await;
        }
        polls
    }
}

/// One task that sleeps 1 ms again and again beside four that compute 20 µs per poll.
pub async fn sleep_loaded<C: Contender>(scale: f64) -> Figures {
    let hogs = Hogs::<C>::start(4, Duration::from_micros(20));
    let sleeper = C::spawn(async move {
        let mut latencies = Latencies::new();
        for _ in 0..scaled(250, scale) {
            latencies.add(lateness::<C>(MILLISECOND).await);
        }
        latencies
    });
    let latencies = sleeper.await;
    hogs.stop().await;
    latencies.figures()
}

/// 20 tasks that sleep 1 ms again and again beside four that compute 1 ms per poll, for one second.
pub async fn heartbeat<C: Contender>(scale: f64) -> Figures {
    const BEATS: usize = 20;
    let start = Instant::now();
    let length = Duration::from_secs_f64(scale);
    let hogs = Hogs::<C>::start(4, MILLISECOND);
    let total = Arc::new(AtomicU64::new(0));
    let mut beats = Vec::with_capacity(BEATS);
    for _ in 0..BEATS {
        let total = Arc::clone(&total);
        beats.push(C::spawn(async move {
            let mut latencies = Latencies::new();
            while start.elapsed() < length {
                latencies.add(lateness::<C>(MILLISECOND).await);
            }
            // Relaxed: read after the task was awaited.
            total.fetch_add(latencies.total(), Ordering::Relaxed);
            latencies
        }));
    }
    let mut latencies = Latencies::new();
    for beat in beats {
        latencies.merge(&beat.await);
    }
    let hog_polls = hogs.stop().await;
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(latencies.total(), total.load(Ordering::Relaxed));
    latencies
        .figures()
        .with("beats_per_s", latencies.total() as f64 / seconds)
        .with("hog_polls_per_s", hog_polls as f64 / seconds)
}
