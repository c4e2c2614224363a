//! What is ready again and again must let others run now and then.

use crate::common::{World, check, log, spawn};
use corrente_task::budget;
use std::future::poll_fn;

/// Counts how many ready waits one poll may have.
async fn ready_waits_in_a_poll() -> u32 {
    let mut ready = 0;
    poll_fn(move |cx| {
        if ready > 0 {
            return std::task::Poll::Ready(ready);
        }
        while ready < 10_000 && budget::poll_proceed(cx).is_ready() {
            ready += 1;
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await
}

#[test]
fn a_poll_has_a_budget_and_the_next_one_a_new_one() {
    check(
        async {
            let others = spawn(async { log("others run") });
            let first = ready_waits_in_a_poll().await;
            log(format!("{}", first < 10_000));
            log(format!("{}", ready_waits_in_a_poll().await == first));
            others.await;
        },
        &["others run", "true", "true"],
    );
}

#[test]
fn awaiting_finished_tasks_costs_budget() {
    check(
        async {
            let done: Vec<_> = (0..1000).map(|number| spawn(async move { number })).collect();
            for task in &done {
                task.finished().await;
            }
            let others = spawn(async { log("others ran") });
            let mut sum = 0;
            for task in done {
                sum += task.await;
            }
            log(format!("{sum}"));
            others.await;
        },
        &["others ran", "499500"],
    );
}

#[test]
fn it_can_be_switched_off_and_never_runs_out_outside_of_polls() {
    std::thread::spawn(|| {
        budget::set_unlimited(true);
        let world = World::new();
        let task = world.spawn(ready_waits_in_a_poll());
        world.run_ready();
        assert_eq!(*task.result().unwrap().unwrap(), 10_000);
        budget::set_unlimited(false);
        assert_eq!(futures_lite::future::block_on(ready_waits_in_a_poll()), 10_000);
    })
    .join()
    .unwrap();
}

#[test]
fn a_poll_inside_a_poll_has_its_own() {
    check(
        async {
            let mut before = 0;
            poll_fn(|cx| {
                while budget::poll_proceed(cx).is_ready() {
                    before += 1;
                }
                std::task::Poll::Ready(())
            })
            .await;
            let inner = World::new();
            let task = inner.spawn(ready_waits_in_a_poll());
            inner.run_ready();
            log(format!("{}", *task.result().unwrap().unwrap() == before));
            let left = poll_fn(|cx| std::task::Poll::Ready(budget::poll_proceed(cx).is_ready()));
            log(format!("{}", left.await));
        },
        &["true", "false"],
    );
}
