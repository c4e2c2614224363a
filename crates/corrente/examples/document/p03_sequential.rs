//! Two futures, one awaited after the other: their times add up.
use std::time::{Duration, Instant};

async fn say_after(seconds: u64, what: &str) {
    corrente::sleep(Duration::from_secs(seconds)).await;
    println!("{what}");
}

pub fn main() {
    corrente::run(async {
        let started = Instant::now();
        println!("started");
        say_after(1, "hello").await;
        say_after(2, "world").await;
        println!("finished after {:.0} s", started.elapsed().as_secs_f64());
    });
}
