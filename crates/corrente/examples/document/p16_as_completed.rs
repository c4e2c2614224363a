//! Results in the order in which they come; a timeout when not all came in time.
use corrente::{as_completed, sleep};
use std::time::Duration;

async fn job(name: &'static str, millis: u64) -> &'static str {
    sleep(Duration::from_millis(millis)).await;
    name
}

pub fn main() {
    corrente::run(async {
        let mut jobs = as_completed([job("A", 300), job("B", 100), job("C", 200)]);
        while let Some(Ok(earliest)) = jobs.next().await {
            println!("{}", earliest.await);
        }
        let jobs = as_completed([job("quick", 100), job("slow", 3_600_000)]);
        let mut jobs = jobs.timeout(Duration::from_millis(300));
        while let Some(earliest) = jobs.next().await {
            match earliest {
                Ok(task) => println!("{}", task.await),
                Err(_) => println!("Timeout"),
            }
        }
    });
}
