//! How long does it take from a plain thread's send until a task of an idle runtime runs?
//!
//! The runtime has nothing else to do, so its workers are parked: what is seen is the way from a waker to a running
//! thread, most of which is the kernel's. `cargo bench -p corrente-benches --bench wake_latency`

use corrente_benches::{Contender, Corrente, CurrentThread, MultiThread, Smol, Tokio, WORKERS};
use criterion::{Criterion, criterion_group, criterion_main};
use std::thread;
use std::time::{Duration, Instant};

fn wake_latency<C: Contender>(criterion: &mut Criterion, runtime: &str) {
    criterion.benchmark_group("wake_latency").sample_size(20).bench_function(runtime, |bencher| {
        bencher.iter_custom(|wakes| {
            C::run(WORKERS, async move {
                let (ring, rung) = async_channel::unbounded::<Instant>();
                let ringer = thread::spawn(move || {
                    for _ in 0..wakes {
                        // Long enough for every worker to park.
                        thread::sleep(Duration::from_micros(500));
                        ring.try_send(Instant::now()).expect("there is room");
                    }
                });
                let mut total = Duration::ZERO;
                while let Ok(sent) = rung.recv().await {
                    total += sent.elapsed();
                }
                ringer.join().expect("the thread ends well");
                total
            })
        });
    });
}

fn all(criterion: &mut Criterion) {
    wake_latency::<Tokio<MultiThread>>(criterion, "tokio");
    wake_latency::<Tokio<CurrentThread>>(criterion, "tokio_ct");
    wake_latency::<Smol>(criterion, "smol");
    wake_latency::<Corrente>(criterion, "corrente");
}

criterion_group!(benches, all);
criterion_main!(benches);
