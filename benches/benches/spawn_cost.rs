//! What does it cost to spawn a task that is done at its first poll, and to await it at once?
//!
//! One task at a time, from inside the runtime: no queue builds up and no second worker is worth waking, so what is seen
//! is the cell, its queue and its join. `cargo bench -p corrente-benches --bench spawn_cost`

use corrente_benches::{Contender, Corrente, CurrentThread, MultiThread, Smol, Tokio, WORKERS};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Instant;

fn spawn_cost<C: Contender>(criterion: &mut Criterion, runtime: &str) {
    criterion.benchmark_group("spawn_cost").bench_function(runtime, |bencher| {
        bencher.iter_custom(|tasks| {
            C::run(WORKERS, async move {
                let start = Instant::now();
                for number in 0..tasks {
                    black_box(C::spawn(async move { number }).await);
                }
                start.elapsed()
            })
        });
    });
}

fn all(criterion: &mut Criterion) {
    spawn_cost::<Tokio<MultiThread>>(criterion, "tokio");
    spawn_cost::<Tokio<CurrentThread>>(criterion, "tokio_ct");
    spawn_cost::<Smol>(criterion, "smol");
    spawn_cost::<Corrente>(criterion, "corrente");
}

criterion_group!(benches, all);
criterion_main!(benches);
