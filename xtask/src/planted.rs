//! Planted bugs, each of which must turn a test red: `cargo xtask loom --planted`, and `cargo xtask
//! conformance --mutations` for those that the scenarios must notice.
//!
//! A planted bug is a patch in `crates/NAME/planted/`. Lines above the patch that begin with `#` say what
//! it breaks, and may say which tests should notice:
//!
//! ```text
//! # Sleeps without the second look: a push between look and park is lost.
//! # test: idle_protocol        only tests with this in their names (default: all)
//! # target: loom_idle          this target of tests/ (default: loom), or `lib` for unit tests
//! # crate: corrente-scheduler  whose tests (default: the crate whose folder holds the patch)
//! ```
//!
//! The project is copied under the target folder, each patch is applied there in turn and taken back
//! after its run. A patch that does not apply or does not compile is an error: it would prove nothing.
//! So is a run that takes too long, since a hang does not name what it found. And so is a test that is red
//! without any bug: those that should notice one are run before anything is planted. (Not the scenarios, which
//! `cargo xtask conformance` has just compared.)

use crate::workspace::Workspace;
use crate::{loom, shell};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No model with a bug in it has needed a tenth of this.
const LIMIT: Duration = Duration::from_secs(300);

/// The test target that compares with CPython. It has no libtest, and options of its own.
const CONFORMANCE: &str = "conformance";

/// `cargo xtask loom --planted`
pub fn run(workspace: &Workspace, crates: &[String]) -> Result<(), String> {
    let chosen: BTreeSet<&str> =
        workspace.chosen(crates)?.into_iter().map(|package| package.folder.as_str()).collect();
    let of_models = |bug: &Bug| bug.target != CONFORMANCE && chosen.contains(bug.folder.as_str());
    let (red, all) = replay(workspace, of_models)?;
    println!("planted: {red} of {all} turn a model red");
    all_noticed(red, all)
}

/// `cargo xtask conformance --mutations`
pub fn mutations(workspace: &Workspace, only: &str) -> Result<(), String> {
    let wanted = |bug: &Bug| bug.target == CONFORMANCE && bug.file.contains(only);
    let (noticed, all) = replay(workspace, wanted)?;
    println!("mutations: {noticed} of {all} noticed");
    all_noticed(noticed, all)
}

fn all_noticed(noticed: usize, all: usize) -> Result<(), String> {
    match noticed == all {
        true => Ok(()),
        false => Err("a planted bug went unnoticed".to_owned()),
    }
}

/// Tries each bug that is `wanted`: how many turned a test red, and how many there are.
fn replay(workspace: &Workspace, wanted: impl Fn(&Bug) -> bool) -> Result<(usize, usize), String> {
    let files = workspace.files()?;
    let mut bugs = Vec::new();
    for file in files.iter().filter(|file| is_planted(file)) {
        let bug = Bug::read(workspace, file)?;
        if wanted(&bug) {
            bugs.push(bug);
        }
    }
    if bugs.is_empty() {
        return Err("no such bug is planted".to_owned());
    }
    let field = Field::lay_out(workspace, &files)?;
    field.is_green(&bugs)?;
    let mut red = 0;
    for (at, bug) in bugs.iter().enumerate() {
        shell::progress(&format!("{} of {}: {}", at + 1, bugs.len(), bug.file));
        let line = match field.try_out(bug)? {
            Verdict::Red(tests) => {
                red += 1;
                format!("red    {}: {}", bug.file, tests.join(", "))
            }
            Verdict::Green => format!("GREEN  {}: the tests did not notice it", bug.file),
            Verdict::Unclear(reason) => format!("??     {}: {reason}", bug.file),
        };
        println!("{line}");
    }
    Ok((red, bugs.len()))
}

fn is_planted(file: &str) -> bool {
    file.starts_with("crates/") && file.contains("/planted/") && file.ends_with(".patch")
}

#[derive(Debug, PartialEq)]
struct Bug {
    /// The patch, seen from the root.
    file: String,
    /// The folder of the crate that holds it.
    folder: String,
    package: String,
    target: String,
    test: Option<String>,
}

enum Verdict {
    /// By these tests.
    Red(Vec<String>),
    Green,
    Unclear(String),
}

impl Bug {
    fn read(workspace: &Workspace, file: &str) -> Result<Self, String> {
        let folder = file.split("/planted/").next().unwrap_or(file).to_owned();
        let home = workspace.crates().find(|package| package.folder == folder);
        let home = home.ok_or_else(|| format!("{file} lies in no crate"))?;
        Ok(Self::parse(file, &folder, &home.name, &workspace.text(file)?))
    }

