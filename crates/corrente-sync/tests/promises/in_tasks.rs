//! Inside corrente's tasks: cancels, scopes and the budget, on one thread in asyncio's order.

use corrente_sync::{Condition, Lock, Queue, Semaphore};
use corrente_task::{
    Cause, Options, Runnable, Schedule, Task, TaskRef, budget, catch_cancel, spawn,
};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;

#[derive(Clone)]
struct Ready(Sender<Runnable>);

impl Schedule for Ready {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        let _ = self.0.send(runnable);
    }
}

/// Runs what is ready, first come first.
struct Executor {
    ready: Ready,
    runnables: Receiver<Runnable>,
    tasks: RefCell<Vec<Task<()>>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Executor {
    fn new() -> Self {
        let (sender, runnables) = channel();
        let log = Arc::default();
        Self { ready: Ready(sender), runnables, tasks: RefCell::default(), log }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> TaskRef {
        let spawned = spawn(future, self.ready.clone(), Options::default());
        spawned.runnable.schedule();
        self.tasks.borrow_mut().push(spawned.task);
        spawned.task_ref
    }

    /// Until nobody is ready; says how many polls it took.
    fn settle(&self) -> usize {
        let mut polls = 0;
        while let Ok(runnable) = self.runnables.try_recv() {
            runnable.run();
            polls += 1;
        }
        polls
    }

    fn logger(&self) -> impl Fn(&str) + Send + 'static + use<> {
        let log = Arc::clone(&self.log);
        move |line| log.lock().unwrap().push(line.to_owned())
    }

    #[track_caller]
    fn expect(&self, lines: &[&str]) {
        assert_eq!(*self.log.lock().unwrap(), lines);
    }
}

/// The scenario sync/lock-cancel-chosen-waiter.
#[test]
fn a_cancel_of_a_woken_task_wins_and_the_lock_goes_on() {
    let executor = Executor::new();
    let lock = Arc::new(Lock::new(()));
    let guard = lock.try_lock().unwrap();
    let worker = |name: &'static str| {
        let (lock, log) = (Arc::clone(&lock), executor.logger());
        executor.spawn(async move {
            let _guard = lock.lock().await;
            log(name);
        })
    };
    let (a, b) = (worker("a"), worker("b"));
    executor.settle();
    drop(guard);
    assert!(a.cancel());
    executor.settle();
    executor.expect(&["b"]);
    assert!(a.done() && b.done() && !lock.locked());
}

/// The scenario sync/condition-cancel-reacquires.
#[test]
fn a_cancel_leaves_a_condition_only_with_the_lock() {
    let executor = Executor::new();
    let condition = Arc::new(Condition::new(0));
    let (waiting, log) = (Arc::clone(&condition), executor.logger());
    let task = executor.spawn(async move {
        let mut guard = waiting.lock().await;
        if catch_cancel(guard.wait()).await.is_err() {
            *guard += 1;
            log(&format!("cancelled, locked={}", waiting.locked()));
        }
    });
    executor.settle();
    let guard = condition.try_lock().unwrap();
    assert!(task.cancel());
    executor.settle();
    assert!(!task.done(), "it waits for the lock");
    executor.expect(&[]);
    // A second cancel does not get between.
    assert!(task.cancel());
    executor.settle();
    assert!(!task.done());
    drop(guard);
    executor.settle();
    executor.expect(&["cancelled, locked=true"]);
    assert!(task.done());
    assert_eq!(*condition.try_lock().unwrap(), 1);
}

#[test]
fn a_cancel_leaves_a_bare_condition_only_with_the_lock() {
    let executor = Executor::new();
    let condition = Arc::new(Condition::new(()));
    let (waiting, log) = (Arc::clone(&condition), executor.logger());
    let task = executor.spawn(async move {
        waiting.acquire().await;
        let waited = catch_cancel(waiting.wait()).await;
        log(&format!("{} {}", waited.is_err(), waiting.locked()));
        waiting.release().unwrap();
    });
    executor.settle();
    assert!(task.cancel());
    executor.settle();
    executor.expect(&["true true"]);
    assert!(!condition.locked());
}

