//! `join!` and `select!`: every branch is a scope, and losers are awaited.

use corrente::{create_task, join, select, sleep, timeout, with_cleanup};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn say(&self, word: &'static str) {
        self.0.lock().unwrap().push(word);
    }
    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

#[corrente::test(fifo, virtual_time)]
async fn select_waits_for_the_clean_up_of_the_loser() {
    let log = Log::default();
    let answer = select! {
        _ = with_cleanup(sleep(LONG), async { sleep(SHORT).await; log.say("cleaned") }) => 0,
        value = async { sleep(SHORT).await; log.say("first"); 7 } => value,
    };
    assert_eq!((answer, log.all()), (7, vec!["first", "cleaned"]));
    assert_eq!(corrente::current_task().unwrap().cancelling(), 0);
    sleep(SHORT).await;
}

#[corrente::test(fifo, virtual_time)]
async fn a_cancel_reaches_every_branch_of_a_join_and_goes_on() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        join!(
            with_cleanup(sleep(LONG), async {
                sleep(SHORT).await;
                inner.say("a")
            }),
            sleep(LONG),
            with_cleanup(sleep(LONG), async { inner.say("b") }),
        );
        inner.say("never");
    });
    sleep(SHORT).await;
    task.cancel();
    assert!(task.outcome().await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(log.all(), ["b", "a"]);
}

#[corrente::test(fifo, virtual_time)]
async fn a_cancel_during_a_select_goes_on_after_all_clean_ups() {
    let log = Log::default();
    let inner = log.clone();
    let task = create_task(async move {
        select! {
            _ = with_cleanup(sleep(LONG), async { sleep(SHORT).await; inner.say("a") }) => (),
            _ = sleep(LONG) => (),
        }
        inner.say("never");
    });
    sleep(SHORT).await;
    task.cancel();
    assert!(task.outcome().await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(log.all(), ["a"]);
}

#[corrente::test(fifo, virtual_time)]
async fn a_timeout_around_a_select_and_inside_of_one() {
    let late = timeout(SHORT, async {
        select! {
            _ = sleep(LONG) => "a",
            inside = timeout(LONG, sleep(LONG)) => if inside.is_err() { "late" } else { "b" },
        }
    });
    assert!(late.await.is_err());
    let inside = select! {
        _ = sleep(LONG) => "a",
        inside = timeout(SHORT, sleep(LONG)) => if inside.is_err() { "late" } else { "b" },
    };
    assert_eq!(inside, "late");
}
