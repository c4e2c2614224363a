//! Clocks and counters of this process: wall time, CPU time of all threads, page faults, resident memory.
//!
//! Nothing here is read inside a measured stretch, only at its ends.

use crate::Figures;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::{Duration, Instant};

/// CPU time that all threads of this process have used.
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).expect("nanoseconds are below a second"),
    )
}

/// Page faults that needed no disk, since the process began.
pub fn minor_faults() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets and may hold blanks; the tenth field is wanted.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_ascii_whitespace().nth(7).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Bytes of memory that are resident now.
pub fn resident_bytes() -> u64 {
    status_kib("VmRSS:") * 1024
}

/// The most bytes of memory that were ever resident.
pub fn peak_resident_bytes() -> u64 {
    status_kib("VmHWM:") * 1024
}

fn status_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Computes for `duration` of this thread's CPU time, however long that takes.
pub fn spin_cpu(duration: Duration) {
    let end = clock(ClockId::ThreadCPUTime) + duration;
    while clock(ClockId::ThreadCPUTime) < end {
        std::hint::black_box(mix(1000));
    }
}

/// Computes until `duration` of wall time has passed.
pub fn spin_wall(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::black_box(mix(100));
    }
}

/// A little arithmetic that the compiler cannot leave out: about a nanosecond a step.
fn mix(steps: u64) -> u64 {
    (0..steps).fold(1, |state: u64, step| {
        std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005) ^ step)
    })
}

/// Pseudo-random numbers, the same in every process (xorshift).
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// All clocks at one moment.
pub struct Meter {
    wall: Instant,
    cpu: Duration,
    faults: u64,
}

/// What passed between [`Meter::start`] and [`Meter::stop`].
#[derive(Clone, Copy)]
pub struct Lap {
    /// Time on the wall.
    pub wall: Duration,
    /// CPU time of all threads.
    pub cpu: Duration,
    /// Page faults that needed no disk.
    pub faults: u64,
}

impl Meter {
    /// Reads all clocks, the wall's last.
    pub fn start() -> Self {
        let faults = minor_faults();
        let cpu = process_cpu();
        Meter { wall: Instant::now(), cpu, faults }
    }

    /// Reads all clocks again, the wall's first.
    pub fn stop(&self) -> Lap {
        let wall = self.wall.elapsed();
        let cpu = process_cpu() - self.cpu;
        Lap { wall, cpu, faults: minor_faults() - self.faults }
    }
}

/// The same work several times: a cold pass that is told apart, then warm ones.
///
/// ```text
/// let mut passes = Passes::new(5, operations);
/// while passes.start() {
///     …the work…
///     passes.stop();
/// }
/// passes.figures()
/// ```
pub struct Passes {
    operations: f64,
    wanted: usize,
    meter: Option<Meter>,
    laps: Vec<Lap>,
}

impl Passes {
    /// A cold pass and `warm` warm ones, each of so many `operations`.
    pub fn new(warm: usize, operations: usize) -> Self {
        Passes {
            operations: operations as f64,
            wanted: warm + 1,
            meter: None,
            laps: Vec::with_capacity(warm + 1),
        }
    }

    /// Starts the clocks for the next pass; false when there have been enough.
    pub fn start(&mut self) -> bool {
        let more = self.laps.len() < self.wanted;
        if more {
            self.meter = Some(Meter::start());
        }
        more
    }

    /// Stops the clocks.
    pub fn stop(&mut self) {
        let meter = self.meter.take().expect("a pass was started");
        self.laps.push(meter.stop());
    }

    /// Per operation: `ns` of the median warm pass, `cpu_ns` and `faults_per_1000` over all warm passes, `cold_ns`.
    pub fn figures(&self) -> Figures {
        let per_operation = |duration: Duration| duration.as_nanos() as f64 / self.operations;
        let (cold, warm) = self.laps.split_first().expect("at least one pass ran");
        let mut walls: Vec<f64> = warm.iter().map(|lap| per_operation(lap.wall)).collect();
        let passes = warm.len() as f64;
        let cpu: f64 = warm.iter().map(|lap| per_operation(lap.cpu)).sum();
        let faults: u64 = warm.iter().map(|lap| lap.faults).sum();
        Figures::new()
            .with("ns", median(&mut walls))
            .with("cpu_ns", cpu / passes)
            .with("cold_ns", per_operation(cold.wall))
            .with("faults_per_1000", faults as f64 * 1000.0 / self.operations / passes)
    }
}

/// The middle value, or the mean of the two in the middle. Sorts `values`.
///
/// # Panics
/// When there are none.
pub fn median(values: &mut [f64]) -> f64 {
    assert!(!values.is_empty(), "a median needs values");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// `amount` times `scale`, at least one.
pub fn scaled(amount: usize, scale: f64) -> usize {
    ((amount as f64 * scale).round() as usize).max(1)
}
