//! `cargo xtask bench --floors`: corrente beside the best of its peers and beside a program that does nothing else.
//!
//! A floor is a standalone program of `benches/floor`, called like the workload, that prints the workload's figures. It
//! has no runtime: no task but those that it knows, no fairness beyond what the work needs, no cancelling. Here it takes
//! turns with the runtimes as if it were one of them. A row is here if some peer has been seen ahead of corrente in it, or to
//! show that little is left to win. Where the floor is far below, there is something to win; docs/src/benchmarks.md says what.

use super::options::Options;
use super::results::{OURS, Results, Spread};
use super::rows::{METRICS, Row};
use super::sampler::FLOOR;
use super::table::{align, number, unit};

/// The rows that have a floor.
const FLOORS: &[&str] =
    &["ping_pong", "ping_pair", "timers_cpu", "echo_1", "echo_1000", "idle_task_bytes"];

fn rows() -> impl Iterator<Item = &'static Row> {
    METRICS.iter().filter(|row| FLOORS.contains(&row.name))
}

/// The workloads of the rows that the options ask for.
///
/// # Errors
/// A sentence, when a name is none of them.
pub fn workloads(options: &Options) -> Result<Vec<(String, String)>, String> {
    if let Some(unknown) = options.only.iter().find(|name| !FLOORS.contains(&name.as_str())) {
        let names = FLOORS.join(", ");
        return Err(format!("bench: {unknown} has no floor; these have: {names}"));
    }
    let wanted = |row: &&Row| options.only.is_empty() || options.only.iter().any(|o| o == row.name);
    let workloads = rows().filter(wanted).flat_map(Row::workloads);
    Ok(workloads.map(|name| (name.to_owned(), String::new())).collect())
}

/// What a row comes to.
struct Verdict {
    row: &'static Row,
    ours: f64,
    best: (String, f64),
    /// Ours to the best peer's, round by round.
    to_best: Spread,
    floor: f64,
    to_floor: Spread,
}

impl Verdict {
    /// `None` as long as something was not sampled.
    fn of(row: &'static Row, results: &Results) -> Option<Verdict> {
        let median = |runtime: &str| Some(results.value(row.source, runtime)?.median);
        let peers = results.runtimes.iter().filter(|name| !matches!(name.as_str(), OURS | FLOOR));
        let best = peers
            .filter_map(|name| Some((name.clone(), median(name)?)))
            .max_by(|a, b| row.advantage(a.1).total_cmp(&row.advantage(b.1)))?;
        Some(Verdict {
            row,
            ours: median(OURS)?,
            to_best: results.ratio_to(row.source, OURS, &best.0)?,
            best,
            floor: median(FLOOR)?,
            to_floor: results.ratio_to(row.source, OURS, FLOOR)?,
        })
    }

    fn is_behind(&self) -> bool {
        self.row.advantage(self.to_best.median) < 1.0
    }
}

fn verdicts(results: &Results) -> Vec<Verdict> {
    let sampled = |row: &&Row| row.workloads().all(|workload| results.has_workload(workload));
    rows().filter(sampled).filter_map(|row| Verdict::of(row, results)).collect()
}

/// The table.
pub fn render(results: &Results) -> String {
    let header = ["floors", "unit", OURS, "best peer", "", "to it", FLOOR, "to it"];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    for verdict in verdicts(results) {
        table.push(vec![
            verdict.row.name.to_owned(),
            unit(verdict.row),
            number(verdict.ours),
            verdict.best.0.clone(),
            number(verdict.best.1),
            verdict.to_best.to_string(),
            number(verdict.floor),
            verdict.to_floor.to_string(),
        ]);
    }
    align(&table)
}

/// The closing line.
pub fn closing_line(results: &Results) -> String {
    let verdicts = verdicts(results);
    let failed: Vec<String> = results
        .failures
        .iter()
        .map(|(runtime, workload, _)| format!("{workload} on {runtime}"))
        .collect();
    let failed = match failed[..] {
        [] => String::new(),
        _ => format!("; failed: {}", failed.join(", ")),
    };
    let distance = |verdict: &Verdict| 1.0 / verdict.row.advantage(verdict.to_floor.median);
    let Some(farthest) = verdicts.iter().max_by(|a, b| distance(a).total_cmp(&distance(b))) else {
        return format!("floors: no row was sampled{failed}");
    };
    let behind: Vec<&str> =
        verdicts.iter().filter(|verdict| verdict.is_behind()).map(|v| v.row.name).collect();
    let behind = if behind.is_empty() { "nothing".to_owned() } else { behind.join(", ") };
    format!(
        "floors: {} row{}, behind a peer in: {behind}; farthest from its floor {} at {:.2} times{failed}",
        verdicts.len(),
        if verdicts.len() == 1 { "" } else { "s" },
        farthest.row.name,
        distance(farthest),
    )
}

#[cfg(test)]
mod tests {
    use super::super::machine::Disturbance;
    use super::super::sampler::Sample;
    use super::*;

    fn results(samples: &[(&str, &str, &str, f64)]) -> Results {
        let runtimes = ["tokio", OURS, "smol", FLOOR].map(str::to_owned).to_vec();
        let workloads = ["echo_1", "ping_pong"].map(|name| (name.to_owned(), String::new()));
        let mut results = Results::new(runtimes, workloads.to_vec());
        results.rounds = 1;
        for (runtime, workload, key, value) in samples {
            let figures = vec![((*key).to_owned(), *value)];
            let sample = Sample { figures, disturbance: Disturbance::default(), retries: 0 };
            results.add(runtime, workload, 0, sample);
        }
        results
    }

    #[test]
    fn the_best_peer_is_the_quickest_and_where_more_is_better_the_one_with_most() {
        let results = results(&[
            ("tokio", "echo_1", "rate", 70_000.0),
            ("smol", "echo_1", "rate", 20_000.0),
            (OURS, "echo_1", "rate", 56_000.0),
            (FLOOR, "echo_1", "rate", 112_000.0),
            ("tokio", "ping_pong", "ns", 200.0),
            ("smol", "ping_pong", "ns", 100.0),
            (OURS, "ping_pong", "ns", 90.0),
            (FLOOR, "ping_pong", "ns", 60.0),
        ]);
        let best: Vec<String> = verdicts(&results).into_iter().map(|v| v.best.0).collect();
        assert_eq!(best, ["smol", "tokio"]);
        assert_eq!(
            closing_line(&results),
            "floors: 2 rows, behind a peer in: echo_1; farthest from its floor echo_1 at 2.00 times"
        );
        let table = render(&results);
        assert!(table.contains("×0.80") && table.contains("×0.90"), "{table}");
    }

    #[test]
    fn a_row_without_its_floor_is_left_out_and_the_failure_told() {
        let mut results =
            results(&[("tokio", "ping_pong", "ns", 200.0), (OURS, "ping_pong", "ns", 90.0)]);
        results.failures.push((FLOOR.to_owned(), "ping_pong".to_owned(), "wrong".to_owned()));
        assert_eq!(
            closing_line(&results),
            "floors: no row was sampled; failed: ping_pong on floor"
        );
    }

    #[test]
    fn every_floor_is_a_metric_and_is_asked_for_by_its_name() {
        assert_eq!(rows().count(), FLOORS.len());
        let asked = |line: &str| {
            let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
            workloads(&Options::parse(&args).expect("the line is right"))
        };
        let timers = vec![("timers".to_owned(), String::new())];
        assert_eq!(asked("--floors --only timers_cpu"), Ok(timers));
        assert!(asked("--floors --only tree").is_err_and(|reason| reason.contains("tree")));
    }
}
