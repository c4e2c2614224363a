//! The rows of the table: which figure of which workload, in which unit, and what it must reach.
//!
//! The 27 metrics come first and make the mean; the rows after them are reported beside it.

/// "Not behind" and "not slower": no worse than 3 %.
const NOT_BEHIND: f64 = 1.03;

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Times, bytes.
    Lower,
    /// Rates, speed-ups.
    Higher,
}

/// What corrente must reach.
#[derive(Clone, Copy)]
pub enum Bar {
    /// A ratio to tokio: at most, or at least where higher is better.
    Ratio(f64),
    /// A value in the row's own unit: at most, or at least where higher is better.
    Value(f64),
    /// Nothing was promised.
    None,
}

/// Where a row's value comes from.
#[derive(Clone, Copy)]
pub enum Source {
    /// A figure of a workload.
    Figure(&'static str, &'static str),
    /// One figure divided by another of the same round.
    Quotient((&'static str, &'static str), (&'static str, &'static str)),
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// Its value.
    pub source: Source,
    /// The value's unit.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// What it must reach.
    pub bar: Bar,
}

impl Row {
    /// The workloads that this row needs.
    pub fn workloads(&self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match self.source {
            Source::Figure(workload, _) => (workload, None),
            Source::Quotient((over, _), (under, _)) => (over, Some(under)),
        };
        std::iter::once(first).chain(second)
    }

    /// How much better a ratio to tokio is: above 1 is better, for times and rates alike.
    pub fn advantage(&self, ratio: f64) -> f64 {
        match self.better {
            Better::Lower => 1.0 / ratio,
            Better::Higher => ratio,
        }
    }

    /// Whether the bar is met; `None` without a bar, or without what it speaks of.
    pub fn meets_bar(&self, value: Option<f64>, ratio: Option<f64>) -> Option<bool> {
        let (reached, wanted) = match self.bar {
            Bar::Ratio(wanted) => (ratio?, wanted),
            Bar::Value(wanted) => (value?, wanted),
            Bar::None => return None,
        };
        Some(match self.better {
            Better::Lower => reached <= wanted,
            Better::Higher => reached >= wanted,
        })
    }
}

const fn lower(name: &'static str, source: Source, unit: &'static str, bar: Bar) -> Row {
    Row { name, source, unit, better: Better::Lower, bar }
}

const fn higher(name: &'static str, source: Source, unit: &'static str, bar: Bar) -> Row {
    Row { name, source, unit, better: Better::Higher, bar }
}

const fn ns(name: &'static str, ratio: f64) -> Row {
    lower(name, Source::Figure(name, "ns"), "ns", Bar::Ratio(ratio))
}

const fn rate(name: &'static str, unit: &'static str, ratio: f64) -> Row {
    higher(name, Source::Figure(name, "rate"), unit, Bar::Ratio(ratio))
}

/// The metrics of which the mean is made.
#[rustfmt::skip]
pub const METRICS: &[Row] = &[
    ns("spawn_join", 0.40),
    ns("burst", 0.35),
    ns("spawn_outside", 0.50),
    ns("yield_many", 0.80),
    ns("yield_one", 0.10),
    ns("ping_pong", 0.95),
    ns("ping_pair", 0.50),
    ns("oneshot", 0.35),
    ns("chained_spawn", 0.45),
    ns("tree", 0.35),
    ns("mutex", 0.40),
    ns("mpsc", 0.50),
    ns("timeout_many", 0.35),
    ns("timeout_one", 0.12),
    lower("timers_cpu", Source::Figure("timers", "cpu_ns"), "ns", Bar::Ratio(0.60)),
    lower("timers_late_p50", Source::Figure("timers", "p50_us"), "µs", Bar::Ratio(0.15)),
    lower("sleep_late_p50", Source::Figure("sleep_late", "p50_us"), "µs", Bar::Ratio(0.12)),
    lower("heartbeat_p99", Source::Figure("heartbeat", "p99_us"), "µs", Bar::Ratio(0.65)),
    rate("echo_1", "req/s", 1.08),
    rate("echo_64", "req/s", 1.05),
    rate("echo_1000", "req/s", 0.85),
    rate("echo_16k", "req/s", 1.03),
    rate("accept", "conn/s", 1.00),
    ns("blocking", 0.25),
    lower("idle_task_bytes", Source::Figure("idle_task_bytes", "bytes"), "bytes", Bar::Ratio(0.45)),
    lower("sleeping_task_bytes", Source::Figure("sleeping_task_bytes", "bytes"), "bytes", Bar::Ratio(0.60)),
    lower("wake_outside", Source::Figure("wake_outside", "p50_us"), "µs", Bar::Ratio(1.00)),
];

