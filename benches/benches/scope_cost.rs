//! What does it cost to enter and leave a scope?
//!
//! One task awaits, again and again, a block that is ready at its first poll: as it is, in each kind of scope, and in
//! three scopes inside each other. What a scope costs is the distance to `plain`. The bar is 40 ns a scope; a timeout
//! has a timer, too. `cargo bench -p corrente-benches --bench scope_cost`

use corrente::{catch_cancel, run, timeout, uncancellable, with_cleanup};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);

fn scope_cost(criterion: &mut Criterion, name: &str, scope: impl AsyncFn(u64) -> u64) {
    criterion.benchmark_group("scope_cost").bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            run(async {
                let start = Instant::now();
                for number in 0..times {
                    black_box(scope(black_box(number)).await);
                }
                start.elapsed()
            })
        });
    });
}

fn all(criterion: &mut Criterion) {
    scope_cost(criterion, "plain", async |n| async { n }.await);
    scope_cost(criterion, "catch_cancel", async |n| catch_cancel(async { n }).await.unwrap_or(0));
    scope_cost(criterion, "with_cleanup", async |n| with_cleanup(async { n }, async {}).await);
    scope_cost(criterion, "uncancellable", async |n| uncancellable(async { n }).await);
    scope_cost(criterion, "three_deep", async |n| {
        uncancellable(uncancellable(uncancellable(async { n }))).await
    });
    scope_cost(criterion, "timeout", async |n| timeout(LONG, async { n }).await.unwrap_or(0));
}

criterion_group!(benches, all);
criterion_main!(benches);
