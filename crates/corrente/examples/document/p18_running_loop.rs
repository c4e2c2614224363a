//! The running loop answers in a task and in a callback; outside there is none.
use corrente::{get_running_loop, sleep};
use std::time::Duration;

fn ask(place: &str) {
    match get_running_loop() {
        Ok(_) => println!("{place}: a loop is running"),
        Err(_) => println!("{place}: RuntimeError"),
    }
}

pub fn main() {
    ask("outside");
    corrente::run(async {
        ask("in a coroutine");
        get_running_loop().expect("inside of run").call_soon(|| ask("in a callback"));
        sleep(Duration::from_millis(100)).await;
    });
}
