//! `wait` sorts tasks into done and pending; it raises nothing and cancels nothing.
use corrente::ReturnWhen::{AllCompleted, FirstCompleted, FirstException};
use corrente::{ReturnWhen, Task, TaskBuilder, sleep, wait};
use std::time::Duration;

struct Boom;

async fn job(millis: u64, fails: bool) -> Result<(), Boom> {
    sleep(Duration::from_millis(millis)).await;
    if fails { Err(Boom) } else { Ok(()) }
}

fn names<'a>(tasks: impl IntoIterator<Item = &'a Task<Result<(), Boom>>>) -> String {
    let names: String = tasks.into_iter().map(|task| task.name()).collect();
    if names.is_empty() { "-".into() } else { names }
}

async fn show(title: &str, return_when: ReturnWhen, limit: Option<Duration>) {
    let plan = [("a", 200, false), ("b", 400, true), ("c", 600, false)];
    let tasks =
        plan.map(|(name, millis, fails)| TaskBuilder::new().name(name).spawn(job(millis, fails)));
    let (done, pending) = wait(&tasks).return_when(return_when).timeout(limit).await.unwrap();
    println!("{title}: done {}, pending {}", names(done), names(pending));
    wait(&tasks).await.unwrap();
    println!("  later: cancelled {}", names(tasks.iter().filter(|task| task.cancelled())));
}

pub fn main() {
    corrente::run(async {
        show("all completed", AllCompleted, None).await;
        show("first completed", FirstCompleted, None).await;
        show("first exception", FirstException, None).await;
        show("timeout", AllCompleted, Some(Duration::from_millis(300))).await;
        if wait(Vec::<Task<()>>::new()).await.is_err() {
            println!("nothing to wait for: ValueError");
        }
    });
}
