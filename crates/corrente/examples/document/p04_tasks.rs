//! The same two as tasks: they run at the same time.
use corrente::create_task;
use std::time::{Duration, Instant};

async fn say_after(seconds: u64, what: &str) {
    corrente::sleep(Duration::from_secs(seconds)).await;
    println!("{what}");
}

pub fn main() {
    corrente::run(async {
        let started = Instant::now();
        let hello = create_task(say_after(1, "hello"));
        let world = create_task(say_after(2, "world"));
        println!("started");
        hello.await;
        world.await;
        println!("finished after {:.0} s", started.elapsed().as_secs_f64());
    });
}
