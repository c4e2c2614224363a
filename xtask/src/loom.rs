//! `cargo xtask loom`: the models of every crate that has them, `tests/loom*.rs`.
//!
//! loom runs a model once for each interleaving of its threads, up to a number of preemptions in one
//! run. Two find nearly all mistakes in minutes; three take much longer.

use crate::shell;
use crate::workspace::{Package, Workspace};
use std::path::PathBuf;
use std::process::Command;

/// `cargo xtask loom`
pub fn run(workspace: &Workspace, crates: &[String], long: bool) -> Result<(), String> {
    let preemptions = if long { 3 } else { 2 };
    let (mut models, mut in_crates) = (0, 0);
    for package in workspace.chosen(crates)? {
        let targets = targets(workspace, package);
        in_crates += u64::from(!targets.is_empty());
        for target in targets {
            let mut command = test_command(workspace, &package.name, &target, preemptions);
            println!("{}", shell::line(&command));
            models += match shell::run_tests(&mut command)? {
                0 => return Err(format!("{}: tests/{target}.rs ran no model", package.name)),
                passed => passed,
            };
        }
    }
    if in_crates == 0 {
        return Err("no models: none of these crates has tests/loom*.rs".to_owned());
    }
    let (models, crates) = (shell::count(models, "model"), shell::count(in_crates, "crate"));
    println!("loom: {models} of {crates} hold, {preemptions} preemptions");
    Ok(())
}

/// The test targets of `package` that hold models.
fn targets(workspace: &Workspace, package: &Package) -> Vec<String> {
    let mut targets = workspace.test_targets(package);
    targets.retain(|target| is_model(target));
    targets
}

/// Whether the test target of this name holds models.
pub fn is_model(target: &str) -> bool {
    target.starts_with("loom")
}

/// The switch under which the shim is made of loom.
pub const RUSTFLAGS: &str = "--cfg corrente_loom";

/// The folder for what is built under [`RUSTFLAGS`]: shared with nothing else, so nothing is rebuilt.
pub fn target_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("loom")
}

fn test_command(workspace: &Workspace, package: &str, target: &str, preemptions: u32) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["test", "--quiet", "--release", "--package", package, "--test", target])
        .arg("--target-dir")
        .arg(target_folder(workspace));
    model_environment(&mut command, preemptions);
    command
}

/// Debug assertions are on: what the code claims about itself is checked in every interleaving.
pub fn model_environment(command: &mut Command, preemptions: u32) {
    command
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("LOOM_MAX_PREEMPTIONS", preemptions.to_string());
}
