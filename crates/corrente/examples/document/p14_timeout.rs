//! A limit that expires, one that does not, and one that is moved in time.
use corrente::{get_running_loop, sleep, timeout, timeout_scope};
use std::time::Duration;

async fn work(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
    println!("done after {seconds} s");
}

pub fn main() {
    corrente::run(async {
        if timeout(Duration::from_millis(100), work(3600.0)).await.is_err() {
            println!("Timeout");
        }
        timeout(Duration::from_secs(10), work(0.1)).await.expect("in time");
        let moved = timeout_scope(Duration::from_millis(300), async |limit| {
            let now = get_running_loop().expect("inside of run").time();
            limit.reschedule(Some(now + Duration::from_secs(10))).expect("it has not expired");
            work(0.5).await;
        });
        moved.await.expect("the limit was moved");
    });
}
