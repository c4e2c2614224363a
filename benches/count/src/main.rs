//! Does one small thing so many times, on one worker with nothing else going on: for a tool that counts instructions.
//!
//! ```text
//! corrente-count WORKLOAD TIMES
//! corrente-count --list
//! ```
//! `cargo xtask count` runs each workload twice, and what the longer run has more, divided by the times that it has
//! more, is the cost of one. So start and end of the runtime do not count, and neither does growth that comes once.
#![forbid(unsafe_code)]

use corrente::sync::{Event, Lock, Queue, Semaphore, oneshot};
use corrente::{Builder, TaskGroup, catch_cancel, create_task, gather, sleep, timeout, yield_now};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A name, and what does it so many times.
type Workload = (&'static str, fn(usize) -> Work);

const LONG: Duration = Duration::from_secs(30);

const WORKLOADS: &[Workload] = &[
    ("spawn_join", |times| Box::pin(spawn_join(times))),
    ("spawn_batch", |times| Box::pin(spawn_batch(times))),
    ("spawn_detached", |times| Box::pin(spawn_detached(times))),
    ("yield", |times| Box::pin(yields(times))),
    ("wake", |times| Box::pin(wakes(times))),
    ("gather10", |times| Box::pin(gather10(times))),
    ("group10", |times| Box::pin(group10(times))),
    ("scope", |times| Box::pin(scope(times))),
    ("timeout", |times| Box::pin(timeouts(times))),
    ("timeout_task", |times| Box::pin(timeout_tasks(times))),
    ("sleep_dropped", |times| Box::pin(sleeps(times))),
    ("lock", |times| Box::pin(lock(times))),
    ("lock_line", |times| Box::pin(lock_line(times))),
    ("semaphore", |times| Box::pin(semaphore(times))),
    ("queue", |times| Box::pin(queue(times))),
    ("oneshot", |times| Box::pin(one_value(times))),
    ("event", |times| Box::pin(event(times))),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words == ["--list"] {
        WORKLOADS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let [name, times] = words[..] else {
        eprintln!("usage: corrente-count WORKLOAD TIMES\n       corrente-count --list");
        return ExitCode::from(2);
    };
    let work = WORKLOADS.iter().find(|(known, _)| *known == name);
    let (Some((_, work)), Ok(times)) = (work, times.parse()) else {
        eprintln!("corrente-count: there is no workload `{name}`, or {times} is no number");
        return ExitCode::from(2);
    };
    // No watchdog: it ticks by the clock, which no two runs share.
    let main = async move { create_task(work(times)).await };
    match Builder::new().workers(1).watchdog(false).run(main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corrente-count: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A task, awaited at once.
async fn spawn_join(times: usize) {
    for number in 0..times {
        assert_eq!(create_task(async move { number }).await, number);
    }
}

/// A task, one of a hundred that are spawned and then awaited.
async fn spawn_batch(times: usize) {
    let mut tasks = Vec::with_capacity(100);
    for _ in 0..times / 100 {
        tasks.extend((0..100).map(|number| create_task(async move { number })));
        for (number, task) in tasks.drain(..).enumerate() {
            assert_eq!(task.await, number);
        }
    }
}

/// A task that nobody awaits.
async fn spawn_detached(times: usize) {
    for _ in 0..times / 100 {
        (0..100).for_each(|_| create_task(async {}).detach());
        yield_now().await;
    }
}

/// One turn of a task that yields.
async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// A wait that another task ends, and the way back.
async fn wakes(times: usize) {
    let there = Arc::new(Queue::new(1));
    let back = Arc::new(Queue::new(1));
    let (from, to) = (there.clone(), back.clone());
    let other = create_task(async move {
        for _ in 0..times {
            if let Ok(value) = from.get().await {
                assert!(to.put(value).await.is_ok());
            }
        }
    });
    for number in 0..times {
        assert!(there.put(number).await.is_ok());
        assert!(back.get().await.is_ok_and(|value| value == number));
    }
    other.await;
}

fn ten() -> [impl Future<Output = u64> + Send + 'static; 10] {
    std::array::from_fn(|number| async move { number as u64 })
}

/// Ten tasks, gathered.
async fn gather10(times: usize) {
    for _ in 0..times {
        assert_eq!(gather(ten()).await.iter().sum::<u64>(), 45);
    }
}

/// Ten tasks in a group.
async fn group10(times: usize) {
    for _ in 0..times {
        let sum = TaskGroup::run(async |group| {
            let mut sum = 0;
            for task in ten().map(|future| group.create_task(future)) {
                sum += task.await;
            }
            sum
        });
        assert!(sum.await.is_ok_and(|sum| sum == 45));
    }
}

/// A scope that catches cancels, entered and left.
async fn scope(times: usize) {
    for number in 0..times {
        assert!(catch_cancel(async { number }).await.is_ok_and(|value| value == number));
    }
}

/// A timeout around something that yields once.
async fn timeouts(times: usize) {
    for _ in 0..times {
        assert!(timeout(LONG, yield_now()).await.is_ok());
    }
}

/// The same in a task of its own.
async fn timeout_tasks(times: usize) {
    for _ in 0..times {
        assert!(create_task(async { timeout(LONG, yield_now()).await.is_ok() }).await);
    }
}

/// A sleep that is polled once and dropped.
async fn sleeps(times: usize) {
    for _ in 0..times {
        let mut sleeping = std::pin::pin!(sleep(LONG));
        std::future::poll_fn(|cx| {
            assert!(sleeping.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
}

/// A free lock, taken and given back.
async fn lock(times: usize) {
    let lock = Lock::new(0);
    for _ in 0..times {
        *lock.lock().await += 1;
    }
    assert_eq!(lock.into_inner(), times);
}

/// Eight tasks in one line: each lock is handed on, eight in one piece of work.
async fn lock_line(times: usize) {
    let lock = Arc::new(Lock::new(0usize));
    let tasks = (0..8).map(|_| {
        let lock = Arc::clone(&lock);
        create_task(async move {
            for _ in 0..times {
                let mut count = lock.lock().await;
                *count += 1;
                // The others come to the line before it is handed on for the first time.
                if *count == 1 {
                    yield_now().await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await;
    }
    assert_eq!(*lock.lock().await, 8 * times);
}

/// A free permit, taken and given back.
async fn semaphore(times: usize) {
    let semaphore = Semaphore::new(1);
    for _ in 0..times {
        drop(semaphore.acquire().await);
    }
}

/// An item, put into a queue with room and taken out.
async fn queue(times: usize) {
    let queue = Queue::new(4);
    for number in 0..times {
        assert!(queue.put(number).await.is_ok());
        assert!(queue.get().await.is_ok_and(|value| value == number));
    }
}

/// A value through a oneshot channel that nobody waits at.
async fn one_value(times: usize) {
    for number in 0..times {
        let (sender, receiver) = oneshot::channel();
        assert!(sender.send(number).is_ok());
        assert!(receiver.await.is_ok_and(|value| value == number));
    }
}

/// A look at an event that is set.
async fn event(times: usize) {
    let event = Event::new();
    event.set();
    for _ in 0..times {
        event.wait().await;
    }
}
