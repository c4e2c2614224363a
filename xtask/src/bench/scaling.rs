//! `cargo xtask bench --scaling`: what an operation costs when ten and a hundred times as many are there at once.
//!
//! The samples are those of the workload `NAME@N` (see the `sample` program), taken as all others are: in fresh
//! processes, by turns, several rounds. A growth is one cost divided by another of the same runtime and round. What is
//! looked for is a cost that grows faster than the reference's: a list that is gone through, a lock that is waited for,
//! memory that does not fit a cache.

use super::options::Options;
use super::results::{OURS, REFERENCE, Results, Spread};
use super::table::{align, number};

/// How many times as many.
const STEPS: [usize; 3] = [1, 10, 100];

/// A workload of which there can be more or fewer at once.
struct Sized {
    name: &'static str,
    /// What there are at once, and how many of them at the first step.
    what: &'static str,
    base: usize,
    cost: Cost,
}

/// Which figure of a sample is the cost of one operation.
#[derive(Clone, Copy)]
enum Cost {
    /// The figure itself.
    Figure { key: &'static str, unit: &'static str },
    /// Nanoseconds, from operations a second.
    PerRate,
}

const fn ns(name: &'static str, what: &'static str, base: usize) -> Sized {
    Sized { name, what, base, cost: Cost::Figure { key: "ns", unit: "ns" } }
}

const fn bytes(name: &'static str) -> Sized {
    let cost = Cost::Figure { key: "bytes", unit: "bytes" };
    Sized { name, what: "tasks", base: 10_000, cost }
}

const SIZED: &[Sized] = &[
    ns("spawn_join", "tasks", 10_000),
    ns("burst", "tasks", 10_000),
    ns("spawn_outside", "tasks", 10_000),
    ns("chained_spawn", "links", 100),
    ns("tree", "nodes", 1_023),
    ns("oneshot", "tasks", 100),
    ns("yield_many", "tasks", 100),
    ns("ping_pong", "pairs", 100),
    ns("mpsc", "producers", 4),
    ns("mutex", "tasks", 10),
    ns("lock_100", "tasks", 10),
    ns("semaphore_100", "tasks", 10),
    ns("timeout_many", "tasks", 10_000),
    Sized {
        name: "timers",
        what: "sleeps a second",
        base: 1_000,
        cost: Cost::Figure { key: "cpu_ns", unit: "ns of CPU" },
    },
    ns("blocking", "jobs", 1_000),
    Sized { name: "echo_64", what: "connections", base: 10, cost: Cost::PerRate },
    Sized { name: "accept", what: "clients", base: 2, cost: Cost::PerRate },
    bytes("idle_task_bytes"),
    bytes("sleeping_task_bytes"),
];

impl Sized {
    /// What the sample program calls it with `step` times as many.
    fn sampled(&self, step: usize) -> String {
        format!("{}@{}", self.name, self.base * step)
    }

    fn unit(&self) -> &'static str {
        match self.cost {
            Cost::Figure { unit, .. } => unit,
            Cost::PerRate => "ns",
        }
    }

    /// What one operation cost with `step` times as many, in this round.
    fn cost(&self, results: &Results, runtime: &str, step: usize, round: usize) -> Option<f64> {
        let figure = |key| results.figure(runtime, &self.sampled(step), key, round);
        match self.cost {
            Cost::Figure { key, .. } => figure(key),
            Cost::PerRate => Some(1e9 / figure("rate")?),
        }
    }

    fn spread(&self, results: &Results, of: impl Fn(usize) -> Option<f64>) -> Option<Spread> {
        Spread::of((0..results.rounds).filter_map(of).collect())
    }

    /// How many times as much an operation costs with `step` times as many.
    fn growth(&self, results: &Results, runtime: &str, step: usize) -> Option<Spread> {
        let cost = |step, round| self.cost(results, runtime, step, round);
        self.spread(results, |round| Some(cost(step, round)? / cost(1, round)?))
    }
}

/// Which workloads the options ask for, as the sample program calls them, with what there are at once.
///
/// # Errors
/// A sentence, when a name is none of them.
pub fn workloads(options: &Options) -> Result<Vec<(String, String)>, String> {
    let known = |name: &String| SIZED.iter().any(|sized| sized.name == *name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = SIZED.iter().map(|sized| sized.name).collect();
        let names = names.join(", ");
        return Err(format!("bench: {unknown} has no size that can grow; these have: {names}"));
    }
    let wanted = |sized: &&Sized| {
        options.only.is_empty() || options.only.iter().any(|name| name == sized.name)
    };
    let steps = |sized: &'static Sized| {
        STEPS.map(|step| {
            (sized.sampled(step), format!("{} {} at once", sized.base * step, sized.what))
        })
    };
    Ok(SIZED.iter().filter(wanted).flat_map(steps).collect())
}

fn sampled(results: &Results) -> impl Iterator<Item = &'static Sized> {
    SIZED.iter().filter(|sized| results.has_workload(&sized.sampled(1)))
}

