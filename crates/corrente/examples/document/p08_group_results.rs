//! What the children of a group return is there when the block has been left.
use corrente::{TaskGroup, sleep};
use std::time::Duration;

async fn double(n: u32) -> u32 {
    sleep(Duration::from_millis(100)).await;
    2 * n
}

pub fn main() {
    corrente::run(async {
        let group =
            TaskGroup::run(async |tg| (tg.create_task(double(4)), tg.create_task(double(21))));
        let (a, b) = group.await.expect("none of them fails");
        println!("both have ended: {}, {}", a.await, b.await);
    });
}
