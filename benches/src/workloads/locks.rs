//! Mutual exclusion and counted permits: alone, and with a hundred tasks in the line.

use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many tasks want one lock in the metrics.
pub const TASKS: usize = 100;

/// So many `tasks` count up together under one mutex.
pub async fn mutex<C: Contender>(tasks: usize, scale: f64) -> Figures {
    let locks = scaled(200_000 / tasks, scale);
    let mut passes = Passes::new(4, tasks * locks);
    while passes.start() {
        let mutex = Arc::new(C::mutex(0usize));
        let mut handles = Vec::with_capacity(tasks);
        for _ in 0..tasks {
            let mutex = Arc::clone(&mutex);
            handles.push(C::spawn(async move {
                for _ in 0..locks {
                    C::with_lock(&mutex, |count| *count += 1).await;
                }
            }));
        }
        for handle in handles {
            handle.await;
        }
        passes.stop();
        assert_eq!(C::with_lock(&mutex, |count| *count).await, tasks * locks);
    }
    passes.figures()
}

/// One task, nobody else wants the mutex.
pub async fn alone<C: Contender>(scale: f64) -> Figures {
    let locks = scaled(2_000_000, scale);
    let mut passes = Passes::new(4, locks);
    while passes.start() {
        let mutex = C::mutex(0usize);
        for _ in 0..locks {
            C::with_lock(&mutex, |count| *count += 1).await;
        }
        passes.stop();
        assert_eq!(C::with_lock(&mutex, |count| *count).await, locks);
    }
    passes.figures()
}

/// As [`mutex`], but each task yields while it has the lock: everybody else is in the line, and each lock is handed on.
pub async fn handed_on<C: Contender>(tasks: usize, scale: f64) -> Figures {
    let locks = scaled(200_000 / tasks, scale);
    let mut passes = Passes::new(4, tasks * locks);
    while passes.start() {
        let mutex = Arc::new(C::mutex(0usize));
        let mut handles = Vec::with_capacity(tasks);
        for _ in 0..tasks {
            let mutex = Arc::clone(&mutex);
            handles.push(C::spawn(async move {
                for _ in 0..locks {
                    C::with_lock_across(&mutex, |count| *count += 1, C::yield_now()).await;
                }
            }));
        }
        for handle in handles {
            handle.await;
        }
        passes.stop();
        assert_eq!(C::with_lock(&mutex, |count| *count).await, tasks * locks);
    }
    passes.figures()
}

/// One task, nobody else wants a unit.
pub async fn semaphore_alone<C: Contender>(scale: f64) -> Figures {
    let permits = scaled(2_000_000, scale);
    let mut passes = Passes::new(4, permits);
    while passes.start() {
        let semaphore = C::semaphore(1);
        for _ in 0..permits {
            C::with_permit(&semaphore, ready(())).await;
        }
        passes.stop();
    }
    passes.figures()
}

/// So many `tasks` share a tenth as many units; each yields while it has one.
pub async fn semaphore<C: Contender>(tasks: usize, scale: f64) -> Figures {
    let units = (tasks / 10).max(1);
    let permits = scaled(200_000 / tasks, scale);
    let mut passes = Passes::new(4, tasks * permits);
    while passes.start() {
        // How many have a unit now, and how often somebody had one.
        let shared = Arc::new((C::semaphore(units), AtomicUsize::new(0), AtomicUsize::new(0)));
        let mut handles = Vec::with_capacity(tasks);
        for _ in 0..tasks {
            let shared = Arc::clone(&shared);
            handles.push(C::spawn(async move {
                let (semaphore, inside, times) = &*shared;
                for _ in 0..permits {
                    let with_a_unit = async {
                        assert!(inside.fetch_add(1, Ordering::Relaxed) < units);
                        C::yield_now().await;
                        inside.fetch_sub(1, Ordering::Relaxed);
                    };
                    C::with_permit(semaphore, with_a_unit).await;
                }
                times.fetch_add(permits, Ordering::Relaxed);
            }));
        }
        for handle in handles {
            handle.await;
        }
        passes.stop();
        assert_eq!(shared.2.load(Ordering::Relaxed), tasks * permits);
    }
    passes.figures()
}