/// The table: the cost at each step, and the growth with its range, for each runtime.
pub fn render(results: &Results) -> String {
    let mut header = vec!["scaling".to_owned(), "at 1×".to_owned(), "cost in".to_owned()];
    for runtime in &results.runtimes {
        header.push(format!("{runtime} at 1×"));
        header.extend(STEPS[1..].iter().map(|step| format!("{step}×")));
        header.push("growth".to_owned());
    }
    let mut table = vec![header];
    for sized in sampled(results) {
        let at_first = format!("{} {}", sized.base, sized.what);
        let mut cells = vec![sized.name.to_owned(), at_first, sized.unit().to_owned()];
        for runtime in &results.runtimes {
            cells.extend(STEPS.iter().map(|step| {
                let cost =
                    sized.spread(results, |round| sized.cost(results, runtime, *step, round));
                cost.map_or("–".to_owned(), |cost| number(cost.median))
            }));
            let growth = sized.growth(results, runtime, last_step());
            cells.push(growth.map_or("–".to_owned(), |growth| growth.to_string()));
        }
        table.push(cells);
    }
    align(&table)
}

fn last_step() -> usize {
    STEPS[STEPS.len() - 1]
}

/// The closing line.
pub fn closing_line(results: &Results) -> String {
    let growths: Vec<(&Sized, f64)> = sampled(results)
        .filter_map(|sized| Some((sized, sized.growth(results, OURS, last_step())?.median)))
        .collect();
    let failed: Vec<&str> =
        results.failures.iter().filter(|failure| failure.0 == OURS).map(|f| &*f.1).collect();
    let failed = match failed[..] {
        [] => String::new(),
        _ => format!("; failed in: {}", failed.join(", ")),
    };
    let worst = growths.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((worst, growth)) = worst else {
        return format!("scaling: no workload of {OURS} was sampled{failed}");
    };
    let reference = worst.growth(results, REFERENCE, last_step());
    let reference =
        reference.map_or(String::new(), |growth| format!(" ({REFERENCE} ×{:.2})", growth.median));
    format!(
        "scaling: {} workload{}, worst growth {} ×{growth:.2} at {}×{reference}{failed}",
        growths.len(),
        if growths.len() == 1 { "" } else { "s" },
        worst.name,
        last_step(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::machine::Disturbance;
    use super::super::sampler::Sample;
    use super::*;

    fn options(line: &str) -> Options {
        let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        Options::parse(&args).expect("the line is right")
    }

    /// Results of one round for these workloads; each value is the figure with this key.
    fn results(key: &str, samples: &[(&str, &str, f64)]) -> Results {
        let mut names: Vec<String> =
            samples.iter().map(|(_, name, _)| (*name).to_owned()).collect();
        names.dedup();
        let workloads = names.into_iter().map(|name| (name, String::new())).collect();
        let mut results = Results::new(vec![REFERENCE.to_owned(), OURS.to_owned()], workloads);
        results.rounds = 1;
        for (runtime, workload, value) in samples {
            let figures = vec![(key.to_owned(), *value)];
            let sample = Sample { figures, disturbance: Disturbance::default(), retries: 0 };
            results.add(runtime, workload, 0, sample);
        }
        results
    }

    #[test]
    fn every_size_of_what_is_asked_for() {
        let asked = workloads(&options("--scaling --only mutex,tree")).expect("both are there");
        let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
        let tree = ["tree@1023", "tree@10230", "tree@102300"];
        assert_eq!(names, [tree, ["mutex@10", "mutex@100", "mutex@1000"]].concat());
        assert_eq!(workloads(&options("--scaling")).map(|all| all.len()), Ok(SIZED.len() * 3));
        let refused = workloads(&options("--scaling --only yield_one"));
        assert!(refused.is_err_and(|reason| reason.contains("yield_one")));
    }

    #[test]
    fn the_worst_growth_closes_with_the_references_beside_it() {
        let results = results(
            "ns",
            &[
                ("corrente", "mutex@10", 10.0),
                ("tokio", "mutex@10", 20.0),
                ("corrente", "mutex@1000", 25.0),
                ("tokio", "mutex@1000", 80.0),
                ("corrente", "burst@10000", 100.0),
                ("corrente", "burst@1000000", 110.0),
            ],
        );
        assert_eq!(
            closing_line(&results),
            "scaling: 2 workloads, worst growth mutex ×2.50 at 100× (tokio ×4.00)"
        );
        let table = render(&results);
        let mutex = table.lines().find(|line| line.starts_with("mutex")).expect("it has a row");
        assert!(mutex.contains("×2.50") && mutex.contains("×4.00"), "{mutex}");
        assert!(!table.contains("accept"), "what was not sampled has no row");
    }

    #[test]
    fn a_rate_that_falls_is_a_cost_that_grows() {
        let results = results(
            "rate",
            &[("corrente", "echo_64@10", 200_000.0), ("corrente", "echo_64@1000", 100_000.0)],
        );
        assert_eq!(
            closing_line(&results),
            "scaling: 1 workload, worst growth echo_64 ×2.00 at 100×"
        );
    }

    #[test]
    fn failures_are_told() {
        let mut results = results("ns", &[("tokio", "mutex@10", 1.0)]);
        results.failures.push((OURS.to_owned(), "mutex@10".to_owned(), "wrong".to_owned()));
        assert_eq!(
            closing_line(&results),
            "scaling: no workload of corrente was sampled; failed in: mutex@10"
        );
    }
}
