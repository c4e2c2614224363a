//! What does a timer cost that is made, waited for once, and dropped, while thousands of others sleep?
//!
//! The usual life of a timeout: it never fires. The sleepers make the timer store as full as a busy server's.
//! `cargo bench -p corrente-benches --bench timer_churn`

use corrente_benches::{Contender, Corrente, CurrentThread, MultiThread, Smol, Tokio, WORKERS};
use criterion::{Criterion, criterion_group, criterion_main};
use std::time::{Duration, Instant};

const SLEEPERS: u64 = 10_000;

fn timer_churn<C: Contender>(criterion: &mut Criterion, runtime: &str) {
    criterion.benchmark_group("timer_churn").bench_function(runtime, |bencher| {
        bencher.iter_custom(|timeouts| {
            C::run(WORKERS, async move {
                let (end, ended) = async_channel::bounded::<()>(1);
                let sleeper = |number| {
                    let ended = ended.clone();
                    C::spawn(async move {
                        // Sleeps until the end of the measurement at the latest.
                        let sleep = Duration::from_secs(60 + number);
                        C::timeout(sleep, ended.recv()).await.is_some()
                    })
                };
                let sleepers: Vec<_> = (0..SLEEPERS).map(sleeper).collect();
                C::sleep(Duration::from_millis(5)).await;
                let start = Instant::now();
                for _ in 0..timeouts {
                    C::timeout(Duration::from_secs(30), C::yield_now()).await;
                }
                let elapsed = start.elapsed();
                drop(end);
                for sleeper in sleepers {
                    assert!(sleeper.await, "no sleeper times out");
                }
                elapsed
            })
        });
    });
}

fn all(criterion: &mut Criterion) {
    timer_churn::<Tokio<MultiThread>>(criterion, "tokio");
    timer_churn::<Tokio<CurrentThread>>(criterion, "tokio_ct");
    timer_churn::<Smol>(criterion, "smol");
    timer_churn::<Corrente>(criterion, "corrente");
}

criterion_group!(benches, all);
criterion_main!(benches);
