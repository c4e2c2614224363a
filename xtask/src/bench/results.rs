//! All samples of a run, and what follows from them: medians, ranges, ratios to tokio round by round.

use super::rows::{METRICS, Row, Source};
use super::sampler::Sample;
use std::collections::BTreeMap;
use std::fmt;

/// The runtime to which all ratios refer.
pub const REFERENCE: &str = "tokio";
/// The runtime that the report is about.
pub const OURS: &str = "corrente";

/// The samples, and the runtimes and workloads that were to be sampled.
pub struct Results {
    /// In the order of the table's columns.
    pub runtimes: Vec<String>,
    /// The workloads sampled, with what one operation is.
    pub workloads: Vec<(String, String)>,
    /// Rounds that were begun; `--quick` may have stopped in the last one.
    pub rounds: usize,
    /// By runtime, workload and round.
    samples: BTreeMap<(String, String, usize), Sample>,
    /// Runtime, workload and reason, in the order in which they happened.
    pub failures: Vec<(String, String, String)>,
}

/// The middle of several values, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// `None` if there are no values.
    pub fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Some(Spread { median, min, max })
    }
}

/// As a ratio: `×median (least–greatest)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "×{:.2}", self.median)?;
        if self.min != self.max {
            write!(f, " ({:.2}–{:.2})", self.min, self.max)?;
        }
        Ok(())
    }
}

impl Results {
    /// Nothing sampled yet.
    pub fn new(runtimes: Vec<String>, workloads: Vec<(String, String)>) -> Results {
        Results { runtimes, workloads, rounds: 0, samples: BTreeMap::new(), failures: Vec::new() }
    }

    /// Keeps a sample.
    pub fn add(&mut self, runtime: &str, workload: &str, round: usize, sample: Sample) {
        self.samples.insert((runtime.to_owned(), workload.to_owned(), round), sample);
    }

