//! The test hook that sends each wake to a worker drawn by lot.

use crate::support::{Flag, block_on, config, pool_with, spawn, yield_now};
use corrente_scheduler::{Config, current_worker};
use std::sync::{Arc, Mutex};

#[test]
fn every_worker_has_its_share_and_nothing_is_lost() {
    for workers in [1, 2, 3] {
        let pool = pool_with(Config { seed: Some(1), ..config(workers) });
        block_on(&pool, async {
            for _ in 0..200 {
                let flag = Flag::default();
                let waiting: Vec<_> = (0..5).map(|_| spawn(flag.wait())).collect();
                let yields = spawn(async {
                    for _ in 0..5 {
                        yield_now().await;
                    }
                });
                let setter = flag.clone();
                spawn(async move { setter.set() }).await;
                for task in waiting {
                    task.await;
                }
                yields.await;
            }
        });
        let metrics = pool.handle().metrics();
        let least = metrics.workers.iter().map(|worker| worker.polls).min().unwrap_or(0);
        let fair = metrics.polls() / workers as u64;
        assert!(least * 2 >= fair, "{metrics:?}");
    }
}

#[test]
fn the_order_is_shaken() {
    let pool = pool_with(Config { seed: Some(2), ..config(1) });
    let order = Arc::new(Mutex::new(Vec::new()));
    block_on(&pool, async {
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let order = order.clone();
                spawn(async move { order.lock().unwrap().push(n) })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 50);
    assert!(!order.is_sorted());
}

#[test]
fn tasks_go_on_without_a_caller() {
    let pool = pool_with(Config { seed: Some(3), ..config(2) });
    let tasks: Vec<_> = block_on(&pool, async {
        (0..100)
            .map(|_| {
                spawn(async {
                    yield_now().await;
                    current_worker()
                })
            })
            .collect()
    });
    for task in tasks {
        crate::support::wait_until("a task left behind", || task.done());
    }
}
