//! `cargo xtask bench`: corrente beside tokio and smol, the same work for each.
//!
//! Every sample is one workload, run once on one runtime in a fresh process of the `sample` program (package
//! corrente-benches). In each round the runtimes take turns at each workload, in an order that rotates from round to
//! round. A ratio is taken within a round, so that whatever the machine does for minutes meets both sides; the table
//! shows the median of these ratios and their range. A sample during which the host or other processes took CPU away is
//! taken again, as long as retries are left.

mod floors;
mod json;
mod machine;
mod options;
mod report;
mod results;
mod rows;
mod sampler;
mod scaling;
mod svg;
mod table;

use crate::workspace::Workspace;
use options::Options;
use results::{OURS, REFERENCE, Results};
use rows::{BESIDE, METRICS, Row};
use sampler::{FLOOR, NoSample, Offer, Sampler};
use std::collections::HashSet;
use std::fs;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What `--quick` may take: after half of it nothing is taken again, and at its end a second or third round stops where
/// it is. (Only the first is always finished.)
const QUICK_LIMIT: Duration = Duration::from_secs(80);

/// Runs the command with what stands behind `bench` on the command line.
///
/// # Errors
/// One sentence on what failed; `main` prints it and exits with 1.
pub fn run(args: &[String]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{}", options::USAGE);
        return Ok(());
    }
    let options = Options::parse(args)?;
    if options.scaling || options.floors {
        return run_apart(&options);
    }
    // A wrong name is told before anything is built.
    needed_workloads(&options)?;
    let workspace = Workspace::find()?;
    let mut sampler = Sampler::build(&workspace.root)?;
    let mut results = plan(&options, sampler.offer()?)?;
    sample_all(&options, &mut sampler, &mut results);

    let machine = machine::description();
    println!("{}", table::render(&results).trim_end());
    println!();
    println!("{}", footnote(&sampler, &results, &machine));
    let closing = results.closing_line();
    tell_failures_and_samples(&options, &results, &machine, &closing)?;
    let report = workspace.target.join("bench").join("report.html");
    let page = report::render(&results, &machine, &footnote(&sampler, &results, &machine));
    fs::create_dir_all(workspace.target.join("bench"))
        .and_then(|()| fs::write(&report, page))
        .map_err(|error| format!("bench: {}: {error}", report.display()))?;
    println!("charts: {}", report.display());
    println!("{closing}");
    if results.failures.is_empty() { Ok(()) } else { Err("bench: a workload failed".to_owned()) }
}

/// `--scaling` and `--floors`: other questions, with tables of their own.
fn run_apart(options: &Options) -> Result<(), String> {
    let workloads =
        if options.floors { floors::workloads(options)? } else { scaling::workloads(options)? };
    let root = Workspace::find()?.root;
    let mut sampler = Sampler::build(&root)?;
    let mut runtimes = runtimes(options, sampler.offer()?.runtimes)?;
    if options.floors {
        sampler.build_floors(&root)?;
        runtimes.retain(|name| name != "limits");
        runtimes.push(FLOOR.to_owned());
    }
    let mut results = Results::new(runtimes, workloads);
    sample_all(options, &mut sampler, &mut results);

    let machine = machine::description();
    let (table, closing) = if options.floors {
        (floors::render(&results), floors::closing_line(&results))
    } else {
        (scaling::render(&results), scaling::closing_line(&results))
    };
    println!("{}", table.trim_end());
    println!();
    println!("{}", footnote(&sampler, &results, &machine));
    tell_failures_and_samples(options, &results, &machine, &closing)?;
    println!("{closing}");
    if results.failures.is_empty() { Ok(()) } else { Err("bench: a workload failed".to_owned()) }
}

fn tell_failures_and_samples(
    options: &Options,
    results: &Results,
    machine: &str,
    closing: &str,
) -> Result<(), String> {
    for (runtime, workload, reason) in &results.failures {
        println!("failed: {workload} on {runtime}: {reason}");
    }
    let Some(file) = &options.json else { return Ok(()) };
    fs::write(file, json::render(results, machine, closing))
        .map_err(|error| format!("bench: {}: {error}", file.display()))
}

/// What is to be sampled: the runtimes and workloads that were asked for, of those that are there.
fn plan(options: &Options, offer: Offer) -> Result<Results, String> {
    let runtimes = runtimes(options, offer.runtimes)?;
    let needed = needed_workloads(options)?;
    let workloads: Vec<_> = offer
        .workloads
        .into_iter()
        .filter(|(name, _)| needed.as_ref().is_none_or(|needed| needed.contains(name.as_str())))
        .collect();
    Ok(Results::new(runtimes, workloads))
}

/// The runtimes that the options ask for, of those that are there. Ours stands beside the reference.
fn runtimes(options: &Options, mut runtimes: Vec<String>) -> Result<Vec<String>, String> {
    runtimes.sort_by_key(|name| (name != REFERENCE, name != OURS));
    if !options.runtimes.is_empty() {
        if let Some(name) = options.runtimes.iter().find(|name| !runtimes.contains(name)) {
            let there = runtimes.join(", ");
            return Err(format!("bench: no runtime is called {name}; there are: {there}"));
        }
        runtimes.retain(|name| options.runtimes.contains(name));
    }
    Ok(runtimes)
}

