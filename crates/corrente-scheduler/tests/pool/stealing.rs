//! Work is spread when it pays, and nothing is lost or done twice on the way.

use crate::support::{Flag, block_on, config, pool, pool_with, spawn, yield_now};
use corrente_scheduler::{Config, Handle, current_worker};
use corrente_task::Options;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

#[test]
fn every_task_runs_once() {
    const TASKS: usize = 20_000;
    for workers in [1, 2, 4, 16, 64] {
        let pool = pool(workers);
        let runs: Arc<Vec<AtomicU8>> = Arc::new((0..TASKS).map(|_| AtomicU8::new(0)).collect());
        block_on(&pool, async {
            let handle = Handle::current().expect("in a pool");
            let (left, all) = (Arc::new(AtomicUsize::new(TASKS)), Flag::default());
            for n in 0..TASKS {
                let (runs, left, all) = (runs.clone(), left.clone(), all.clone());
                let task = async move {
                    if n % 3 == 0 {
                        yield_now().await;
                    }
                    runs[n].fetch_add(1, Ordering::Relaxed);
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        all.set();
                    }
                };
                handle.spawn(task, Options::default()).detach();
            }
            all.wait().await;
        });
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }
}

/// Tasks that need each other to run at the same time.
fn run_in_parallel(pool: &corrente_scheduler::Pool, workers: usize) {
    block_on(pool, async {
        let barrier = Arc::new(Barrier::new(workers));
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let barrier = barrier.clone();
                spawn(async move {
                    // Blocks the worker, on purpose.
                    barrier.wait();
                    current_worker()
                })
            })
            .collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.push(task.await);
        }
        seen.sort_unstable();
        let all: Vec<Option<usize>> = (0..workers).map(Some).collect();
        assert_eq!(seen, all);
    });
}

#[test]
fn long_tasks_are_spread_over_all_workers() {
    for workers in [2, 3, 4] {
        let pool = pool(workers);
        (0..10).for_each(|_| run_in_parallel(&pool, workers));
    }
}

#[test]
fn without_a_watchdog_too() {
    // Nobody looks, so each item in a queue is worth a wake. What blocks is in a queue here, not in a slot:
    // the last one spawned is run by worker 0 itself.
    let pool = pool_with(Config { watchdog: false, ..config(2) });
    (0..10).for_each(|_| run_in_parallel(&pool, 2));
}

#[test]
fn both_workers_have_polled() {
    let pool = pool(2);
    block_on(&pool, async {
        let busy = Arc::new(Barrier::new(2));
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let busy = busy.clone();
                spawn(async move { busy.wait().is_leader() })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    let metrics = pool.handle().metrics();
    assert!(metrics.workers.iter().all(|worker| worker.polls > 0), "{metrics:?}");
    assert_eq!(metrics.polls(), metrics.workers.iter().map(|worker| worker.polls).sum::<u64>());
    assert_eq!(metrics.living, 0);
}

#[test]
fn a_task_that_wakes_another_keeps_it_on_its_worker() {
    // Two tasks on one worker that wake each other: a second worker has no part in it.
    let pool = pool(1);
    block_on(&pool, async {
        for _ in 0..1000 {
            let flag = Flag::default();
            let waiting = spawn(flag.wait());
            yield_now().await;
            flag.set();
            waiting.await;
        }
    });
    let metrics = pool.handle().metrics();
    assert!(metrics.workers[0].next_slot_hits >= 1000, "{metrics:?}");
    assert_eq!((metrics.workers[0].steals, metrics.workers[0].wakes_sent), (0, 0));
}
