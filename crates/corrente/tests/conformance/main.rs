//! The conformance suite: each scenario of the corpus in Rust, compared with what CPython printed.
//!
//! `cargo xtask conformance` runs it in release; `cargo test` runs it, too, with fewer repetitions. Every
//! scenario runs in FIFO mode; those whose trace no interleaving changes run again, several times, on two
//! workers with random wakes. See README.md beside this file.
//!
//! Options: `--only TEXT` takes the ids that contain TEXT (a word without `--only` does the same), `--repeat N`
//! runs each parallel scenario N times, `--first` ends at the first scenario that differs in FIFO mode and runs no
//! other, `--verbose` names each run when it begins, `--list` prints the ids.

// Scenarios return tasks to look at them later, as the Python ones do.
#![allow(clippy::async_yields_async)]

mod cancel;
mod context;
mod eager;
mod futures;
mod gather;
mod golden;
mod left_out;
mod mode;
mod ordering;
mod queues;
mod runner;
mod streams;
mod sync;
mod taskgroup;
mod tasks;
mod threads;
mod timeouts;
mod vocabulary;
mod waiting;

use golden::{Order, Recorded};
use left_out::LEFT_OUT;
use mode::Mode;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vocabulary::Scenario;

const GOLDEN: &str = include_str!("python/scenarios/golden.json");
const PAGE: &str = include_str!("../../../../docs/src/conformance.md");

/// Each worker must make at least this share of the polls of the whole suite, in percent.
const SHARE_MIN: u64 = 25;
/// How long one scenario may take in real time. Those with threads wait for them; none sleeps.
const PATIENCE: Duration = Duration::from_secs(20);

struct Options {
    only: String,
    repeat: u64,
    first: bool,
    verbose: bool,
    list: bool,
}

impl Options {
    fn announce(&self, id: &str, how: &str) {
        if self.verbose {
            println!("{id} ({how})");
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options =
        Options { only: String::new(), repeat: 3, first: false, verbose: false, list: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => options.only = args.next().ok_or("--only: which ids?")?,
            "--repeat" => {
                let many = args.next().ok_or("--repeat: how often?")?;
                options.repeat =
                    many.parse().map_err(|_| format!("--repeat: {many} is no number"))?;
            }
            "--first" => options.first = true,
            "--verbose" => options.verbose = true,
            "--list" => options.list = true,
            // What `cargo test` may be told for all test programs at once.
            "--nocapture" | "--include-ignored" | "--quiet" | "-q" | "--show-output" => {}
            word if !word.starts_with('-') => word.clone_into(&mut options.only),
            unknown => return Err(format!("unknown option {unknown}")),
        }
    }
    Ok(options)
}

/// All ports, by id.
fn ports() -> HashMap<String, Scenario> {
    let topics = [
        cancel::scenarios(),
        context::scenarios(),
        eager::scenarios(),
        futures::scenarios(),
        gather::scenarios(),
        ordering::scenarios(),
        queues::scenarios(),
        runner::plain_scenarios(),
        streams::scenarios(),
        sync::scenarios(),
        taskgroup::scenarios(),
        tasks::scenarios(),
        threads::scenarios(),
        threads::plain_scenarios(),
        timeouts::scenarios(),
        waiting::scenarios(),
    ];
    topics.into_iter().flatten().map(|scenario| (scenario.id.clone(), scenario)).collect()
}

/// What is wrong with the tables themselves.
fn inconsistencies(golden: &[Recorded], ports: &HashMap<String, Scenario>) -> Vec<String> {
    let mut wrong = Vec::new();
    let known = |id: &str| golden.iter().any(|recorded| recorded.id == id);
    for id in ports.keys().filter(|id| !known(id)) {
        wrong.push(format!("{id} is ported, but was never recorded"));
    }
    for (id, _) in LEFT_OUT {
        if !known(id) {
            wrong.push(format!("{id} is left out, but was never recorded"));
        }
        if ports.contains_key(*id) {
            wrong.push(format!("{id} is both ported and left out"));
        }
    }
    let table: Vec<(String, String)> =
        LEFT_OUT.iter().map(|(id, reason)| ((*id).to_owned(), (*reason).to_owned())).collect();
    if left_out::rows_of(PAGE) != table {
        wrong.push("the table in docs/src/conformance.md is not the one in left_out.rs".to_owned());
    }
    wrong
}

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Panics are part of some scenarios. They print nothing; the last one is kept for the report.
fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
    }));
}

/// Runs one scenario on a thread of its own; its trace, with a last line if it did not end well.
fn trace_of(scenario: &Scenario) -> Vec<String> {
    let run = scenario.run;
    let (ended, end) = channel();
    let thread = std::thread::spawn(move || {
        run();
        // Nobody listens any more if the patience is over.
        let _ = ended.send(());
    });
    match end.recv_timeout(PATIENCE) {
        Ok(()) => vocabulary::take_trace(),
        Err(RecvTimeoutError::Disconnected) => {
            drop(thread.join());
            let panic = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut trace = vocabulary::take_trace();
            trace.push(format!("!! {}", panic.unwrap_or_else(|| "panicked".to_owned())));
            trace
        }
        Err(RecvTimeoutError::Timeout) => {
            let mut trace = vocabulary::take_trace();
            trace.push(format!("!! not over after {} s", PATIENCE.as_secs()));
            trace
        }
    }
}

