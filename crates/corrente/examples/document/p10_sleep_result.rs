//! `sleep_with` hands a value on, and a sleep lets others run even for zero seconds.
use corrente::{Builder, create_task, sleep, sleep_with};
use std::time::Duration;

async fn other() {
    println!("the other task runs");
}

pub fn main() {
    let main = async {
        println!("{}", sleep_with(Duration::from_millis(100), "a value that slept").await);
        let task = create_task(other());
        println!("before the zero sleep");
        sleep(Duration::ZERO).await;
        println!("after the zero sleep");
        task.await;
    };
    Builder::new().workers(1).run(main).expect("nobody cancels it");
}
