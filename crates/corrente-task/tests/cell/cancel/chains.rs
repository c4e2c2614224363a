//! Requests that go from task to task: long chains, circles, and tasks that are reached on two ways.

use crate::common::threads::{Pool, on_a_small_stack};
use crate::common::{World, check, how, log, me, nap, now, spawn};
use corrente_task::{Task, TaskRef, catch_cancel, forward_cancel};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

#[test]
fn a_chain_of_100_000_tasks_is_cancelled_at_its_head_on_a_small_stack() {
    on_a_small_stack(|| {
        let world = World::new();
        let mut task = world.spawn_send(std::future::pending::<()>());
        for _ in 1..100_000 {
            task = world.spawn_send(task);
        }
        world.run_ready();
        assert!(task.cancel());
        world.run_ready();
        assert_eq!((how(&task), task.cancelling(), world.ended()), ("cancelled", 1, 100_000));
    });
}

#[test]
fn a_chain_of_100_000_tasks_is_aborted_at_its_end_on_a_small_stack() {
    on_a_small_stack(|| {
        let world = World::new();
        let mut task = world.spawn_send(std::future::pending::<()>());
        let last = task.as_ref().clone();
        for _ in 1..100_000 {
            task = world.spawn_send(task);
        }
        world.run_ready();
        assert!(last.abort());
        world.run_ready();
        assert_eq!((how(&task), task.cancelling(), world.ended()), ("cancelled", 0, 100_000));
    });
}

/// A place where a task finds, later, what it is to await.
type Later = Arc<Mutex<Option<Task<()>>>>;

async fn awaits(other: Later) {
    let other = other.lock().unwrap().take().unwrap();
    other.await;
}

#[test]
fn tasks_that_await_each_other_end_when_one_is_cancelled() {
    check(
        async {
            let (a, b) = (Later::default(), Later::default());
            let first = spawn(awaits(b.clone()));
            let second = spawn(awaits(a.clone()));
            let both = [first.as_ref().clone(), second.as_ref().clone()];
            *a.lock().unwrap() = Some(first);
            *b.lock().unwrap() = Some(second);
            nap(10).await;
            both[0].cancel();
            for task in &both {
                task.finished().await;
                log(format!("{} cancelling={}", now(), task.cancelling()));
            }
        },
        &["10 cancelling=1", "10 cancelling=1"],
    );
}

#[test]
fn a_circle_of_three_ends_wherever_it_is_entered() {
    for entry in 0..3 {
        check(
            async move {
                let places: Vec<Later> = (0..3).map(|_| Later::default()).collect();
                let mut tasks = Vec::new();
                for number in 0..3 {
                    let next = places[(number + 1) % 3].clone();
                    let task = spawn(awaits(next));
                    tasks.push(task.as_ref().clone());
                    *places[number].lock().unwrap() = Some(task);
                }
                let outside = tasks[entry].clone();
                let waiter =
                    spawn(forward_cancel(Arc::from([outside.clone()]), outside.finished()));
                nap(10).await;
                waiter.cancel();
                for task in &tasks {
                    task.finished().await;
                }
                waiter.finished().await;
                log(format!("{} {}", now(), how(&waiter)));
            },
            &["10 result"],
        );
    }
}

#[test]
fn a_task_that_forwards_to_itself_is_interrupted() {
    check(
        async {
            let task = spawn(async {
                let targets = Arc::from([me()]);
                log(format!("{:?}", catch_cancel(forward_cancel(targets, nap(100))).await));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} cancelling={}", now(), task.cancelling()));
        },
        &["Err(Cancelled)", "10 cancelling=1"],
    );
}

#[test]
fn a_task_reached_on_two_ways_is_asked_once() {
    check(
        async {
            let end = spawn(async {
                let caught = catch_cancel(nap(1000)).await;
                log(format!("{} {caught:?} cancelling={}", now(), me().cancelling()));
                nap(20).await;
            });
            let end = end.as_ref().clone();
            let way = |name: &'static str| {
                let end = end.clone();
                spawn(async move {
                    forward_cancel(Arc::from([end.clone()]), end.finished()).await;
                    log(format!("{} {name} waited to the end", now()));
                })
            };
            let (left, right) = (way("left"), way("right"));
            let both: Arc<[TaskRef]> = Arc::from([left.as_ref().clone(), right.as_ref().clone()]);
            let top = spawn(forward_cancel(both, async move {
                left.finished().await;
                right.finished().await;
            }));
            nap(10).await;
            top.cancel();
            top.finished().await;
            log(format!("{} {}", now(), how(&top)));
        },
        &[
            "10 Err(Cancelled) cancelling=1",
            "30 left waited to the end",
            "30 right waited to the end",
            "30 result",
        ],
    );
}

/// Each of two tasks awaits the other, and two threads cancel one each.
#[test]
fn tasks_that_await_each_other_are_cancelled_from_two_threads() {
    let pool = Pool::new(2);
    for _ in 0..500 {
        let (a, b) = (Later::default(), Later::default());
        let start = Arc::new(Barrier::new(3));
        let awaits = |other: Later| async move {
            let other = loop {
                let found = other.lock().unwrap().take();
                match found {
                    Some(other) => break other,
                    None => crate::common::foreign::yield_once().await,
                }
            };
            other.await;
        };
        let first = pool.spawn(awaits(b.clone()));
        let second = pool.spawn(awaits(a.clone()));
        let both = [first.as_ref().clone(), second.as_ref().clone()];
        let cancels: Vec<_> = both
            .iter()
            .map(|task| {
                let (task, start) = (task.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    task.cancel();
                })
            })
            .collect();
        *a.lock().unwrap() = Some(first);
        *b.lock().unwrap() = Some(second);
        start.wait();
        for cancel in cancels {
            cancel.join().unwrap();
        }
        let since = Instant::now();
        while !both.iter().all(|task| task.done()) {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "they wait for each other: {both:?}"
            );
            std::thread::yield_now();
        }
    }
}

/// A tree of tasks, each of which waits for two more.
fn tree(depth: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return match catch_cancel(std::future::pending::<()>()).await {
                Ok(()) => 0,
                Err(_) => 1,
            };
        }
        let world = World::here();
        let (left, right) = (world.spawn_send(tree(depth - 1)), world.spawn_send(tree(depth - 1)));
        let both: Arc<[TaskRef]> = Arc::from([left.as_ref().clone(), right.as_ref().clone()]);
        let gathered = async move { left.await + right.await };
        forward_cancel(both, gathered).await
    })
}

#[test]
fn a_tree_of_tasks_is_asked_to_its_leaves() {
    check(
        async {
            let root = World::here().spawn_send(tree(5));
            nap(1).await;
            root.cancel();
            root.finished().await;
            log(format!("{:?}", root.result().unwrap().unwrap()));
        },
        &["32"],
    );
}
