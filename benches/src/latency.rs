//! Latencies: a histogram with buckets of under one per cent, and a way to fill it from many tasks without sharing.
//!
//! Each thread counts in a shard of its own that only it writes (plain loads and stores of relaxed atomics), so
//! recording costs about two nanoseconds and moves no cache line between cores. The shards are process-wide, which is
//! right because a process runs one workload.

use crate::Figures;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets per doubling.
const FINE: usize = 128;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Doublings above the exact range; the last bucket lies beyond an hour.
const OCTAVES: usize = 36;
const BUCKETS: usize = FINE * (OCTAVES + 1);

/// Below `FINE` nanoseconds every value has its bucket, above it `FINE` buckets share each doubling.
fn bucket(ns: u64) -> usize {
    if ns < FINE as u64 {
        return ns as usize;
    }
    let octave = 63 - ns.leading_zeros() - FINE_BITS;
    let within = (ns >> octave) as usize - FINE;
    (FINE * (octave as usize + 1) + within).min(BUCKETS - 1)
}

/// The middle of a bucket, in nanoseconds.
fn middle(bucket: usize) -> f64 {
    let (octave, within) = (bucket / FINE, bucket % FINE);
    match octave {
        0 => within as f64,
        octave => ((FINE + within) as f64 + 0.5) * (1u64 << (octave - 1)) as f64,
    }
}

/// Counts of latencies.
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Latencies {
    /// No latency yet.
    pub fn new() -> Self {
        Latencies { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }

    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        let ns = nanoseconds(latency);
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Counts all of `others`, too.
    pub fn merge(&mut self, others: &Latencies) {
        self.counts.iter_mut().zip(&others.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += others.total;
        self.max_ns = self.max_ns.max(others.max_ns);
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latency in nanoseconds that `share` of all do not exceed.
    fn quantile_ns(&self, share: f64) -> f64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return middle(index).min(self.max_ns as f64);
            }
        }
        self.max_ns as f64
    }

    /// `p50_us` to `p999_us` and `max_us`.
    ///
    /// # Panics
    /// When nothing was counted: then the workload measured nothing.
    pub fn figures(&self) -> Figures {
        assert!(self.total > 0, "at least one latency was taken");
        let quantile = |share| self.quantile_ns(share) / 1000.0;
        Figures::new()
            .with("p50_us", quantile(0.5))
            .with("p90_us", quantile(0.9))
            .with("p99_us", quantile(0.99))
            .with("p999_us", quantile(0.999))
            .with("max_us", self.max_ns as f64 / 1000.0)
    }
}

fn nanoseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

/// One thread's counts.
struct Shard {
    counts: Vec<AtomicU32>,
    max_us: AtomicU32,
}

static SHARDS: Mutex<Vec<&'static Shard>> = Mutex::new(Vec::new());

thread_local! {
    static SHARD: &'static Shard = new_shard();
}

/// Leaked on purpose: the shard outlives its thread, because the totals are taken at the end.
fn new_shard() -> &'static Shard {
    let counts = (0..BUCKETS).map(|_| AtomicU32::new(0)).collect();
    let shard: &'static Shard = Box::leak(Box::new(Shard { counts, max_us: AtomicU32::new(0) }));
    SHARDS.lock().unwrap_or_else(PoisonError::into_inner).push(shard);
    shard
}

/// Counts one latency in this thread's shard.
pub fn record(latency: Duration) {
    SHARD.with(|shard| {
        let ns = nanoseconds(latency);
        // Relaxed, and no read-modify-write: only this thread writes, and whoever reads has joined the tasks before.
        let count = &shard.counts[bucket(ns)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let us = u32::try_from(ns / 1000).unwrap_or(u32::MAX);
        if us > shard.max_us.load(Ordering::Relaxed) {
            shard.max_us.store(us, Ordering::Relaxed);
        }
    });
}

/// Everything that was [`record`]ed in this process. Call it when all who record have ended.
pub fn recorded() -> Latencies {
    let mut all = Latencies::new();
    for shard in SHARDS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        for (sum, count) in all.counts.iter_mut().zip(&shard.counts) {
            let count = u64::from(count.load(Ordering::Relaxed));
            *sum += count;
            all.total += count;
        }
        all.max_ns = all.max_ns.max(u64::from(shard.max_us.load(Ordering::Relaxed)) * 1000);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_within_one_per_cent_of_its_values() {
        for ns in (0..100_000).chain((1..40).map(|power| (1u64 << power) + 7)) {
            let error = (middle(bucket(ns)) - ns as f64).abs();
            assert!(
                error <= ns as f64 * 0.01,
                "{ns} ns falls into the bucket of {}",
                middle(bucket(ns))
            );
        }
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|us| latencies.add(Duration::from_micros(us)));
        let figures = latencies.figures();
        for (key, expected) in [("p50_us", 500.0), ("p99_us", 990.0), ("max_us", 1000.0)] {
            let value = figures.get(key).unwrap();
            assert!((value - expected).abs() <= expected * 0.01, "{key} is {value}");
        }
    }
}
