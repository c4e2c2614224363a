//! A function that returns a low-level Future; it is awaited like everything else.
use corrente::{Future, gather, get_running_loop, sleep};
use std::time::Duration;

fn answer_later(answer: &'static str) -> Future<&'static str> {
    let handle = get_running_loop().expect("called in a task");
    let future = handle.create_future();
    let completed = future.clone();
    handle.call_later(Duration::from_millis(100), move || completed.set_result(answer));
    future
}

async fn coroutine() -> &'static str {
    sleep(Duration::from_millis(100)).await;
    "from a coroutine"
}

pub fn main() {
    corrente::run(async {
        println!("{}", answer_later("from a future").await);
        let (a, b) = gather((answer_later("from a future"), coroutine())).await;
        println!("{a}, {b}");
    });
}
