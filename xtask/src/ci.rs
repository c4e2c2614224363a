//! `cargo xtask ci`: all checks that a change must pass, as one table.
//!
//! Steps run one after the other, also after one has failed, and what they print is shown. A step whose
//! tool is absent is skipped, loudly. The closing line counts.

use crate::workspace::Workspace;
use crate::{book, conformance, count, loom, msrv, shell, tidy};
use std::process::Command;
use std::time::Instant;

struct Step {
    name: &'static str,
    /// What a reader should know it checks.
    checks: &'static str,
    run: fn(&Workspace) -> Outcome,
}

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Cheap steps stand first, so that a small mistake is told soon. A new command that every change must
/// pass becomes a row here, above `conformance`, `msrv` and `loom`, which take longest.
const STEPS: &[Step] = &[
    Step { name: "fmt", checks: "the code is formatted", run: fmt },
    Step { name: "clippy", checks: "no warning in any target", run: clippy },
    Step { name: "tidy", checks: "the rules of the house", run: |it| tidy::run(it).into() },
    Step { name: "tests", checks: "unit and integration tests", run: tests },
    Step { name: "doctests", checks: "the examples in the docs", run: doctests },
    Step { name: "docs", checks: "rustdoc has nothing to complain of", run: docs },
    Step { name: "book", checks: "the book can be rendered", run: render },
    Step { name: "count", checks: "no hot path takes more instructions", run: counted },
    Step {
        name: "conformance",
        checks: "what corrente prints beside what CPython printed",
        run: |it| conformance::run(it, &[]).into(),
    },
    Step { name: "msrv", checks: "the oldest promised compiler builds the crates", run: oldest },
    Step {
        name: "loom",
        checks: "the models, in short form",
        run: |it| loom::run(it, &[], false).into(),
    },
];

/// `cargo xtask ci`
pub fn run(workspace: &Workspace, names: &[String]) -> Result<(), String> {
    let steps = chosen(names)?;
    let mut table = String::new();
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for step in steps {
        println!("\n== {}: {}", step.name, step.checks);
        let begin = Instant::now();
        let outcome = (step.run)(workspace);
        let seconds = begin.elapsed().as_secs_f64();
        let word = match &outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(reason) => format!("FAILED: {reason}"),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
        };
        println!("== {}: {word}", step.name);
        table.push_str(&format!("  {:<11}{seconds:>7.1} s  {word}\n", step.name));
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed.push(step.name),
            Outcome::Skipped(_) => skipped += 1,
        }
    }
    println!("\n{table}");
    println!("ci: {passed} passed, {} failed, {skipped} skipped", failed.len());
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("failed: {}", failed.join(", "))),
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Step>, String> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("ci has no step `{unknown}`: {}", known.join(", ")));
    }
    let is_chosen = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(is_chosen).collect())
}

fn fmt(workspace: &Workspace) -> Outcome {
    match shell::found("cargo-fmt") {
        true => run_step(workspace.cargo().args(["fmt", "--all", "--check"])),
        false => {
            Outcome::Skipped("no rustfmt: `rustup component add rustfmt` brings it".to_owned())
        }
    }
}

fn clippy(workspace: &Workspace) -> Outcome {
    let mut command = workspace.cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    match shell::found("cargo-clippy") {
        true => run_step(&mut command),
        false => Outcome::Skipped("no clippy: `rustup component add clippy` brings it".to_owned()),
    }
}

/// Not nextest: some test programs do without the harness, so it cannot list them, and others count
/// the threads and descriptors of their process, which is theirs alone here: one program runs at a time.
fn tests(workspace: &Workspace) -> Outcome {
    run_step(workspace.cargo().args([
        "test",
        "--workspace",
        "--locked",
        "--tests",
        "--no-fail-fast",
    ]))
}

fn doctests(workspace: &Workspace) -> Outcome {
    run_step(workspace.cargo().args(["test", "--workspace", "--locked", "--doc", "--quiet"]))
}

fn docs(workspace: &Workspace) -> Outcome {
    let mut command = workspace.cargo();
    command.args(["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"]);
    run_step(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn render(workspace: &Workspace) -> Outcome {
    match shell::found("mdbook") {
        true => book::render(workspace).map(|_| ()).into(),
        false => Outcome::Skipped(book::HOW.to_owned()),
    }
}

fn counted(workspace: &Workspace) -> Outcome {
    match count::check(workspace, false) {
        Ok(Ok(closing)) => {
            println!("{closing}");
            Outcome::Passed
        }
        Ok(Err(reason)) => Outcome::Skipped(reason),
        Err(reason) => Outcome::Failed(reason),
    }
}

fn oldest(workspace: &Workspace) -> Outcome {
    match msrv::check(workspace) {
        Ok(Ok(_)) => Outcome::Passed,
        Ok(Err(reason)) => Outcome::Skipped(reason),
        Err(reason) => Outcome::Failed(reason),
    }
}

fn run_step(command: &mut Command) -> Outcome {
    println!("{}", shell::line(command));
    shell::run(command).into()
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(reason) => Self::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn named_steps_run_in_the_order_of_the_table() {
        let chosen: Vec<&str> =
            chosen(&names(&["tests", "fmt"])).unwrap().iter().map(|step| step.name).collect();
        assert_eq!(chosen, ["fmt", "tests"]);
    }

    #[test]
    fn without_names_all_steps_run() {
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_refused() {
        assert!(chosen(&names(&["dance"])).err().unwrap().contains("`dance`: fmt, clippy"));
    }
}
