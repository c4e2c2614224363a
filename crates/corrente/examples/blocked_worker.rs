//! What happens when a task forgets to await: it holds its worker, and the others go on without it.
//!
//!     cargo run --release --example blocked_worker
//!
//! One task computes for a second in a single poll. Beside it a ticker should tick each 10 ms. The watchdog
//! notices, wakes another worker, and reports the long poll; with one worker there is nobody to go on.

use corrente::{Builder, create_task, sleep, yield_now};
use std::time::{Duration, Instant};

fn main() {
    for workers in [2, 1] {
        let late = Builder::new()
            .workers(workers)
            .long_poll(Duration::from_millis(100))
            .on_long_poll(|poll| {
                println!(
                    "  watchdog: task {} holds worker {} for {:?} so far",
                    poll.name, poll.worker, poll.so_far
                )
            })
            .run(async {
                let ticker = create_task(ticker());
                sleep(Duration::from_millis(50)).await;
                let hog = corrente::TaskBuilder::new().name("hog").spawn(async {
                    let end = Instant::now() + Duration::from_secs(1);
                    let mut sum = 0_u64;
                    while Instant::now() < end {
                        sum = sum.wrapping_mul(31).wrapping_add(1);
                    }
                    std::hint::black_box(sum)
                });
                hog.await;
                yield_now().await;
                ticker.await
            });
        match late {
            Ok(late) => println!("{workers} workers: the latest tick was {late:?} late"),
            Err(error) => println!("{workers} workers: {error}"),
        }
    }
}

async fn ticker() -> Duration {
    let pause = Duration::from_millis(10);
    let mut latest = Duration::ZERO;
    for _ in 0..120 {
        let due = Instant::now() + pause;
        sleep(pause).await;
        latest = latest.max(due.elapsed());
    }
    latest
}
