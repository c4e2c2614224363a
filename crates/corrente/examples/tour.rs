//! The tour: an echo server and its clients in one program, over real sockets.
//!
//!     cargo run --release --example tour

#[path = "support/echo.rs"]
mod echo;
#[path = "support/load.rs"]
mod load;
#[path = "support/progress.rs"]
mod progress;
#[path = "support/show.rs"]
mod show;

use corrente::net::TcpListener;
use load::{Load, Report, drive};
use progress::progress;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const LOAD: Load = Load { connections: 1000, requests: 100, size: 64 };

fn main() -> ExitCode {
    let report = match corrente::run(tour()) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("tour: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("tour: {} replies, {} wrong", report.replies, report.wrong);
    let all = report.replies == (LOAD.connections * LOAD.requests) as u64;
    if all && report.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn tour() -> Result<Report, corrente::Error> {
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
