//! `gather` gives the results in the order of its arguments, whoever ends first.
use corrente::{gather, sleep};
use std::time::Duration;

async fn job(name: &'static str, millis: u64) -> &'static str {
    sleep(Duration::from_millis(millis)).await;
    println!("{name} ends");
    name
}

pub fn main() {
    corrente::run(async {
        let (a, b, c) = gather((job("A", 300), job("B", 100), job("C", 200))).await;
        println!("results: {a}, {b}, {c}");
    });
}
