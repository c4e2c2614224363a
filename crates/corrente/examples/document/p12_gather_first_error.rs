//! The first error reaches whoever awaits `try_gather` at once; the other children run on.
use corrente::{sleep, try_gather};
use std::time::Duration;

#[derive(Debug)]
struct Boom(&'static str);

async fn fail(tag: &'static str) -> Result<(), Boom> {
    sleep(Duration::from_millis(100)).await;
    Err(Boom(tag))
}

async fn work(name: &'static str, millis: u64) -> Result<(), Boom> {
    sleep(Duration::from_millis(millis)).await;
    println!("{name} has finished");
    Ok(())
}

pub fn main() {
    corrente::run(async {
        if let Err(Boom(tag)) = try_gather((work("A", 300), fail("x"), work("B", 400))).await {
            println!("caught Boom({tag})");
        }
        sleep(Duration::from_millis(500)).await;
    });
}
