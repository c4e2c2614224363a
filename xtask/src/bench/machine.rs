//! What the machine did during a sample: time the host took away, CPU that other processes used.
//!
//! Read from /proc, in the kernel's ticks of 10 ms. Where there is no /proc every sample counts as undisturbed.

use std::fs;

/// The kernel's counters at one moment, in ticks.
#[derive(Clone, Copy, Default)]
pub struct Ticks {
    busy: u64,
    idle: u64,
    stolen: u64,
    own: u64,
}

/// What happened between two readings that was not the sample's doing, as shares of all CPU time.
#[derive(Clone, Copy, Default)]
pub struct Disturbance {
    /// Taken away by the host.
    pub stolen: f64,
    /// Used by other processes.
    pub others: f64,
}

impl Ticks {
    /// Reads the counters. `own` is this process and all children it has waited for.
    pub fn now() -> Ticks {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let own_stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Ticks::parse(&stat, &own_stat)
    }

    fn parse(stat: &str, own_stat: &str) -> Ticks {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or("");
        let fields = numbers(line);
        let field = |index: usize| fields.get(index).copied().unwrap_or(0);
        // user, nice, system, (idle, iowait,) irq, softirq: what somebody computed.
        let busy = field(0) + field(1) + field(2) + field(5) + field(6);
        // The second field is the program's name in brackets; utime, stime, cutime and cstime are fields 14 to 17.
        let own = numbers(own_stat.rsplit_once(')').map_or("", |(_, rest)| rest));
        let own = own.iter().skip(11).take(4).sum();
        Ticks { busy, idle: field(3) + field(4), stolen: field(7), own }
    }

    /// What happened since `earlier`.
    pub fn since(self, earlier: Ticks) -> Disturbance {
        let busy = self.busy.saturating_sub(earlier.busy);
        let idle = self.idle.saturating_sub(earlier.idle);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        let own = self.own.saturating_sub(earlier.own);
        let all = (busy + idle + stolen) as f64;
        if all == 0.0 {
            return Disturbance::default();
        }
        // Four ticks are within what the sampling of the counters errs by.
        let beyond_error = |ticks: u64| ticks.saturating_sub(4) as f64 / all;
        Disturbance { stolen: beyond_error(stolen), others: beyond_error(busy.saturating_sub(own)) }
    }
}

fn numbers(line: &str) -> Vec<u64> {
    // The state letter and a few negative numbers count as zero, so that places do not shift.
    line.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect()
}

impl Disturbance {
    /// Too much for the sample to be believed.
    pub fn is_too_much(self) -> bool {
        self.stolen > 0.03 || self.others > 0.06
    }

    /// How bad it is, for choosing the least disturbed of several samples.
    pub fn total(self) -> f64 {
        self.stolen + self.others
    }
}

/// The machine in one line: processor, cores, kernel.
pub fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, {} {}", std::env::consts::OS, kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One second of two cores: 200 ticks. `stat` gives user, idle and steal, `own` the CPU of this
    /// process, half of it its waited-for children's system time, the last of the four fields.
    fn ticks(user: u64, idle: u64, steal: u64, own: u64) -> Ticks {
        let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 2 3\n");
        let half = own / 2;
        let own_stat =
            format!("77 (a (b) c) S 4 5 6 7 8 9 {user} 11 {user} 13 {half} 0 0 {half} 18");
        Ticks::parse(&stat, &own_stat)
    }

    #[test]
    fn own_work_is_no_disturbance() {
        let disturbance = ticks(190, 10, 0, 190).since(ticks(0, 0, 0, 0));
        assert_eq!(disturbance.total(), 0.0);
        assert!(!disturbance.is_too_much());
    }

    #[test]
    fn others_and_the_host_are() {
        let others = ticks(150, 50, 0, 100).since(ticks(0, 0, 0, 0));
        assert!(others.others > 0.2 && others.is_too_much());
        let host = ticks(100, 50, 50, 100).since(ticks(0, 0, 0, 0));
        assert!(host.stolen > 0.2 && host.is_too_much());
    }
}
