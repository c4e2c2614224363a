//! Runs one workload once, in this process, and prints its figures on one line.
//!
//! ```text
//! sample RUNTIME WORKLOAD [--scale N]
//! sample RUNTIME WORKLOAD@AT_ONCE
//! sample --list
//! ```
//! Exit status: 0 figures on stdout; 2 there is no such runtime or workload; 101 a workload found a wrong result.

use corrente_benches::{RUNTIMES, WORKLOADS, client, sample};
use std::process::ExitCode;

const USAGE: &str = "usage: sample RUNTIME WORKLOAD[@AT_ONCE] [--scale N]\n       sample --list";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match words[..] {
        ["--list"] => Ok(list()),
        ["client", ref rest @ ..] => client(rest),
        [runtime, workload] => run(runtime, workload, 1.0),
        [runtime, workload, "--scale", scale] => match scale.parse() {
            Ok(scale) if scale > 0.0 && scale <= 1000.0 => run(runtime, workload, scale),
            _ => Err("--scale takes a number above 0 and up to 1000".to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    };
    match line {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("sample: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(runtime: &str, workload: &str, scale: f64) -> Result<String, String> {
    let figures = sample(runtime, workload, scale).map_err(|missing| missing.to_string())?;
    Ok(format!("runtime={runtime} workload={workload} {figures}"))
}

/// `runtime NAME` and `workload NAME WHAT ONE OPERATION IS`, a line each.
fn list() -> String {
    let runtimes = RUNTIMES.iter().map(|name| format!("runtime {name}"));
    let workloads =
        WORKLOADS.iter().map(|(name, operation)| format!("workload {name} {operation}"));
    runtimes.chain(workloads).collect::<Vec<_>>().join("\n")
}