    /// All samples with their runtime, workload and round.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str, usize, &Sample)> {
        self.samples
            .iter()
            .map(|((runtime, workload, round), sample)| (&**runtime, &**workload, *round, sample))
    }

    /// Whether the workload was to be sampled.
    pub fn has_workload(&self, name: &str) -> bool {
        self.workloads.iter().any(|(known, _)| known == name)
    }

    /// One figure of one sample.
    pub fn figure(&self, runtime: &str, workload: &str, key: &str, round: usize) -> Option<f64> {
        self.samples.get(&(runtime.to_owned(), workload.to_owned(), round))?.get(key)
    }

    fn in_round(&self, source: Source, runtime: &str, round: usize) -> Option<f64> {
        match source {
            Source::Figure(workload, key) => self.figure(runtime, workload, key, round),
            Source::Quotient((over, over_key), (under, under_key)) => {
                let under = self.figure(runtime, under, under_key, round)?;
                Some(self.figure(runtime, over, over_key, round)? / under)
            }
        }
    }

    /// The value over all rounds.
    pub fn value(&self, source: Source, runtime: &str) -> Option<Spread> {
        Spread::of(
            (0..self.rounds).filter_map(|round| self.in_round(source, runtime, round)).collect(),
        )
    }

    /// The ratio to the reference, taken round by round.
    pub fn ratio(&self, source: Source, runtime: &str) -> Option<Spread> {
        self.ratio_to(source, runtime, REFERENCE)
    }

    /// The ratio to another runtime, taken round by round.
    pub fn ratio_to(&self, source: Source, runtime: &str, other: &str) -> Option<Spread> {
        self.ratios(runtime, other, |runtime, round| self.in_round(source, runtime, round))
    }

    /// The value over all rounds of any figure of a workload.
    pub fn value_of_key(&self, workload: &str, key: &str, runtime: &str) -> Option<Spread> {
        let value = |round| self.figure(runtime, workload, key, round);
        Spread::of((0..self.rounds).filter_map(value).collect())
    }

    /// The ratio to the reference of any figure of a workload.
    pub fn ratio_of_key(&self, workload: &str, key: &str, runtime: &str) -> Option<Spread> {
        self.ratios(runtime, REFERENCE, |runtime, round| self.figure(runtime, workload, key, round))
    }

    fn ratios(
        &self,
        runtime: &str,
        other: &str,
        value: impl Fn(&str, usize) -> Option<f64>,
    ) -> Option<Spread> {
        let ratio = |round| {
            let ratio = value(runtime, round)? / value(other, round)?;
            ratio.is_finite().then_some(ratio)
        };
        Spread::of((0..self.rounds).filter_map(ratio).collect())
    }

    /// The figures that any runtime has for the workload, in the order in which they were printed.
    pub fn keys(&self, workload: &str) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for (_, _, _, sample) in self.samples().filter(|(_, name, _, _)| *name == workload) {
            for (key, _) in &sample.figures {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        keys
    }

    /// The closing line.
    pub fn closing_line(&self) -> String {
        let advantages: Vec<(&Row, f64)> = METRICS
            .iter()
            .filter_map(|row| Some((row, row.advantage(self.ratio(row.source, OURS)?.median))))
            .collect();
        let failed: Vec<&str> =
            self.failures.iter().filter(|failure| failure.0 == OURS).map(|f| &*f.1).collect();
        let failed = match failed[..] {
            [] => String::new(),
            _ => format!("; failed in: {}", failed.join(", ")),
        };
        if advantages.is_empty() {
            return format!("bench: no metric of {OURS} beside {REFERENCE} was sampled{failed}");
        }
        let logs: f64 = advantages.iter().map(|(_, advantage)| advantage.ln()).sum();
        let mean = (logs / advantages.len() as f64).exp();
        let behind: Vec<&str> = advantages
            .iter()
            .filter(|(_, advantage)| *advantage < 1.0)
            .map(|(row, _)| row.name)
            .collect();
        let behind = if behind.is_empty() { "nothing".to_owned() } else { behind.join(", ") };
        format!(
            "bench: {mean:.2}× {REFERENCE} over {} metric{} (geometric mean), behind in: {behind}{failed}",
            advantages.len(),
            if advantages.len() == 1 { "" } else { "s" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Disturbance;
    use super::*;

    fn results(samples: &[(&str, &str, usize, &str, f64)]) -> Results {
        let mut results = Results::new(Vec::new(), Vec::new());
        for &(runtime, workload, round, key, value) in samples {
            let figures = vec![(key.to_owned(), value)];
            let sample = Sample { figures, disturbance: Disturbance::default(), retries: 0 };
            results.add(runtime, workload, round, sample);
            results.rounds = results.rounds.max(round + 1);
        }
        results
    }

    #[test]
    fn spreads() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread { median: 2.0, min: 1.0, max: 3.0 })
        );
        assert_eq!(Spread::of(vec![4.0, 2.0]).map(|spread| spread.median), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let results = results(&[
            ("tokio", "tree", 0, "ns", 100.0),
            ("corrente", "tree", 0, "ns", 50.0),
            ("tokio", "tree", 1, "ns", 400.0),
            ("corrente", "tree", 1, "ns", 100.0),
            // The third round of the reference is missing: it counts for the value, not for the ratio.
            ("corrente", "tree", 2, "ns", 90.0),
        ]);
        let source = Source::Figure("tree", "ns");
        assert_eq!(
            results.ratio(source, OURS),
            Some(Spread { median: 0.375, min: 0.25, max: 0.5 })
        );
        assert_eq!(results.value(source, OURS).map(|value| value.median), Some(90.0));
        assert_eq!(results.ratio(source, "smol"), None);
    }

    #[test]
    fn the_mean_is_geometric_and_knows_which_way_is_better() {
        let mut results = results(&[
            ("tokio", "tree", 0, "ns", 100.0),
            ("corrente", "tree", 0, "ns", 12.5),
            ("tokio", "echo_64", 0, "rate", 100.0),
            ("corrente", "echo_64", 0, "rate", 50.0),
        ]);
        assert_eq!(
            results.closing_line(),
            "bench: 2.00× tokio over 2 metrics (geometric mean), behind in: echo_64"
        );
        results.failures.push((
            "corrente".to_owned(),
            "mutex".to_owned(),
            "took too long".to_owned(),
        ));
        assert!(results.closing_line().ends_with("behind in: echo_64; failed in: mutex"));
    }

    #[test]
    fn without_ours_there_is_no_mean() {
        let results = results(&[("tokio", "tree", 0, "ns", 100.0)]);
        assert_eq!(results.closing_line(), "bench: no metric of corrente beside tokio was sampled");
    }
}
