//! A child may add further children while its group waits; nobody may add one after the end.
use corrente::{Error, TaskGroup, sleep};
use std::time::Duration;

async fn child(n: u32) {
    sleep(Duration::from_millis(100)).await;
    println!("child {n} ends");
}

async fn parent(tg: TaskGroup) {
    sleep(Duration::from_millis(100)).await;
    println!("the block was left; two more");
    tg.create_task(child(1));
    sleep(Duration::from_millis(100)).await;
    tg.create_task(child(2));
}

pub fn main() {
    corrente::run(async {
        let group = TaskGroup::run(async |tg| {
            tg.create_task(parent(tg.clone()));
            println!("leaving the block");
            Ok::<_, Error>(tg)
        });
        let tg = group.await.expect("none of them fails");
        println!("all were awaited");
        if tg.try_create_task(child(3)).is_err() {
            println!("too late: RuntimeError");
        }
    });
}
