//! One mutex, many tasks.

use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};
use std::sync::Arc;

/// 100 tasks count up together under one mutex.
pub async fn mutex<C: Contender>(scale: f64) -> Figures {
    const TASKS: usize = 100;
    let locks = scaled(2_000, scale);
    let mut passes = Passes::new(4, TASKS * locks);
    while passes.start() {
        let mutex = Arc::new(C::mutex(0usize));
        let mut handles = Vec::with_capacity(TASKS);
        for _ in 0..TASKS {
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
        assert_eq!(C::with_lock(&mutex, |count| *count).await, TASKS * locks);
    }
    passes.figures()
}
