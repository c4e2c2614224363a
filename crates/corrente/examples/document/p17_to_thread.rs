//! A function that blocks: in a thread it disturbs nobody, called directly it stops its worker.
//! With one worker, and no watchdog to call another, that is the whole loop, as in Python.
use corrente::{Builder, create_task, gather, sleep, to_thread};
use std::time::{Duration, Instant};

fn blocking() {
    std::thread::sleep(Duration::from_secs(1));
    println!("blocking ends");
}

pub fn main() {
    let main = async {
        let started = Instant::now();
        gather((to_thread(blocking), sleep(Duration::from_secs(1)))).await;
        println!("in a thread: {:.0} s", started.elapsed().as_secs_f64());
        let started = Instant::now();
        let sleeper = create_task(sleep(Duration::from_secs(1)));
        blocking();
        sleeper.await;
        println!("called directly: {:.0} s", started.elapsed().as_secs_f64());
    };
    Builder::new().workers(1).watchdog(false).run(main).expect("nobody cancels it");
}
