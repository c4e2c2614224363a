//! The same two in a group: it waits for both when its block is left.
use corrente::TaskGroup;
use std::time::{Duration, Instant};

async fn say_after(seconds: u64, what: &str) {
    corrente::sleep(Duration::from_secs(seconds)).await;
    println!("{what}");
}

pub fn main() {
    corrente::run(async {
        let started = Instant::now();
        let group = TaskGroup::run(async |tg| {
            tg.create_task(say_after(1, "hello"));
            tg.create_task(say_after(2, "world"));
            println!("started");
        });
        group.await.expect("none of them fails");
        println!("finished after {:.0} s", started.elapsed().as_secs_f64());
    });
}
