//! What a worker does on advice. Nobody watches here, so the test is who advises.

use crate::support::{block_on, config, lock, pool_with, spawn, yield_now};
use corrente_scheduler::{Config, Handle, parts};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Three tasks that wake each other in turn, `polls` times.
async fn ring(polls: u64) {
    let wakers = Arc::new(Mutex::new([const { None::<Waker> }; 3]));
    let count = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..3)
        .map(|side| {
            let (wakers, count) = (wakers.clone(), count.clone());
            spawn(poll_fn(move |cx| {
                let done = count.fetch_add(1, Ordering::Relaxed) >= polls;
                let next = {
                    let mut wakers = lock(&wakers);
                    wakers[side] = Some(cx.waker().clone());
                    wakers[(side + 1) % 3].clone()
                };
                next.into_iter().for_each(Waker::wake);
                if done { Poll::Ready(()) } else { Poll::Pending }
            }))
        })
        .collect();
    for task in tasks {
        task.await;
    }
}

/// How often a task yields beside 10,000 polls of others.
fn yields_beside_others(slow: bool) -> u64 {
    let pool = pool_with(Config { watchdog: false, ..config(1) });
    let (yields, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    block_on(&pool, async {
        let yielder = spawn({
            let (yields, stop) = (yields.clone(), stop.clone());
            async move {
                while !stop.load(Ordering::Relaxed) {
                    yields.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            }
        });
        parts::advise(&Handle::current().expect("in a pool"), 0, slow);
        spawn(ring(10_000)).await;
        stop.store(true, Ordering::Relaxed);
        yielder.await;
    });
    yields.load(Ordering::Relaxed)
}

#[test]
fn where_polls_are_long_who_yields_lets_others_go_first_but_not_for_ever() {
    // Others come first for 32 polls, and then until the next look outside, which is due every 61.
    let yields = yields_beside_others(true);
    assert!(
        (10_000 / 130..=10_000 / 32).contains(&yields),
        "{yields} beside 10,000 polls of others"
    );
    // Else it has its turn when those in the next slot have had sixteen.
    let yields = yields_beside_others(false);
    assert!(yields >= 10_000 / 20, "{yields} beside 10,000 polls of others");
}
