//! Who waits for what, as an application sees it: by the names of its tasks. The book is one for the whole
//! process, so these tests have a program of their own and take turns.

use corrente::sync::diagnostics::{self, LongWait};
use corrente::sync::{Barrier, Event, Lock, Queue};
use corrente::{Builder, TaskGroup, create_task, sleep};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(20);

struct Turn {
    _guard: MutexGuard<'static, ()>,
}

impl Turn {
    fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        Self { _guard: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        diagnostics::enable(false);
    }
}

/// A runtime that reports long waits, and what it has reported.
fn reporting() -> (Builder, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let hook = move |wait: &LongWait| telling.lock().unwrap().push(plain(wait));
    (Builder::new().long_wait(LIMIT).on_long_wait(hook), told)
}

/// Without addresses and times.
fn plain(wait: &LongWait) -> String {
    let text = wait.to_string();
    let words = text.split(' ').filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// Until so many are there: a hang, not a wrong number, if they never come.
async fn lines(count: usize, mut now: impl FnMut() -> Vec<String>) -> Vec<String> {
    loop {
        let mut lines = now();
        if lines.len() >= count {
            lines.sort();
            return lines;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn named(name: &str, future: impl Future<Output = ()> + Send + 'static) -> corrente::Task<()> {
    corrente::TaskBuilder::new().name(name).spawn(future)
}

#[test]
fn three_who_wait_are_listed_with_the_holder() {
    let _turn = Turn::new();
    let (builder, told) = reporting();
    let main = async {
        let lock = Arc::new(Lock::new(()));
        let (queue, barrier) = (Arc::new(Queue::<u8>::unbounded()), Arc::new(Barrier::new(2)));
        let (held, wanted) = (lock.clone(), lock.clone());
        let holding = Event::new();
        let ask = || diagnostics::waits(Duration::ZERO).iter().map(plain).collect();
        let holder = named("holder", async move {
            let _guard = held.lock().await;
            holding.wait().await;
        });
        lines(1, ask).await;
        let (items, meeting) = (queue.clone(), barrier.clone());
        let waiting = [
            named("locker", async move { drop(wanted.lock().await) }),
            named("getter", async move { _ = items.get().await }),
            named("meeter", async move { _ = meeting.wait().await }),
        ];
        let expected = [
            r#""getter" waits for an item of a queue at since s"#,
            r#""holder" waits for an Event at since s"#,
            r#""locker" waits for a Lock at since s; it is held by "holder""#,
            r#""meeter" waits for the others at a Barrier at since s"#,
        ];
        assert_eq!(lines(4, ask).await, expected, "asked for");
        assert_eq!(lines(4, || told.lock().unwrap().clone()).await, expected, "reported");
        // Each is told once.
        sleep(LIMIT * 3).await;
        assert_eq!(told.lock().unwrap().len(), 4);
        holder.cancel();
        queue.put_nowait(1).unwrap();
        barrier.wait().await.unwrap();
        for task in waiting {
            task.await;
        }
        assert_eq!(diagnostics::waits(Duration::ZERO).len(), 0);
    };
    builder.run(main).unwrap();
}

#[test]
fn a_cycle_of_two_is_reported() {
    let _turn = Turn::new();
    let (builder, told) = reporting();
    let main = async {
        let (fork, spoon) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let both = Arc::new(Barrier::new(2));
        let eat = |first: &Arc<Lock>, second: &Arc<Lock>| {
            let (first, second, both) = (first.clone(), second.clone(), both.clone());
            async move {
                let _first = first.lock().await;
                both.wait().await.unwrap();
                drop(second.lock().await);
            }
        };
        let plato = named("plato", eat(&fork, &spoon));
        let kant = named("kant", eat(&spoon, &fork));
        let deadlocks = || {
            let told = told.lock().unwrap();
            told.iter().filter(|line| line.contains("deadlock")).cloned().collect()
        };
        assert_eq!(
            lines(2, deadlocks).await,
            [
                r#""kant" waits for a Lock at since s; it is held by "plato" (deadlock)"#,
                r#""plato" waits for a Lock at since s; it is held by "kant" (deadlock)"#,
            ]
        );
        kant.abort();
        plato.await;
        assert_eq!(diagnostics::deadlocks(Duration::ZERO).len(), 0);
    };
    builder.run(main).unwrap();
}

/// A lock is granted to a future that nobody polls any more, while its task waits for the same lock.
#[test]
fn a_futurelock_is_reported() {
    let _turn = Turn::new();
    let (builder, told) = reporting();
    let main = async {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.lock().await;
        let own = lock.clone();
        let careless = named("careless", async move {
            let mut forgotten = pin!(own.lock());
            let _ = forgotten.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(own.lock().await);
        });
        let waiting = || diagnostics::waits(Duration::ZERO).iter().map(plain).collect();
        lines(2, waiting).await;
        drop(guard);
        let futurelock = || {
            let told = told.lock().unwrap();
            let is_one = |line: &&String| line.contains("deadlock") || line.contains("granted");
            told.iter().filter(is_one).cloned().collect()
        };
        assert_eq!(
            lines(2, futurelock).await,
            [
                r#""careless" waits for a Lock at since s; it is held by "careless" (deadlock)"#,
                r#""careless" was granted a Lock at s ago, and was not polled since"#,
            ]
        );
        careless.abort();
    };
    builder.run(main).unwrap();
}

/// A branch that has lost is gone when the arm of the winner runs: it is granted nothing.
#[test]
fn a_branch_that_lost_a_select_makes_no_futurelock() {
    let _turn = Turn::new();
    let (builder, told) = reporting();
    let main = async {
        let lock = Arc::new(Lock::new(()));
        let mut guard = Some(lock.lock().await);
        corrente::select! {
            _ = lock.lock() => panic!("it is not free"),
            () = sleep(Duration::from_millis(1)) => {
                drop(guard.take());
                drop(lock.lock().await);
            },
        }
    };
    builder.run(main).unwrap();
    assert!(!told.lock().unwrap().iter().any(|line| line.contains("deadlock")));
}

/// The report is there for a program that hangs, so it must outlive a handler that fails.
#[test]
fn a_handler_that_panics_is_called_again() {
    let _turn = Turn::new();
    let calls = Arc::new(Mutex::new(0));
    let counting = calls.clone();
    let builder = Builder::new().long_wait(LIMIT).on_long_wait(move |_| {
        *counting.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        std::panic::resume_unwind(Box::new("a bad handler"));
    });
    let main = TaskGroup::run(async |group| {
        let event = Arc::new(Event::new());
        for calls_so_far in 0..2 {
            let waiting = event.clone();
            group.create_task(async move { waiting.wait().await });
            while *calls.lock().unwrap_or_else(PoisonError::into_inner) <= calls_so_far {
                sleep(Duration::from_millis(1)).await;
            }
        }
        event.set();
    });
    builder.run(main).unwrap().unwrap();
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    let _turn = Turn::new();
    corrente::run(async {
        assert!(!diagnostics::is_enabled());
        let event = Arc::new(Event::new());
        let waiting = event.clone();
        let task = create_task(async move { waiting.wait().await });
        sleep(Duration::from_millis(1)).await;
        assert_eq!(diagnostics::waits(Duration::ZERO).len(), 0);
        event.set();
        task.await;
    });
    // What watches is no task, and does not keep a runtime from ending.
    let (builder, _) = reporting();
    builder.run(async { assert_eq!(corrente::all_tasks().len(), 1) }).unwrap();
}