/// Prints both traces side by side, with a mark where they differ, under a line that names the scenario as
/// libtest names a failed test.
fn show(recorded: &Recorded, how: &str, trace: &[String]) {
    println!("\ntest {} ... FAILED", recorded.id);
    println!("DIFFERS {} ({how}): {}", recorded.id, recorded.title);
    let width = recorded.trace.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(12);
    println!("    {:width$}   corrente", "CPython");
    for index in 0..recorded.trace.len().max(trace.len()) {
        let line = |trace: &[String]| trace.get(index).cloned().unwrap_or_default();
        let (python, rust) = (line(&recorded.trace), line(trace));
        println!("  {} {python:width$}   {rust}", if python == rust { ' ' } else { '>' });
    }
}

/// A different seed for each repetition of each scenario, the same in every run of the suite.
fn seed(position: usize, repetition: u64) -> u64 {
    (position as u64) << 32 | repetition
}

#[derive(Default)]
struct Tally {
    agree: usize,
    differ: usize,
    left_out: usize,
    not_yet: usize,
    parallel: usize,
    parallel_agree: usize,
}

fn run_all(golden: &[Recorded], ports: &HashMap<String, Scenario>, options: &Options) -> Tally {
    let mut tally = Tally::default();
    mode::set(Mode::Fifo);
    for recorded in golden.iter().filter(|recorded| recorded.id.contains(&options.only)) {
        let Some(scenario) = ports.get(&recorded.id) else {
            match LEFT_OUT.iter().any(|(id, _)| *id == recorded.id) {
                true => tally.left_out += 1,
                false => tally.not_yet += 1,
            }
            continue;
        };
        options.announce(&recorded.id, "fifo");
        let trace = trace_of(scenario);
        if trace == recorded.trace {
            tally.agree += 1;
        } else {
            tally.differ += 1;
            show(recorded, "fifo", &trace);
            if options.first {
                break;
            }
        }
    }
    if options.first {
        return tally;
    }
    mode::take_polls();
    for (position, recorded) in golden.iter().enumerate() {
        let Some(scenario) = ports.get(&recorded.id) else { continue };
        if recorded.order != Order::Parallel || !recorded.id.contains(&options.only) {
            continue;
        }
        tally.parallel += 1;
        let different = (0..options.repeat).find_map(|repetition| {
            mode::set(Mode::TwoWorkers(seed(position, repetition)));
            options.announce(&recorded.id, &format!("2 workers, repetition {repetition}"));
            let trace = trace_of(scenario);
            (trace != recorded.trace).then_some((repetition, trace))
        });
        match different {
            None => tally.parallel_agree += 1,
            Some((repetition, trace)) => {
                let how = format!("2 workers, repetition {repetition} of {}", options.repeat);
                show(recorded, &how, &trace);
            }
        }
    }
    tally
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("conformance: {reason}");
            return ExitCode::from(2);
        }
    };
    let golden = golden::read(GOLDEN);
    if options.list {
        golden.iter().for_each(|recorded| println!("{}: test", recorded.id));
        return ExitCode::SUCCESS;
    }
    let ports = ports();
    let wrong = inconsistencies(&golden, &ports);
    if !wrong.is_empty() {
        wrong.iter().for_each(|line| println!("conformance: {line}"));
        return ExitCode::FAILURE;
    }
    keep_panics_quiet();
    let tally = run_all(&golden, &ports, &options);
    let polls = mode::take_polls();
    let all = polls[0] + polls[1];
    let share = (polls[0].min(polls[1]) * 100).checked_div(all).unwrap_or(0);
    report(&golden, &ports, &options, &tally, share);
    // A few scenarios alone need not use both workers evenly.
    let idle = options.only.is_empty() && !options.first && share < SHARE_MIN;
    if idle {
        println!("conformance: a worker made less than {SHARE_MIN} % of the polls");
    }
    match tally.differ > 0 || tally.parallel_agree < tally.parallel || idle {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn report(
    golden: &[Recorded],
    ports: &HashMap<String, Scenario>,
    options: &Options,
    tally: &Tally,
    share: u64,
) {
    let chosen = |id: &str| id.contains(&options.only);
    if tally.left_out > 0 {
        println!("\nleft out, since Rust's types make it impossible:");
        for (id, reason) in LEFT_OUT.iter().filter(|(id, _)| chosen(id)) {
            println!("  {id}: {reason}");
        }
    }
    let missing = |recorded: &&Recorded| {
        chosen(&recorded.id)
            && !ports.contains_key(&recorded.id)
            && !LEFT_OUT.iter().any(|(id, _)| *id == recorded.id)
    };
    if tally.not_yet > 0 {
        println!("\nnot yet ported:");
        golden.iter().filter(missing).for_each(|recorded| println!("  {}", recorded.id));
    }
    let Tally { agree, differ, left_out, not_yet, parallel, parallel_agree } = tally;
    let all = agree + differ + left_out + not_yet;
    println!(
        "\nconformance: {agree} agree, {differ} differ, {left_out} left out, {not_yet} not yet ported, of {all} (fifo); \
         {parallel_agree} of {parallel} parallel agree on 2 workers, least busy worker {share} % of polls"
    );
}
