//! What it costs to let others run first, with others there and alone.

use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};

/// So many `tasks`, all of them always ready.
pub async fn many<C: Contender>(tasks: usize, scale: f64) -> Figures {
    let yields = scaled(1_000_000 / tasks, scale);
    let mut passes = Passes::new(5, tasks * yields);
    while passes.start() {
        let handles: Vec<_> = (0..tasks).map(|_| C::spawn(yielding::<C>(yields))).collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        passes.stop();
        assert_eq!(sum, tasks * yields);
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