/// What is reported beside the mean.
#[rustfmt::skip]
pub const BESIDE: &[Row] = &[
    lower("two_100ms", Source::Figure("two_100ms", "ms"), "ms", Bar::Value(115.0)),
    lower("fan_64", Source::Figure("fan_64", "ms"), "ms", Bar::Ratio(NOT_BEHIND)),
    higher("fan_64_speedup", Source::Quotient(("fan_64_1w", "ms"), ("fan_64", "ms")), "×", Bar::Value(1.6)),
    lower("fan_4", Source::Figure("fan_4", "ms"), "ms", Bar::Ratio(1.25)),
    lower("fan_20us", Source::Figure("fan_20us", "ms"), "ms", Bar::None),
    higher("fan_20us_speedup", Source::Quotient(("fan_20us_1w", "ms"), ("fan_20us", "ms")), "×", Bar::None),
    higher("tree_speedup", Source::Quotient(("tree_1w", "ns"), ("tree", "ns")), "×", Bar::None),
    lower("behind_spin", Source::Figure("behind_spin", "ms"), "ms", Bar::None),
    lower("behind_spin_max", Source::Figure("behind_spin", "max_ms"), "ms", Bar::Value(50.0)),
    lower("gather10", Source::Figure("gather10", "ns"), "ns", Bar::Ratio(NOT_BEHIND)),
    lower("group10", Source::Figure("group10", "ns"), "ns", Bar::Ratio(NOT_BEHIND)),
    lower("timers_late_p99", Source::Figure("timers", "p99_us"), "µs", Bar::None),
    lower("timers_late_max", Source::Figure("timers", "max_us"), "µs", Bar::None),
    lower("sleep_late_p99", Source::Figure("sleep_late", "p99_us"), "µs", Bar::None),
    lower("sleep_late_cpu", Source::Figure("sleep_late", "cpu_ns"), "ns", Bar::None),
    lower("sleep_loaded_p50", Source::Figure("sleep_loaded", "p50_us"), "µs", Bar::None),
    lower("sleep_loaded_p99", Source::Figure("sleep_loaded", "p99_us"), "µs", Bar::None),
    lower("heartbeat_p50", Source::Figure("heartbeat", "p50_us"), "µs", Bar::None),
    lower("heartbeat_max", Source::Figure("heartbeat", "max_us"), "µs", Bar::None),
    higher("heartbeat_hog_polls", Source::Figure("heartbeat", "hog_polls_per_s"), "1/s", Bar::None),
    lower("echo_1_cpu", Source::Figure("echo_1", "cpu_ns"), "ns", Bar::Ratio(1.00)),
    lower("echo_1_p99", Source::Figure("echo_1", "p99_us"), "µs", Bar::None),
    lower("echo_1_max", Source::Figure("echo_1", "max_us"), "µs", Bar::None),
    lower("echo_64_cpu", Source::Figure("echo_64", "cpu_ns"), "ns", Bar::Ratio(1.00)),
    lower("echo_64_p99", Source::Figure("echo_64", "p99_us"), "µs", Bar::None),
    lower("echo_64_max", Source::Figure("echo_64", "max_us"), "µs", Bar::None),
    higher("echo_64_fewest", Source::Figure("echo_64", "fewest"), "req", Bar::None),
    lower("echo_64_most/fewest", Source::Quotient(("echo_64", "most"), ("echo_64", "fewest")), "×", Bar::Value(2.0)),
    lower("echo_1000_cpu", Source::Figure("echo_1000", "cpu_ns"), "ns", Bar::None),
    lower("echo_1000_p99", Source::Figure("echo_1000", "p99_us"), "µs", Bar::Ratio(0.45)),
    lower("echo_1000_max", Source::Figure("echo_1000", "max_us"), "µs", Bar::Ratio(0.45)),
    higher("echo_1000_fewest", Source::Figure("echo_1000", "fewest"), "req", Bar::None),
    lower("echo_1000_most/fewest", Source::Quotient(("echo_1000", "most"), ("echo_1000", "fewest")), "×", Bar::Value(2.0)),
    lower("echo_16k_cpu", Source::Figure("echo_16k", "cpu_ns"), "ns", Bar::None),
    lower("echo_16k_p99", Source::Figure("echo_16k", "p99_us"), "µs", Bar::None),
    lower("echo_16k_max", Source::Figure("echo_16k", "max_us"), "µs", Bar::None),
    higher("echo_16k_fewest", Source::Figure("echo_16k", "fewest"), "req", Bar::None),
    lower("echo_16k_most/fewest", Source::Quotient(("echo_16k", "most"), ("echo_16k", "fewest")), "×", Bar::Value(2.0)),
    lower("accept_cpu", Source::Figure("accept", "cpu_ns"), "ns", Bar::None),
    lower("wake_outside_p99", Source::Figure("wake_outside", "p99_us"), "µs", Bar::None),
    lower("ping_pong_own", Source::Figure("ping_pong_own", "ns"), "ns", Bar::None),
    lower("ping_pair_own", Source::Figure("ping_pair_own", "ns"), "ns", Bar::None),
    ns("lock_alone", 1.00),
    ns("lock_100", 1.00),
    ns("semaphore_alone", 1.00),
    ns("semaphore_100", 1.00),
    ns("queue_1_1", 1.00),
    lower("queue_4_1", Source::Figure("mpsc", "ns"), "ns", Bar::Ratio(1.00)),
    ns("unbounded_1_1", 1.00),
    ns("unbounded_4_1", 1.00),
    ns("oneshot_alone", 1.00),
    ns("broadcast", 1.00),
    ns("readline", 1.00),
    lower("blocking_512", Source::Figure("blocking_512", "ms"), "ms", Bar::None),
    lower("idle_cpu", Source::Figure("idle", "cpu_us_per_s"), "µs/s", Bar::None),
    lower("tick_cpu", Source::Figure("tick", "cpu_us_per_tick"), "µs", Bar::None),
    higher("apart_1", Source::Figure("apart_1", "rate"), "req/s", Bar::None),
    higher("apart_64", Source::Figure("apart_64", "rate"), "req/s", Bar::None),
    higher("apart_1000", Source::Figure("apart_1000", "rate"), "req/s", Bar::None),
    lower("apart_1000_p99", Source::Figure("apart_1000", "p99_us"), "µs", Bar::None),
    higher("apart_16k", Source::Figure("apart_16k", "rate"), "req/s", Bar::None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_27_metrics_and_no_name_twice() {
        assert_eq!(METRICS.len(), 27);
        let mut names: Vec<&str> = METRICS.iter().chain(BESIDE).map(|row| row.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        // `--only` takes them in a list with commas.
        assert!(names.iter().all(|name| !name.contains([',', ' '])));
    }

    #[test]
    fn the_bars_multiply_to_what_was_promised() {
        let advantages = METRICS.iter().map(|row| match row.bar {
            Bar::Ratio(ratio) => row.advantage(ratio),
            Bar::Value(_) | Bar::None => panic!("every metric has a ratio to reach"),
        });
        let mean = advantages.map(f64::ln).sum::<f64>() / METRICS.len() as f64;
        assert_eq!(format!("{:.2}", mean.exp()), "2.20");
    }

    #[test]
    fn a_bar_knows_which_way_is_better() {
        let row = |better, bar| Row {
            name: "x",
            source: Source::Figure("x", "y"),
            unit: "",
            better,
            bar,
        };
        let lower = row(Better::Lower, Bar::Ratio(0.5));
        assert_eq!(lower.meets_bar(None, Some(0.4)), Some(true));
        assert_eq!(lower.meets_bar(None, Some(0.6)), Some(false));
        assert_eq!(lower.meets_bar(Some(1.0), None), None);
        let higher = row(Better::Higher, Bar::Value(1.6));
        assert_eq!(higher.meets_bar(Some(1.7), None), Some(true));
        assert_eq!(higher.meets_bar(Some(1.5), Some(9.0)), Some(false));
    }
}
