//! Between two runs every worker stands still.

use crate::support::{block_on, pool, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn nothing_runs_in_a_pause_and_everything_goes_on_after_it() {
    for workers in [1, 2, 4] {
        let pool = pool(workers);
        let polls = Arc::new(AtomicU64::new(0));
        block_on(&pool, async {
            for _ in 0..8 {
                let polls = polls.clone();
                spawn(async move {
                    while polls.fetch_add(1, Ordering::Relaxed) < u64::MAX {
                        yield_now().await;
                    }
                })
                .detach();
            }
            yield_now().await;
        });
        for _ in 0..5 {
            pool.pause();
            let before = polls.load(Ordering::Relaxed);
            // What comes in a pause waits.
            let task = pool.handle().spawn(async { 3 }, corrente_task::Options::default());
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(polls.load(Ordering::Relaxed), before);
            assert!(!task.done());
            pool.resume();
            assert_eq!(block_on(&pool, task), 3);
        }
    }
}

#[test]
fn a_pause_while_all_sleep_and_an_end_in_a_pause() {
    let pool = pool(3);
    block_on(&pool, async { spawn(async {}).await });
    pool.pause();
    pool.pause();
    pool.resume();
    assert_eq!(block_on(&pool, async { spawn(async { 1 }).await }), 1);
    pool.pause();
    assert!(pool.shutdown(crate::support::PATIENCE).is_clean());
}
