//! The book of waits. It is one for the whole process, so these tests have a program of their own and
//! take turns.

use corrente_sync::diagnostics::{self, What};
use corrente_sync::{Barrier, Condition, Event, Lock, Queue, RwLock, Semaphore};
use corrente_task::{Cause, Options, Runnable, Schedule, Task, spawn};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

/// Keeps the book as long as it lives.
struct Watching {
    _turn: MutexGuard<'static, ()>,
}

fn watching() -> Watching {
    let watching = not_watching_yet();
    diagnostics::enable(true);
    watching
}

fn not_watching_yet() -> Watching {
    static TURN: Mutex<()> = Mutex::new(());
    Watching { _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
}

impl Drop for Watching {
    fn drop(&mut self) {
        diagnostics::enable(false);
        assert!(!diagnostics::is_enabled() && diagnostics::waits(Duration::ZERO).is_empty());
    }
}

#[derive(Clone)]
struct Ready(Sender<Runnable>);

impl Schedule for Ready {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        let _ = self.0.send(runnable);
    }
}

struct Executor(Ready, Receiver<Runnable>);

impl Executor {
    fn new() -> Self {
        let (sender, runnables) = channel();
        Self(Ready(sender), runnables)
    }

    fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let options = Options { name: Some(name.into()), ..Options::default() };
        let spawned = spawn(future, self.0.clone(), options);
        spawned.runnable.schedule();
        spawned.task
    }

    fn settle(&self) {
        while let Ok(runnable) = self.1.try_recv() {
            runnable.run();
        }
    }
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn lines(waits: &[diagnostics::LongWait]) -> Vec<String> {
    let without_numbers = |line: String| {
        let kept = line.split(' ').filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        kept.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<_> = waits.iter().map(|wait| without_numbers(wait.to_string())).collect();
    lines.sort();
    lines
}

#[test]
fn waits_are_listed_with_waiter_and_holder() {
    let _watching = watching();
    let executor = Executor::new();
    let lock = Arc::new(Lock::new(()));
    let (held, wanted) = (Arc::clone(&lock), Arc::clone(&lock));
    let holder = executor.spawn("holder", async move {
        let _guard = held.lock().await;
        std::future::pending::<()>().await;
    });
    executor.settle();
    let waiter = executor.spawn("waiter", async move { drop(wanted.lock().await) });
    executor.settle();

    let waits = diagnostics::waits(Duration::ZERO);
    assert_eq!(lines(&waits), [r#""waiter" waits for a Lock at since s; it is held by "holder""#]);
    assert_eq!((waits[0].what, waits[0].waiter.name()), (What::Lock, "waiter"));
    assert!(diagnostics::waits(Duration::from_secs(3600)).is_empty());
    assert!(diagnostics::deadlocks(Duration::ZERO).is_empty(), "the holder may go on");

    holder.abort();
    executor.settle();
    assert!(waiter.done() && diagnostics::waits(Duration::ZERO).is_empty());
}

#[test]
fn every_kind_of_wait_is_listed_and_leaves_the_list() {
    let _watching = watching();
    let (semaphore, event, barrier) = (Semaphore::new(0), Event::new(), Barrier::new(2));
    let (full, empty) = (Queue::new(1), Queue::<u8>::unbounded());
    full.put_nowait(1).unwrap();
    let (condition, lock) = (Condition::new(()), RwLock::new(()));
    let reading = lock.try_read();
    {
        let mut waits = [
            Box::pin(async { drop(semaphore.acquire().await) })
                as Pin<Box<dyn Future<Output = ()> + '_>>,
            Box::pin(event.wait()),
            Box::pin(async { _ = barrier.wait().await }),
            Box::pin(async { _ = full.put(2).await }),
            Box::pin(async { _ = empty.get().await }),
            Box::pin(full.join()),
            Box::pin(async { condition.lock().await.wait().await }),
            Box::pin(async { drop(lock.write().await) }),
        ];
        assert!(waits.iter_mut().all(|wait| !poll_once(wait.as_mut())));
        let listed: Vec<_> = diagnostics::waits(Duration::ZERO).iter().map(|w| w.what).collect();
        for what in [
            What::Semaphore,
            What::Event,
            What::Barrier,
            What::Put,
            What::Get,
            What::Join,
            What::Condition,
            What::RwLock,
        ] {
            assert_eq!(listed.iter().filter(|listed| **listed == what).count(), 1, "{what}");
        }
    }
    assert!(diagnostics::waits(Duration::ZERO).is_empty());
    drop(reading);
}

#[test]
fn two_tasks_that_wait_for_each_other_are_found() {
    let _watching = watching();
    let executor = Executor::new();
    let (one, other) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
    let both = |first: &Arc<Lock>, second: &Arc<Lock>, started: &Arc<Event>| {
        let (first, second, started) = (Arc::clone(first), Arc::clone(second), Arc::clone(started));
        async move {
            let _first = first.lock().await;
            started.wait().await;
            drop(second.lock().await);
        }
    };
    let started = Arc::new(Event::new());
    let a = executor.spawn("a", both(&one, &other, &started));
    let b = executor.spawn("b", both(&other, &one, &started));
    executor.settle();
    assert!(diagnostics::deadlocks(Duration::ZERO).is_empty(), "they wait for an event");
    started.set();
    executor.settle();
    assert_eq!(
        lines(&diagnostics::deadlocks(Duration::ZERO)),
        [
            r#""a" waits for a Lock at since s; it is held by "b" (deadlock)"#,
            r#""b" waits for a Lock at since s; it is held by "a" (deadlock)"#
        ]
    );
    a.abort();
    executor.settle();
    assert!(b.done() && diagnostics::deadlocks(Duration::ZERO).is_empty());
}

#[test]
fn a_granted_waiter_that_is_not_polled_is_found() {
    let _watching = watching();
    let lock = Arc::new(Lock::new(()));
    let guard = lock.try_lock().unwrap();
    // One future is begun and then forgotten, while its task waits for the same lock in another.
    let mut forgotten = pin!(lock.lock());
    assert!(!poll_once(forgotten.as_mut()));
    drop(guard);
    let waits = diagnostics::waits(Duration::ZERO);
    assert!(waits[0].granted.is_some());
    assert!(waits[0].to_string().contains("was not polled since"), "{}", waits[0]);
    let mut second = pin!(lock.lock());
    assert!(!poll_once(second.as_mut()));
    let stuck = diagnostics::deadlocks(Duration::ZERO);
    assert_eq!(stuck.len(), 1);
    assert!(stuck[0].granted.is_none() && stuck[0].holders[0] == stuck[0].waiter);
    // Once it is polled, there is no deadlock but the ordinary one with its own guard.
    assert!(poll_once(forgotten.as_mut()));
    assert!(poll_once(second.as_mut()));
    assert!(diagnostics::waits(Duration::ZERO).is_empty());
}

#[test]
fn what_began_before_the_book_was_opened_does_no_harm() {
    let watching = not_watching_yet();
    let lock = Lock::new(());
    let guard = lock.try_lock();
    let mut early = Box::pin(lock.lock());
    assert!(!poll_once(early.as_mut()));
    diagnostics::enable(true);
    assert!(diagnostics::waits(Duration::ZERO).is_empty());
    let mut late = Box::pin(lock.lock());
    assert!(!poll_once(late.as_mut()));
    assert!(diagnostics::waits(Duration::ZERO)[0].holders.is_empty(), "the holder is not known");
    drop(guard);
    drop(early);
    assert!(poll_once(late.as_mut()));
    drop(watching);
    drop(late);
}
