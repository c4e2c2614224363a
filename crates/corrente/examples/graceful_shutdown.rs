//! Ctrl-C, and then an orderly end: no new work, what runs is finished or told to stop, clean-ups run.
//!
//!     cargo run --release --example graceful_shutdown
//!
//! Press Ctrl-C once. A second one ends the program at once.

use corrente::{Cancelled, TaskGroup, catch_cancel, signal, sleep, timeout, with_cleanup};
use std::time::Duration;

fn main() {
    corrente::run(async {
        println!("working; press Ctrl-C to stop");
        let result = TaskGroup::run(async |group| {
            for number in 1..=3 {
                group.create_task(worker(number));
            }
            let stop = group.clone();
            group.create_task(async move {
                signal::ctrl_c().await?;
                println!("stopping");
                stop.cancel();
                Ok::<(), std::io::Error>(())
            });
        })
        .await;
        match result {
            Ok(()) => println!("all workers have stopped"),
            Err(errors) => println!("stopped with {errors}"),
        }
    });
}

/// Works until it is told to stop; then it finishes the job in hand, for at most a second.
async fn worker(number: u32) {
    let work = async {
        for job in 1.. {
            sleep(Duration::from_millis(200 * u64::from(number))).await;
            println!("worker {number} has done job {job}");
        }
    };
    let cleanup = async move {
        let flush = async {
            sleep(Duration::from_millis(100)).await;
            println!("worker {number} has saved its state");
        };
        if timeout(Duration::from_secs(1), flush).await.is_err() {
            println!("worker {number} could not save its state in time");
        }
    };
    if let Err(cancelled @ Cancelled { .. }) = catch_cancel(with_cleanup(work, cleanup)).await {
        println!("worker {number} was told to stop");
        match cancelled.resume().await {}
    }
}
