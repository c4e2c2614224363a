//! A runtime within a runtime: refused where it would block others, with both places named.

use crate::support::{block_on, pool, spawn};
use corrente_scheduler::{BlockOnError, Occupied, Pool, current_worker};
use corrente_task::Options;
use std::sync::Arc;

fn nested(pool: &Pool) -> BlockOnError {
    match pool.block_on(async {}, Options::default()) {
        Err(error) => error,
        Ok(()) => panic!("a nested block_on ran"),
    }
}

#[test]
fn in_main_it_names_both_places() {
    let pool = pool(2);
    let error = block_on(&pool, async { nested(&pool) });
    assert!(matches!(error, BlockOnError::Occupied { by: Occupied::BlockOn(_), .. }));
    let text = error.to_string();
    assert_eq!(text.matches("tests/pool/").count(), 2, "{text}");
    assert!(text.contains(".await"), "{text}");
    // The thread is as free as before.
    block_on(&pool, async {});
}

#[test]
fn in_a_task_on_another_worker() {
    let pool = Arc::new(pool(2));
    let inside = pool.clone();
    let task = pool
        .handle()
        .spawn(async move { (nested(&inside).to_string(), current_worker()) }, Options::default());
    // Nobody lends worker 0, so the other one must have done it.
    while !task.done() {
        std::thread::yield_now();
    }
    let (text, worker) = block_on(&pool, task);
    assert_eq!(worker, Some(1));
    assert!(text.contains("this thread is worker 1"), "{text}");
}

#[test]
fn in_another_runtime_s_task_it_would_block_that() {
    let (one, two) = (pool(1), pool(1));
    let error = block_on(&one, async { nested(&two) });
    assert!(matches!(error, BlockOnError::Occupied { .. }));
    block_on(&two, async {});
}

#[test]
fn after_an_unwinding_the_thread_can_be_used_again() {
    let pool = pool(2);
    for _ in 0..3 {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            block_on(&pool, async {
                match pool.block_on(async {}, Options::default()) {
                    Err(error) => panic!("{error}"),
                    Ok(()) => 0,
                }
            })
        }));
        assert!(caught.is_err());
        assert_eq!(block_on(&pool, async { spawn(async { 5 }).await }), 5);
    }
}
