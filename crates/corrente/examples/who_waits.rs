//! Philosophers at table, until each has one fork and waits for the other: a runtime that says so.
//!
//!     cargo run --release --example who_waits
//!
//! Three of them take the left fork first. With `--in-order` each takes the fork with the lower number first,
//! and all of them eat.

use corrente::sync::Lock;
use corrente::{Builder, TaskGroup, sleep, timeout};
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let in_order = std::env::args().any(|word| word == "--in-order");
    // Without a handler the reports go to stderr.
    let builder = Builder::new()
        .long_wait(Duration::from_millis(500))
        .on_long_wait(|wait| println!("{wait}"));
    let dinner = builder.run(timeout(Duration::from_secs(2), dine(in_order)));
    match dinner.expect("a runtime") {
        Ok(()) => println!("all have eaten"),
        Err(_) => println!("nobody has eaten; dinner is over"),
    }
}

async fn dine(in_order: bool) {
    let forks: [Arc<Lock>; 3] = std::array::from_fn(|_| Arc::new(Lock::new(())));
    let eaten = TaskGroup::run(async |group| {
        for (seat, name) in ["Hypatia", "Plato", "Kant"].into_iter().enumerate() {
            let (mut first, mut second) = (seat, (seat + 1) % 3);
            if in_order && first > second {
                (first, second) = (second, first);
            }
            let (first, second) = (forks[first].clone(), forks[second].clone());
            group.task().name(name).spawn(async move {
                let _first = first.lock().await;
                sleep(Duration::from_millis(10)).await;
                let _second = second.lock().await;
                println!("{name} eats");
            });
        }
    });
    eaten.await.expect("nobody fails");
}
