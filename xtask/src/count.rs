//! `cargo xtask count`: how many instructions the hot paths take, beside what they took.
//!
//! Times depend on the machine and on who else uses it; the number of instructions hardly does. So a path that has
//! become dearer is seen here, in seconds, before any bench could tell. `corrente-count` does one small thing on one
//! worker; callgrind counts a short run and a longer one, and the difference is what one costs. The figures to
//! compare with are kept in `benches/count/counts.txt`, which `--accept` writes anew. They hold for one compiler: with
//! another they are shown, and decide nothing.

use crate::shell;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two runs.
const SHORT: u64 = 1000;
const LONG: u64 = 5000;
/// In percent: what differs less is the same.
const TOLERANCE: u64 = 5;

const HEADING: &str =
    "# Instructions for one piece of work on one worker; `cargo xtask count --accept` writes this.";
/// What to do about a missing tool.
const HOW: &str = "no valgrind: `apt-get install valgrind` brings it";

/// `cargo xtask count`
pub fn run(workspace: &Workspace, accept: bool) -> Result<(), String> {
    match check(workspace, accept)? {
        Ok(closing) => println!("{closing}"),
        Err(skipped) => println!("count: skipped, {skipped}"),
    }
    Ok(())
}

/// The closing line, or why nothing was counted.
pub fn check(workspace: &Workspace, accept: bool) -> Result<Result<String, String>, String> {
    if !shell::found("valgrind") {
        return Ok(Err(HOW.to_owned()));
    }
    let program = build(workspace)?;
    let file = workspace.root.join("benches/count/counts.txt");
    let compiler = shell::output(Command::new("rustc").arg("--version"))?.trim().to_owned();
    let before = Kept::read(&std::fs::read_to_string(&file).unwrap_or_default());
    let decides = before.compiler == compiler;
    let (mut counts, mut dearer, mut cheaper) = (Vec::new(), Vec::new(), 0);
    for name in shell::output(Command::new(&program).arg("--list"))?.lines() {
        let (short, long) = (collect(&program, name, SHORT)?, collect(&program, name, LONG)?);
        let count = long.saturating_sub(short) / (LONG - SHORT);
        let known = before.find(name);
        println!("  {name:<15} {count:>7}   {}", beside(count, known));
        match known {
            Some(known) if count * 100 > known * (100 + TOLERANCE) => dearer.push(name.to_owned()),
            Some(known) if count * 100 < known * (100 - TOLERANCE) => cheaper += 1,
            _ => {}
        }
        counts.push((name.to_owned(), count));
    }
    let many = counts.len();
    if accept {
        let kept = Kept { compiler, counts };
        std::fs::write(&file, kept.text())
            .map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(Ok(format!("count: {many} figures accepted")));
    }
    if !decides {
        let other = if before.compiler.is_empty() { "no compiler" } else { &before.compiler };
        return Ok(Err(format!("the kept figures are of {other}, and this is {compiler}")));
    }
    match dearer.is_empty() {
        true => {
            Ok(Ok(format!("count: {many} paths, none dearer by {TOLERANCE} %, {cheaper} cheaper")))
        }
        false => Err(format!(
            "dearer by more than {TOLERANCE} %: {}; if that is worth it, `cargo xtask count --accept`",
            dearer.join(", ")
        )),
    }
}

fn beside(count: u64, known: Option<u64>) -> String {
    match known {
        Some(known) if known > 0 => {
            let change = (count as f64 / known as f64 - 1.0) * 100.0;
            format!("{known} kept, {change:+.1} %")
        }
        _ => "not kept".to_owned(),
    }
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    shell::run(workspace.cargo().args(["build", "--release", "--quiet", "-p", "corrente-count"]))?;
    Ok(workspace.target.join("release/corrente-count"))
}

/// The instructions of a whole run.
fn collect(program: &Path, name: &str, times: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(program).args([name, &times.to_string()]);
    let output = command
        .output()
        .map_err(|error| format!("`{}` cannot be started: {error}", shell::line(&command)))?;
    let text = String::from_utf8_lossy(&output.stderr);
    match (output.status.success(), collected_in(&text)) {
        (true, Some(count)) => Ok(count),
        _ => Err(format!("`{}` failed: {}\n{text}", shell::line(&command), output.status)),
    }
}

fn collected_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.split_once("Collected :"))?.1;
    line.split_whitespace().next()?.parse().ok()
}

/// The file of figures.
#[derive(Debug, PartialEq, Default)]
struct Kept {
    compiler: String,
    counts: Vec<(String, u64)>,
}

impl Kept {
    fn read(text: &str) -> Self {
        let mut kept = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(' ') {
                Some(("compiler", compiler)) => kept.compiler = compiler.to_owned(),
                Some((name, count)) => {
                    let count = count.trim().parse();
                    kept.counts.extend(count.ok().map(|count| (name.to_owned(), count)));
                }
                None => {}
            }
        }
        kept
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADING}\ncompiler {}\n", self.compiler);
        self.counts.iter().for_each(|(name, count)| text.push_str(&format!("{name} {count}\n")));
        text
    }

    fn find(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let counts = vec![("lock".to_owned(), 73), ("yield".to_owned(), 597)];
        let kept = Kept { compiler: "rustc 1.95.0 (abc 2026-01-01)".to_owned(), counts };
        assert_eq!(Kept::read(&kept.text()), kept);
        assert_eq!((kept.find("lock"), kept.find("loc")), (Some(73), None));
    }

    #[test]
    fn callgrinds_count_is_found() {
        assert_eq!(collected_in("==7== \n==7== Collected : 28137693\n"), Some(28_137_693));
        assert_eq!(collected_in("valgrind: no such file"), None);
    }
}
