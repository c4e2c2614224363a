//! The tour: the programs of the asyncio tutorial, each beside what CPython printed, and then an echo server
//! with its clients, over real sockets.
//!
//!     cargo run --release --example tour
//!     cargo run --release --example tour P07      one program, as it is

mod document;
#[path = "support/echo.rs"]
mod echo;
#[path = "support/load.rs"]
mod load;
#[path = "support/progress.rs"]
mod progress;
#[path = "support/show.rs"]
mod show;

use corrente::net::TcpListener;
use document::{PROGRAMS, Program};
use load::{Load, Report, drive};
use progress::progress;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const LOAD: Load = Load { connections: 1000, requests: 100, size: 64 };

fn main() -> ExitCode {
    if let Some(id) = std::env::args().nth(1) {
        return one(&id);
    }
    let same = programs();
    let report = match corrente::run(echo()) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("tour: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (replies, wrong) = (report.replies, report.wrong);
    println!(
        "tour: {same} of {} programs print what CPython prints; {replies} replies, {wrong} wrong",
        PROGRAMS.len()
    );
    let all = same == PROGRAMS.len() && replies == (LOAD.connections * LOAD.requests) as u64;
    if all && wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one program in this process, and nothing else.
fn one(id: &str) -> ExitCode {
    match PROGRAMS.iter().find(|program| program.id == id) {
        Some(program) => {
            (program.main)();
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("tour: no program `{id}`: use P01 to P{:02}", PROGRAMS.len());
            ExitCode::FAILURE
        }
    }
}

/// Runs all programs, each in a process of its own, all at once; they wait most of their time.
fn programs() -> usize {
    let ended = AtomicUsize::new(0);
    let outputs: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = PROGRAMS
            .iter()
            .map(|program| {
                let ended = &ended;
                scope.spawn(move || {
                    let output = output_of(program);
                    let ended = ended.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(&format!("{ended} of {} programs", PROGRAMS.len()));
                    output
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    progress("");
    PROGRAMS.iter().zip(outputs).filter(|(program, output)| show(program, output)).count()
}

fn output_of(program: &Program) -> String {
    let run = std::env::current_exe().and_then(|tour| {
        Command::new(tour).arg(program.id).stdin(Stdio::null()).stderr(Stdio::inherit()).output()
    });
    match run {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Ok(output) => {
            format!("{}(ended with {})\n", String::from_utf8_lossy(&output.stdout), output.status)
        }
        Err(error) => format!("(could not be started: {error})\n"),
    }
}

/// Shows a program's output beside the expected one; true if they are the same.
fn show(program: &Program, output: &str) -> bool {
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        (output.lines().collect(), program.expected.lines().collect());
    let same = ours == theirs;
    println!("{} {}{}", program.id, program.name, if same { "" } else { ": DIFFERENT" });
    for line in 0..ours.len().max(theirs.len()) {
        let left = ours.get(line).copied().unwrap_or("");
        let right = theirs.get(line).copied().unwrap_or("");
        println!("   {left:<46} {} {right}", if left == right { '|' } else { '≠' });
    }
    same
}

async fn echo() -> Result<Report, corrente::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    println!("an echo server listens at {addr}");
    println!("{} clients send {} requests each", LOAD.connections, LOAD.requests);
    let server = corrente::create_task(echo::serve(listener));
    let done = Arc::new(AtomicU64::new(0));
    let shown = done.clone();
    let shower = corrente::create_task(async move {
        loop {
            corrente::sleep(Duration::from_millis(100)).await;
            progress(&format!("{} replies", shown.load(Ordering::Relaxed)));
        }
    });
    let report = drive(addr, LOAD, done).await;
    shower.cancel();
    server.cancel();
    progress("");
    for error in report.failed.iter().take(5) {
        eprintln!("tour: a client failed: {error}");
    }
    println!(
        "{:.0} replies a second; half within {:?}, 99 % within {:?}",
        report.rate(),
        report.percentile(50.0),
        report.percentile(99.0)
    );
    println!("{}", show::workers(&corrente::get_running_loop()?.metrics()));
    Ok(report)
}
