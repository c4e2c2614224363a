//! `cargo xtask sanitize`: the tests of the runtime crates under a sanitizer.
//!
//! | sanitizer | finds | needs |
//! |---|---|---|
//! | address | use after free, out of bounds, and leaks | nightly |
//! | leak | leaks, at little cost | nightly |
//! | thread | data races | a std built with it |
//!
//! The last one would blame std for what it cannot see in it, so std is built anew, with a compiler
//! that has its source (`debian.rs`) and the sanitizer's own library from the nightly toolchain.
//! Known and harmless reports are listed in `ci/tsan.supp`, each with its reason.

use crate::debian::{self, Toolchain};
use crate::shell;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which sanitizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Address,
    Leak,
    Thread,
}

impl Kind {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Address, Self::Leak, Self::Thread].into_iter().find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Leak => "leak",
            Self::Thread => "thread",
        }
    }

    /// The name of its library in the nightly toolchain.
    fn library(self) -> &'static str {
        match self {
            Self::Address => "asan",
            Self::Leak => "lsan",
            Self::Thread => "tsan",
        }
    }

    fn rustflags(self) -> String {
        format!("-Zsanitizer={} --cfg corrente_sanitize", self.name())
    }
}

/// `cargo xtask sanitize`
pub fn run(workspace: &Workspace, kind: Kind, crates: &[String]) -> Result<(), String> {
    let packages = workspace.chosen(crates)?;
    let mut command = match prepare(workspace, kind) {
        Ok(command) => command,
        Err(reason) => {
            println!("sanitize {}: skipped: {reason}", kind.name());
            return Ok(());
        }
    };
    command.args(packages.iter().flat_map(|package| ["--package", &package.name]));
    command.arg("--target-dir").arg(workspace.target.join(format!("sanitize-{}", kind.name())));
    println!("{}", shell::line(&command));
    let passed = shell::run_tests(&mut command)?;
    let (tests, crates) =
        (shell::count(passed, "test"), shell::count(packages.len() as u64, "crate"));
    println!("sanitize {}: {tests} of {crates}, no report", kind.name());
    Ok(())
}

/// The cargo that builds and runs the tests, or why there is none.
fn prepare(workspace: &Workspace, kind: Kind) -> Result<Command, String> {
    let nightly = nightly_libraries()?;
    let mut command = workspace.cargo();
    if kind == Kind::Thread {
        let toolchain = debian::toolchain(workspace, None)?;
        lend_library(&toolchain, &nightly, kind)?;
        toolchain.lend_to(&mut command);
        command.env("RUSTC_BOOTSTRAP", "1").args(["test", "-Zbuild-std"]);
    } else {
        command = Command::new("cargo");
        command.current_dir(&workspace.root).args(["+nightly", "test"]);
    }
    // Doctests are left out: rustdoc would link them without the sanitizer.
    command
        .args(["--tests", "--no-fail-fast", "--target", &debian::host()])
        .env("RUSTFLAGS", kind.rustflags());
    // One of these for each, since by them a test knows where it is. (Exit code 23 is the default.)
    match kind {
        Kind::Address => command.env("ASAN_OPTIONS", "detect_stack_use_after_return=1"),
        Kind::Leak => command.env("LSAN_OPTIONS", "exitcode=23"),
        Kind::Thread => {
            let suppressions = workspace.root.join("ci/tsan.supp");
            let options = format!("suppressions={} halt_on_error=1", suppressions.display());
            command.env("TSAN_OPTIONS", options)
        }
    };
    Ok(command)
}

/// The folder of the nightly toolchain with the sanitizers' libraries.
fn nightly_libraries() -> Result<PathBuf, String> {
    let mut ask = Command::new("rustc");
    let sysroot = shell::output(ask.args(["+nightly", "--print", "sysroot"])).map_err(|_| {
        "no nightly toolchain: `rustup toolchain install nightly` brings it".to_owned()
    })?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(debian::host()).join("lib"))
}

/// Debian leaves the sanitizers' libraries out. LLVM keeps their interface stable enough for the
/// nightly's to serve; the compiler looks for them under the name of its own channel.
fn lend_library(toolchain: &Toolchain, nightly: &Path, kind: Kind) -> Result<(), String> {
    let library = kind.library();
    let from = nightly.join(format!("librustc-nightly_rt.{library}.a"));
    for channel in ["stable", "dev", "nightly"] {
        let to = toolchain.libraries().join(format!("librustc-{channel}_rt.{library}.a"));
        std::fs::copy(&from, &to).map_err(|error| {
            format!("{} for Rust {}: {error}", from.display(), toolchain.version)
        })?;
    }
    Ok(())
}
