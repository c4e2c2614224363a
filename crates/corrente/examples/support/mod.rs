//! What several examples share.
#![allow(dead_code)] // No example uses all of it.

pub mod echo;
pub mod load;

use corrente::Metrics;
use std::fmt::Write;

/// A table of what each worker did.
pub fn workers(metrics: &Metrics) -> String {
    let mut text = String::from("worker        polls       steals        parks");
    for (index, worker) in metrics.workers.iter().enumerate() {
        let (polls, steals, parks) = (worker.polls, worker.steals, worker.parks);
        let _ = write!(text, "\n{index:>6} {polls:>12} {steals:>12} {parks:>12}");
    }
    text
}

/// A line on stderr that is written over by the next one, if stderr is a terminal.
pub fn progress(line: &str) {
    use std::io::{IsTerminal, Write};
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{line}");
        let _ = stderr.flush();
    }
}