/// The scenario sync/condition-cancel-after-notify.
#[test]
fn a_notified_waiter_that_is_cancelled_passes_the_notification_on() {
    let executor = Executor::new();
    let condition = Arc::new(Condition::new(()));
    let waiter = |name: &'static str| {
        let (condition, log) = (Arc::clone(&condition), executor.logger());
        executor.spawn(async move {
            condition.lock().await.wait().await;
            log(name);
        })
    };
    let (a, b) = (waiter("a"), waiter("b"));
    executor.settle();
    let guard = condition.try_lock().unwrap();
    guard.notify(1);
    assert!(a.cancel());
    drop(guard);
    executor.settle();
    executor.expect(&["b"]);
    assert!(a.done() && b.done() && !condition.locked());
}

#[test]
fn a_waiter_cancelled_while_it_takes_the_lock_again_passes_the_notification_on() {
    let executor = Executor::new();
    let condition = Arc::new(Condition::new(()));
    let waiter = |name: &'static str| {
        let (condition, log) = (Arc::clone(&condition), executor.logger());
        executor.spawn(async move {
            condition.lock().await.wait().await;
            log(name);
        })
    };
    let (a, _) = (waiter("a"), waiter("b"));
    executor.settle();
    let guard = condition.try_lock().unwrap();
    guard.notify(1);
    executor.settle();
    assert!(a.cancel(), "it has its notification and waits for the lock");
    executor.settle();
    executor.expect(&[]);
    drop(guard);
    executor.settle();
    executor.expect(&["b"]);
    assert!(!condition.locked());
}

#[test]
fn a_cancel_that_comes_as_the_lock_is_taken_back_strikes_before_the_wait_is_over() {
    let executor = Executor::new();
    let condition = Arc::new(Condition::new(()));
    let (waiting, log) = (Arc::clone(&condition), executor.logger());
    let task = executor.spawn(async move {
        // Cancels in the very poll in which the waiter finds its notification, and the lock free.
        let mut is_second = false;
        let cancels = poll_fn(move |_| {
            if !std::mem::replace(&mut is_second, true) {
                return Poll::Pending;
            }
            assert!(corrente_task::current().unwrap().cancel());
            Poll::Ready(())
        });
        let waits = async {
            let mut guard = waiting.lock().await;
            let waited = catch_cancel(guard.wait()).await;
            log(&format!("cancelled={} locked={}", waited.is_err(), waiting.locked()));
        };
        futures_lite::future::zip(cancels, waits).await;
    });
    executor.settle();
    condition.try_lock().unwrap().notify(1);
    executor.settle();
    executor.expect(&["cancelled=true locked=true"]);
    assert!(task.done() && !condition.locked());
}

/// The scenario queues/cancel-woken-getter.
#[test]
fn a_cancelled_getter_hands_its_item_on() {
    let executor = Executor::new();
    let queue = Arc::new(Queue::unbounded());
    let getter = |name: &'static str| {
        let (queue, log) = (Arc::clone(&queue), executor.logger());
        executor.spawn(async move {
            let item: &str = queue.get().await.unwrap();
            log(&format!("{name} {item}"));
        })
    };
    let (a, _) = (getter("a"), getter("b"));
    executor.settle();
    queue.put_nowait("item").unwrap();
    assert!(a.cancel());
    executor.settle();
    executor.expect(&["b item"]);
}

#[test]
fn an_aborted_task_hands_on_and_releases() {
    let executor = Executor::new();
    let semaphore = Arc::new(Semaphore::new(1));
    let worker = || {
        let semaphore = Arc::clone(&semaphore);
        executor.spawn(async move {
            let _permit = semaphore.acquire().await;
            std::future::pending::<()>().await;
        })
    };
    let (holder, waiter) = (worker(), worker());
    executor.settle();
    holder.abort();
    executor.settle();
    assert!(semaphore.locked(), "the waiter has it now");
    waiter.abort();
    executor.settle();
    assert!(!semaphore.locked());
}

#[test]
fn a_task_that_always_finds_something_lets_others_run() {
    let executor = Executor::new();
    let lock = Arc::new(Lock::new(()));
    executor.spawn(async move {
        for _ in 0..1000 {
            drop(lock.lock().await);
        }
    });
    let limited = executor.settle();
    assert!(limited > 4, "{limited} polls for 1000 locks");
}

#[test]
fn with_an_unlimited_budget_it_does_not() {
    let executor = Executor::new();
    budget::set_unlimited(true);
    let queue = Queue::unbounded();
    executor.spawn(async move {
        for item in 0..1000 {
            queue.put(item).await.unwrap();
            assert_eq!(queue.get().await, Ok(item));
        }
    });
    let unlimited = executor.settle();
    budget::set_unlimited(false);
    assert_eq!(unlimited, 1);
}
