//! `cargo xtask msrv`: the crates build with the compiler that their `rust-version` names.

use crate::workspace::Workspace;
use crate::{debian, shell};
use std::process::Command;

/// `cargo xtask msrv`
pub fn run(workspace: &Workspace) -> Result<(), String> {
    match check(workspace)? {
        Ok(done) => println!("msrv: {done}"),
        Err(reason) => println!("msrv: skipped: {reason}"),
    }
    Ok(())
}

/// Builds the crates; the inner error says why that was skipped.
pub fn check(workspace: &Workspace) -> Result<Result<String, String>, String> {
    let promised = workspace.crates().find_map(|package| package.rust_version.clone());
    let version = promised.ok_or("no crate has a rust-version")?;
    let toolchain = format!("+{version}");
    let mut command = workspace.cargo();
    if shell::succeeds(Command::new("cargo").args([&toolchain, "--version"])) {
        command = Command::new("cargo");
        command.arg(&toolchain).current_dir(&workspace.root);
    } else {
        match debian::toolchain(workspace, Some(&version)) {
            Ok(debian) => debian.lend_to(&mut command),
            Err(reason) => return Ok(Err(format!("no Rust {version} here, and {reason}"))),
        }
    }
    let crates: Vec<&str> = workspace.crates().map(|package| package.name.as_str()).collect();
    command.arg("check").args(crates.iter().flat_map(|name| ["--package", name]));
    command.arg("--target-dir").arg(workspace.target.join("msrv"));
    shell::run(&mut command)?;
    let built = shell::count(crates.len() as u64, "crate");
    Ok(Ok(format!("Rust {version} builds {built}")))
}
