//! Say hello, wait a second, say world.
use std::time::{Duration, Instant};

pub fn main() {
    corrente::run(async {
        let started = Instant::now();
        println!("hello");
        corrente::sleep(Duration::from_secs(1)).await;
        println!("world");
        println!("after {:.0} s", started.elapsed().as_secs_f64());
    });
}
