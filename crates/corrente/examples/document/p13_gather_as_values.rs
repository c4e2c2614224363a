//! Errors taken as values: each stands in the place of the child that returned it.
use corrente::{gather, sleep};
use std::time::Duration;

struct Boom(&'static str);

async fn job(name: &'static str, millis: u64) -> Result<&'static str, Boom> {
    sleep(Duration::from_millis(millis)).await;
    if name == "B" { Err(Boom(name)) } else { Ok(name) }
}

pub fn main() {
    corrente::run(async {
        let jobs = [job("A", 300), job("B", 100), job("C", 200)];
        for result in gather(jobs).await {
            match result {
                Ok(value) => println!("value {value}"),
                Err(Boom(tag)) => println!("error Boom({tag})"),
            }
        }
    });
}