/// The workloads that the options ask for; `None` for all.
fn needed_workloads(options: &Options) -> Result<Option<HashSet<&str>>, String> {
    let workloads_of =
        |rows: &[Row]| -> HashSet<&str> { rows.iter().flat_map(Row::workloads).collect() };
    if options.only.is_empty() {
        return Ok(options.quick.then(|| workloads_of(METRICS)));
    }
    let mut needed = HashSet::new();
    for name in &options.only {
        let rows: Vec<Row> = METRICS
            .iter()
            .chain(BESIDE)
            .filter(|row| row.name == *name || row.workloads().any(|workload| workload == name))
            .copied()
            .collect();
        if rows.is_empty() {
            return Err(format!("bench: no workload or metric is called {name}"));
        }
        // A workload's own name means just that one, the name of a row all that the row needs.
        let itself = rows.iter().flat_map(Row::workloads).find(|workload| workload == name);
        match itself {
            Some(workload) => drop(needed.insert(workload)),
            None => needed.extend(workloads_of(&rows)),
        }
    }
    Ok(Some(needed))
}

/// Round after round, workload after workload, the runtimes in turn.
fn sample_all(options: &Options, sampler: &mut Sampler, results: &mut Results) {
    let (runtimes, workloads) = (results.runtimes.clone(), results.workloads.clone());
    let all = options.rounds * workloads.len() * runtimes.len();
    // On a busy machine the bench shall take at most half as long again.
    let start = Instant::now();
    let retries_until = options.quick.then(|| start + QUICK_LIMIT / 2);
    sampler.allow_retries(u32::try_from(all / 2).unwrap_or(u32::MAX), retries_until);
    let mut progress = Progress::new(all);
    let mut not_there: HashSet<(&str, &str)> = HashSet::new();
    'rounds: for round in 0..options.rounds {
        for (workload, _) in &workloads {
            if options.quick && round > 0 && start.elapsed() > QUICK_LIMIT {
                break 'rounds;
            }
            results.rounds = round + 1;
            for turn in 0..runtimes.len() {
                let runtime = &runtimes[(turn + round) % runtimes.len()];
                progress.step(round, workload, runtime);
                if not_there.contains(&(runtime.as_str(), workload.as_str())) {
                    continue;
                }
                match sampler.take(runtime, workload) {
                    Ok(sample) => results.add(runtime, workload, round, sample),
                    Err(NoSample::NotThere) => {
                        not_there.insert((runtime, workload));
                    }
                    Err(NoSample::Failed(reason)) => {
                        not_there.insert((runtime, workload));
                        results.failures.push((runtime.clone(), workload.clone(), reason));
                    }
                }
            }
        }
    }
    progress.end();
}

fn footnote(sampler: &Sampler, results: &Results, machine: &str) -> String {
    format!(
        "{} round{} on {machine}; medians, ratios to {REFERENCE} with their range over the rounds; \
         {} disturbed samples taken again, {} kept",
        results.rounds,
        if results.rounds == 1 { "" } else { "s" },
        sampler.thrown_away,
        sampler.kept_disturbed,
    )
}

/// One line on stderr that says how far it is; nothing if stderr is no terminal.
struct Progress {
    shown: bool,
    all: usize,
    done: usize,
}

impl Progress {
    fn new(all: usize) -> Self {
        Progress { shown: std::io::stderr().is_terminal(), all, done: 0 }
    }

    fn step(&mut self, round: usize, workload: &str, runtime: &str) {
        self.done += 1;
        self.say(&format!(
            "[{}/{}] round {}: {workload} on {runtime}",
            self.done,
            self.all,
            round + 1
        ));
    }

    fn end(&self) {
        self.say("");
    }

    fn say(&self, text: &str) {
        if self.shown {
            // A terminal that cannot be written to is no reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        Options::parse(&args).expect("the line is right")
    }

    fn planned(line: &str) -> Result<(String, String), String> {
        let named = |name: &str| (name.to_owned(), String::new());
        let offer = Offer {
            runtimes: ["smol", "tokio", "limits", "corrente"].map(str::to_owned).to_vec(),
            workloads: ["tree", "tree_1w", "timers", "fan_64", "idle"].map(named).to_vec(),
        };
        let results = plan(&options(line), offer)?;
        let workloads: Vec<String> = results.workloads.into_iter().map(|(name, _)| name).collect();
        Ok((results.runtimes.join(" "), workloads.join(" ")))
    }

    #[test]
    fn all_is_the_default_and_ours_stands_beside_the_reference() {
        let all =
            ("tokio corrente smol limits".to_owned(), "tree tree_1w timers fan_64 idle".to_owned());
        assert_eq!(planned(""), Ok(all));
    }

    #[test]
    fn quick_means_the_metrics_on_two_runtimes() {
        assert_eq!(planned("--quick"), Ok(("tokio corrente".to_owned(), "tree timers".to_owned())));
    }

    #[test]
    fn a_workload_is_itself_and_a_row_all_that_it_needs() {
        let workloads = |line| planned(line).map(|(_, workloads)| workloads);
        assert_eq!(workloads("--only tree"), Ok("tree".to_owned()));
        assert_eq!(workloads("--only timers_late_p50"), Ok("timers".to_owned()));
        assert_eq!(workloads("--only tree_speedup"), Ok("tree tree_1w".to_owned()));
    }

    #[test]
    fn unknown_names_are_told() {
        assert!(planned("--only nothing").is_err_and(|reason| reason.contains("nothing")));
        assert!(planned("--runtimes async_std").is_err_and(|reason| reason.contains("async_std")));
    }
}
