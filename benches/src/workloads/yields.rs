//! What it costs to let others run first, with others there and alone.

use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};

/// 400 tasks, all of them always ready.
pub async fn many<C: Contender>(scale: f64) -> Figures {
    const TASKS: usize = 400;
    let yields = scaled(2_500, scale);
    let mut passes = Passes::new(5, TASKS * yields);
    while passes.start() {
        let handles: Vec<_> = (0..TASKS).map(|_| C::spawn(yielding::<C>(yields))).collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        passes.stop();
        assert_eq!(sum, TASKS * yields);
    }
    passes.figures()
}

/// One task, and nothing else in the runtime.
pub async fn one<C: Contender>(scale: f64) -> Figures {
    let yields = scaled(100_000, scale);
    let mut passes = Passes::new(3, yields);
    while passes.start() {
        let done = yielding::<C>(yields).await;
        passes.stop();
        assert_eq!(done, yields);
    }
    passes.figures()
}

async fn yielding<C: Contender>(yields: usize) -> usize {
    for _ in 0..yields {
        C::yield_now().await;
    }
    yields
}
