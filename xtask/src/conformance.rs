//! `cargo xtask conformance`: what corrente prints beside what CPython printed.
//!
//! The comparison itself is a test program of the facade, `crates/corrente/tests/conformance/`; this runs
//! it in release and as often as the project promises. With `--record` nothing of corrente runs: CPython
//! is asked again, and must print what is kept. With `--mutations` corrente is broken in many ways, one
//! after the other, and the comparison must notice each.

use crate::workspace::Workspace;
use crate::{planted, shell};
use std::path::PathBuf;
use std::process::Command;

/// How often each parallel scenario runs on two workers.
const REPEAT: &str = "50";
const VERSION: &str = "3.13";

const USAGE: &str = "cargo xtask conformance [--record|--mutations] [--only TEXT] [--repeat N]

--only TEXT   only the scenarios whose id contains TEXT, for example taskgroup/;
              with --mutations, only the patches whose path contains it
--repeat N    runs of each parallel scenario on two workers (50)
--mutations   replays the bugs of crates/*/planted/*.patch that the scenarios are to notice, each in a
              copy of the project, in FIFO mode, up to the first scenario that differs
--record      runs the Python side again, with CPython 3.13, and fails if it prints anything new;
              the interpreter is $PYTHON, or the first 3.13 of python3.13, python3 and pyenv";

/// `cargo xtask conformance …`
pub fn run(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let mut only = None;
    let mut repeat = REPEAT.to_owned();
    let (mut record, mut mutations) = (false, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--record" => record = true,
            "--mutations" => mutations = true,
            "--only" => only = Some(rest.next().ok_or("--only: which ids?")?.clone()),
            "--repeat" => repeat = rest.next().ok_or("--repeat: how often?")?.clone(),
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            unknown => return Err(format!("conformance does not take {unknown}\n\n{USAGE}")),
        }
    }
    if record {
        return ask_python(workspace);
    }
    if mutations {
        return planted::mutations(workspace, only.as_deref().unwrap_or_default());
    }
    let mut command = workspace.cargo();
    command.args(["test", "--quiet", "--release", "--package", "corrente"]);
    command.args(["--test", "conformance", "--", "--repeat", &repeat]);
    if let Some(only) = &only {
        command.args(["--only", only]);
    }
    shell::run(&mut command)
}

/// Both recorders, in their checking mode.
fn ask_python(workspace: &Workspace) -> Result<(), String> {
    let python = python()?;
    println!("conformance: recording with {}", python.display());
    let facade = workspace.root.join("crates/corrente");
    let mut scenarios = Command::new(&python);
    scenarios
        .args(["record.py", "scenarios", "--check"])
        .current_dir(facade.join("tests/conformance/python"));
    shell::run(&mut scenarios)?;
    let mut programs = Command::new(&python);
    programs.args(["record.py", "--check"]).current_dir(facade.join("examples/document/python"));
    shell::run(&mut programs)?;
    println!("conformance: CPython {VERSION} prints what is kept");
    Ok(())
}

/// A CPython of the version that everything was recorded with.
fn python() -> Result<PathBuf, String> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("PYTHON").map(PathBuf::from).into_iter().collect();
    candidates.extend(["python3.13", "python3", "python"].map(PathBuf::from));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let versions = pyenv.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let mut installed: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/python3.13"))
        .collect();
    installed.sort();
    candidates.extend(installed);
    candidates.into_iter().find(is_wanted).ok_or_else(|| {
        format!("CPython {VERSION} was not found: install it, or name it in $PYTHON")
    })
}

fn is_wanted(candidate: &PathBuf) -> bool {
    let mut command = Command::new(candidate);
    command.arg("-c");
    command.arg("import sys; print(sys.implementation.name, *sys.version_info[:2], sep='.')");
    shell::output(&mut command).is_ok_and(|said| said.trim() == format!("cpython.{VERSION}"))
}
