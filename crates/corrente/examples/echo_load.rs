//! Drives an echo server and checks every byte that comes back.
//!
//!     cargo run --release --example echo_load -- 127.0.0.1:7777 --connections 1000 --requests 100 --size 64
//!
//! Exits with 1 if a reply was wrong or is missing.

#[path = "support/load.rs"]
mod load;
#[path = "support/progress.rs"]
mod progress;

use load::{Load, drive};
use progress::progress;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn main() -> ExitCode {
    match corrente::run(run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("echo_load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, corrente::Error> {
    let (addr, load) = arguments()?;
    let addr = addr.parse().map_err(|_| format!("`{addr}` is no address: write 127.0.0.1:7777"))?;
    let done = Arc::new(AtomicU64::new(0));
    let total = load.connections * load.requests;
    let shown = done.clone();
    let shower = corrente::create_task(async move {
        loop {
            corrente::sleep(Duration::from_millis(100)).await;
            progress(&format!("{} of {total} replies", shown.load(Ordering::Relaxed)));
        }
    });
    let report = drive(addr, load, done).await;
    shower.cancel();
    progress("");
    for error in report.failed.iter().take(5) {
        eprintln!("echo_load: a connection failed: {error}");
    }
    for percent in [50.0, 90.0, 99.0, 100.0] {
        println!("{percent:>5} % of replies within {:?}", report.percentile(percent));
    }
    println!("{:.0} replies a second over {} connections", report.rate(), load.connections);
    let missing = total as u64 - report.replies;
    println!("{} replies, {} wrong, {missing} missing", report.replies, report.wrong);
    Ok(report.wrong == 0 && missing == 0)
}

fn arguments() -> Result<(String, Load), corrente::Error> {
    let mut addr = "127.0.0.1:7777".to_owned();
    let mut load = Load { connections: 1000, requests: 100, size: 64 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<usize, corrente::Error> {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            match text.parse() {
                Ok(0) | Err(_) => {
                    Err(format!("{word} needs a positive number, not `{text}`").into())
                }
                Ok(number) => Ok(number),
            }
        };
        match word.as_str() {
            "--connections" => load.connections = number()?,
            "--requests" => load.requests = number()?,
            "--size" => load.size = number()?,
            option if option.starts_with("--") => {
                return Err(format!(
                    "unknown option `{option}`: use --connections, --requests, --size"
                )
                .into());
            }
            _ => addr = word,
        }
    }
    Ok((addr, load))
}