    fn parse(file: &str, folder: &str, home: &str, text: &str) -> Self {
        let head = text.lines().take_while(|line| !line.starts_with("--- "));
        let said = |key: &str| {
            let value = head.clone().find_map(|line| line.strip_prefix(&format!("# {key}:")))?;
            value.split_whitespace().next().map(str::to_owned)
        };
        Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            package: said("crate").unwrap_or_else(|| home.to_owned()),
            target: said("target").unwrap_or_else(|| "loom".to_owned()),
            test: said("test"),
        }
    }
}

/// A copy of the project in which bugs may be planted.
struct Field {
    root: PathBuf,
    target: PathBuf,
}

impl Field {
    fn lay_out(workspace: &Workspace, files: &[String]) -> Result<Self, String> {
        let home = workspace.target.join("planted");
        let field = Self { root: home.join("tree"), target: home.join("target") };
        let failed = |error| format!("{}: {error}", field.root.display());
        if field.root.exists() {
            std::fs::remove_dir_all(&field.root).map_err(failed)?;
        }
        for file in files {
            let copy = field.root.join(file);
            if let Some(folder) = copy.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            std::fs::copy(workspace.root.join(file), copy).map_err(failed)?;
        }
        Ok(field)
    }

    /// Runs the tests that should notice these bugs, without them.
    fn is_green(&self, bugs: &[Bug]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for bug in bugs.iter().filter(|bug| bug.target != CONFORMANCE) {
            if !seen.insert((&bug.package, &bug.target, &bug.test)) {
                continue;
            }
            shell::progress(&format!("without a bug: {} of {}", bug.target, bug.package));
            let what = match self.judge(bug)? {
                Verdict::Green => continue,
                Verdict::Red(tests) => format!("red: {}", tests.join(", ")),
                Verdict::Unclear(reason) => reason,
            };
            return Err(format!("{} proves nothing, as without it the tests are {what}", bug.file));
        }
        Ok(())
    }

    fn try_out(&self, bug: &Bug) -> Result<Verdict, String> {
        if let Err(reason) = self.patch(bug, false) {
            return Ok(Verdict::Unclear(reason));
        }
        let verdict = self.judge(bug);
        self.patch(bug, true)?;
        verdict
    }

    /// Applies the patch, or takes it back.
    fn patch(&self, bug: &Bug, back: bool) -> Result<(), String> {
        let mut command = Command::new("git");
        command.args(["apply", "--whitespace=nowarn"]).args(back.then_some("--reverse"));
        // Without this git would find the project's own repository above the copy, take the patch's
        // paths from there and silently do nothing.
        command.env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root));
        command.arg(&bug.file).current_dir(&self.root);
        let what = if back { "cannot be taken back" } else { "does not apply" };
        shell::output(&mut command).map(|_| ()).map_err(|error| format!("{what}\n{error}"))
    }

    fn judge(&self, bug: &Bug) -> Result<Verdict, String> {
        let binary = match self.build(bug) {
            Ok(binary) => binary,
            Err(reason) => return Ok(Verdict::Unclear(reason)),
        };
        let mut command = Command::new(binary);
        // Otherwise a panic that ends in an abort would take its message, and the test's name, along.
        command.arg("--nocapture");
        if bug.target == CONFORMANCE {
            command.arg("--first");
        }
        command.args(&bug.test).current_dir(self.root.join(&bug.folder));
        loom::model_environment(&mut command, 2);
        watch(&mut command, &self.target.join("output.txt"))
    }

    /// Builds the tests that should notice `bug`.
    fn build(&self, bug: &Bug) -> Result<PathBuf, String> {
        let mut command = Command::new("cargo");
        command.args(["test", "--no-run", "--message-format=json", "--package", &bug.package]);
        match bug.target.as_str() {
            "lib" => command.arg("--lib"),
            target => command.args(["--test", target]),
        };
        command.current_dir(&self.root);
        match loom::is_model(&bug.target) {
            true => {
                command.args(["--release", "--target-dir"]).arg(self.target.join("loom"));
                loom::model_environment(&mut command, 2);
            }
            // Nobody debugs these: without the symbols a build takes half the time.
            false => {
                command.env("CARGO_PROFILE_DEV_DEBUG", "false");
                command.arg("--target-dir").arg(self.target.join("plain"));
            }
        }
        let messages = shell::output(&mut command)
            .map_err(|error| format!("does not compile, so it proves nothing\n{error}"))?;
        executable(&messages).ok_or_else(|| format!("has no test target `{}`", bug.target))
    }
}

/// The last executable that cargo's messages name.
fn executable(messages: &str) -> Option<PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut paths = parsed.filter_map(|message: serde_json::Value| {
        Some(Path::new(message["executable"].as_str()?).to_owned())
    });
    paths.next_back()
}

