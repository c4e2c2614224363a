//! What the workers did, as a table.

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
