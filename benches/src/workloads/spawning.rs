//! What a task costs from its birth to its end: awaited, detached, from outside, in chains, in trees.

use super::countdown::Countdown;
use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};
use std::future::Future;
use std::pin::Pin;
use std::thread;

/// Spawns them all, then awaits them in order.
pub async fn join<C: Contender>(scale: f64) -> Figures {
    let tasks = scaled(100_000, scale);
    let expected: usize = (0..tasks).sum();
    let mut passes = Passes::new(5, tasks);
    while passes.start() {
        let mut handles = Vec::with_capacity(tasks);
        for number in 0..tasks {
            handles.push(C::spawn(async move { number }));
        }
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        passes.stop();
        assert_eq!(sum, expected);
    }
    passes.figures()
}

/// Spawns them all and waits for the last.
pub async fn burst<C: Contender>(scale: f64) -> Figures {
    let tasks = scaled(1_000_000, scale);
    let mut passes = Passes::new(2, tasks);
    while passes.start() {
        let (countdown, all_done) = Countdown::new(tasks);
        for _ in 0..tasks {
            C::spawn_detached(async { countdown.finish_one() });
        }
        all_done.recv().await.expect("the last task reports");
        passes.stop();
    }
    passes.figures()
}

/// As [`burst`], but a plain thread spawns, and waits.
pub async fn outside<C: Contender>(scale: f64) -> Figures {
    let tasks = scaled(200_000, scale);
    let (report, reported) = async_channel::bounded(1);
    let outside = C::outside();
    let thread = thread::spawn(move || {
        let mut passes = Passes::new(3, tasks);
        while passes.start() {
            let (countdown, all_done) = Countdown::new(tasks);
            for _ in 0..tasks {
                C::spawn_outside(&outside, async { countdown.finish_one() });
            }
            all_done.recv_blocking().expect("the last task reports");
            passes.stop();
        }
        report.try_send(passes.figures()).expect("there is room for the figures");
    });
    let figures = reported.recv().await.expect("the thread reports");
    thread.join().expect("the thread ends well");
    figures
}

/// Each task spawns the next; chains of this `length`, one after the other.
pub async fn chained<C: Contender>(length: usize, scale: f64) -> Figures {
    let chains = scaled(200_000 / length, scale);
    let mut passes = Passes::new(4, chains * length);
    while passes.start() {
        for _ in 0..chains {
            let (countdown, all_done) = Countdown::new(length);
            link::<C>(length - 1, countdown);
            all_done.recv().await.expect("the last link reports");
        }
        passes.stop();
    }
    passes.figures()
}

fn link<C: Contender>(left: usize, countdown: &'static Countdown) {
    C::spawn_detached(async move {
        if left > 0 {
            link::<C>(left - 1, countdown);
        }
        countdown.finish_one();
    });
}

/// The depth of the tree that the metric is about.
pub const DEPTH: u32 = 16;

/// Every node spawns its two children and awaits them. A smaller tree is gone through more often.
pub async fn tree<C: Contender>(depth: u32, scale: f64) -> Figures {
    let nodes = (1 << (depth + 1)) - 1;
    let mut passes = Passes::new(scaled(4 << DEPTH.saturating_sub(depth), scale), nodes);
    while passes.start() {
        let counted = node::<C>(depth).await;
        passes.stop();
        assert_eq!(counted, nodes);
    }
    passes.figures()
}

/// How many nodes the subtree has. Boxed, because the type would contain itself.
fn node<C: Contender>(depth: u32) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return 1;
        }
        let left = C::spawn(node::<C>(depth - 1));
        let right = C::spawn(node::<C>(depth - 1));
        1 + left.await + right.await
    })
}

/// Ten tasks at a time, waited for in the runtime's shortest way.
pub async fn gather<C: Contender>(scale: f64) -> Figures {
    let gathers = scaled(15_000, scale);
    let mut passes = Passes::new(4, gathers);
    while passes.start() {
        let mut sum = 0;
        for _ in 0..gathers {
            sum += C::gather(ten()).await;
        }
        passes.stop();
        assert_eq!(sum, gathers as u64 * 45);
    }
    passes.figures()
}

/// Ten tasks at a time, held together as a group.
pub async fn group<C: Contender>(scale: f64) -> Figures {
    let groups = scaled(15_000, scale);
    let mut passes = Passes::new(4, groups);
    while passes.start() {
        let mut sum = 0;
        for _ in 0..groups {
            sum += C::group(ten()).await;
        }
        passes.stop();
        assert_eq!(sum, groups as u64 * 45);
    }
    passes.figures()
}

/// Futures that are the numbers from 0 to 9, ready at once.
fn ten() -> [impl Future<Output = u64> + Send + 'static; 10] {
    std::array::from_fn(|number| async move { number as u64 })
}