/// Runs the tests, whose output goes to the file `log`: red if they fail, green if they pass.
fn watch(command: &mut Command, log: &Path) -> Result<Verdict, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", log.display());
    let output = File::create(log).map_err(failed)?;
    let complaints = output.try_clone().map_err(failed)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(complaints)
        .spawn()
        .map_err(|error| format!("the tests cannot be started: {error}"))?;
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(verdict(status, &read(log))),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    // It may have ended in this very moment; then there is nothing to end.
    _ = child.kill();
    child.wait().map_err(|error| error.to_string())?;
    Ok(Verdict::Unclear(format!("no verdict after {} s", LIMIT.as_secs())))
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

/// Red names the tests that failed or, if the run was cut short, those that panicked, or how it ended.
fn verdict(status: ExitStatus, output: &str) -> Verdict {
    if status.success() {
        let agreed = output.lines().filter_map(agreed_in);
        let ran: u64 = output.lines().filter_map(shell::passed_in).chain(agreed).sum();
        return match ran {
            0 => Verdict::Unclear("no test of that name ran".to_owned()),
            _ => Verdict::Green,
        };
    }
    let noticed = [failed_tests(output), panicked_tests(output)];
    let noticed = noticed.into_iter().find(|tests| !tests.is_empty());
    Verdict::Red(noticed.unwrap_or_else(|| vec![status.to_string()]))
}

/// The count in the conformance suite's closing line.
fn agreed_in(text: &str) -> Option<u64> {
    text.strip_prefix("conformance: ")?.split_once(" agree,")?.0.parse().ok()
}

/// What libtest calls failed.
fn failed_tests(output: &str) -> Vec<String> {
    let ended = output.lines().filter_map(|line| line.strip_prefix("test "));
    let failed = ended.filter_map(|line| line.strip_suffix(" ... FAILED"));
    failed.map(|name| name.trim_end_matches(" - should panic").to_owned()).collect()
}

/// The threads that panicked: libtest names them after their tests. Each once, in order.
fn panicked_tests(output: &str) -> Vec<String> {
    let named = output.lines().filter_map(|line| line.strip_prefix("thread '"));
    let panicked = named
        .filter_map(|line| line.split_once('\''))
        .filter(|(name, rest)| rest.contains("panicked at") && *name != "<unnamed>");
    let mut tests: Vec<String> = panicked.map(|(name, _)| name.to_owned()).collect();
    let mut seen = BTreeSet::new();
    tests.retain(|name| seen.insert(name.clone()));
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "crates/corrente-scheduler";

    #[test]
    fn the_head_of_a_patch_is_read() {
        let text = "# Forgets the second look.\n# test: idle\n# target: loom_idle (why)\n--- a/x\n# crate: no\n";
        let bug = Bug::parse("p", FOLDER, "corrente-scheduler", text);
        assert_eq!(bug.test.as_deref(), Some("idle"));
        assert_eq!(bug.target, "loom_idle");
        assert_eq!(bug.package, "corrente-scheduler");
    }

    #[test]
    fn without_a_head_all_models_of_the_crate_run() {
        let bug = Bug::parse("p", FOLDER, "corrente-scheduler", "--- a/x\n+++ b/x\n");
        assert_eq!((bug.test, bug.target.as_str()), (None, "loom"));
    }

    #[test]
    fn only_patches_in_planted_folders_count() {
        assert!(is_planted("crates/corrente-task/planted/01-x.patch"));
        assert!(!is_planted("crates/corrente-task/planted/README.md"));
        assert!(!is_planted("docs/planted/01-x.patch"));
    }

    #[test]
    fn failed_tests_are_named() {
        let output = "running 2 tests\ntest a::b ... ok\ntest c ... FAILED\n\nfailures:\n    c\n";
        assert_eq!(failed_tests(output), ["c"]);
        let output = "running 2 tests\nthread 'a::b' (77) panicked at src/x.rs:1:2:\nno\n\
                      thread '<unnamed>' panicked at y\nthread 'a::b' panicked at z\n";
        assert_eq!(panicked_tests(output), ["a::b"]);
    }

    #[test]
    fn agreeing_scenarios_are_counted() {
        assert_eq!(agreed_in("conformance: 29 agree, 0 differ, 0 left out"), Some(29));
        assert_eq!(agreed_in("conformance: 29 of 29"), None);
    }

    #[test]
    fn cargo_names_the_executable() {
        let messages =
            "{\"reason\":\"a\",\"executable\":null}\nnoise\n{\"executable\":\"t/loom-1\"}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("t/loom-1")));
        assert_eq!(executable("{}"), None);
    }
}
