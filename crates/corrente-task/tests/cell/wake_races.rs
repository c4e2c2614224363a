//! Wakes from anywhere at any time: during a poll, after the end, while everything is torn down.

use crate::common::drops::{Counted, Counter};
use crate::common::threads::{Pool, Queue};
use crate::common::{Fifo, World, how, lock, options};
use corrente_task::{Cause, Runnable, Schedule, Task, TaskError, TaskRef};
use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};

/// How often the two-thread races below are run.
const ROUNDS: usize = 500;

/// Counts polls and leaves a waker of the last one.
fn counting(
    polls: &Arc<AtomicUsize>,
    waker: &Arc<Mutex<Option<Waker>>>,
) -> impl Future<Output = ()> + Send + use<> {
    let (polls, waker) = (polls.clone(), waker.clone());
    poll_fn(move |cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        *lock(&waker) = Some(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn wakes_during_a_poll_are_one_more_poll() {
    #[derive(Clone)]
    struct Causes(Arc<Mutex<Vec<(Cause, Runnable)>>>);
    impl Schedule for Causes {
        fn schedule(&self, runnable: Runnable, cause: Cause) {
            lock(&self.0).push((cause, runnable));
        }
    }
    let schedule = Causes(Arc::default());
    let mut polls = 0;
    let future = poll_fn(move |cx| {
        polls += 1;
        let wakers: Vec<Waker> = (0..10).map(|_| cx.waker().clone()).collect();
        if polls == 1 {
            std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake)).join().unwrap();
        }
        Poll::<()>::Pending
    });
    let spawned = corrente_task::spawn(future, schedule.clone(), options());
    assert!(!spawned.runnable.run());
    let mut scheduled = std::mem::take(&mut *lock(&schedule.0));
    assert_eq!(scheduled.len(), 1);
    let (cause, runnable) = scheduled.remove(0);
    assert_eq!(cause, Cause::Yield);
    assert!(!runnable.run());
    assert!(lock(&schedule.0).is_empty());
}

#[test]
fn wakes_of_a_scheduled_task_change_nothing() {
    let world = World::new();
    let (polls, waker) = (Arc::default(), Arc::default());
    let task = world.spawn_send(counting(&polls, &waker));
    world.run_ready();
    let waker = lock(&waker).clone().unwrap();
    for _ in 0..10 {
        waker.wake_by_ref();
        let clone = waker.clone();
        clone.wake();
    }
    let ready = world.take_ready();
    assert_eq!(ready.len(), 1);
    ready.into_iter().for_each(|runnable| _ = runnable.run());
    assert_eq!(polls.load(Ordering::SeqCst), 2);
    // It keeps its own waker, and with it itself.
    assert!(task.end_now());
}

#[test]
fn a_waker_outlives_its_task_its_executor_and_its_thread() {
    let counter = Counter::default();
    let waker = Arc::new(Mutex::new(None));
    let (theirs, counted, schedule_counted) = (waker.clone(), counter.one(), counter.one());
    #[derive(Clone)]
    struct Owns {
        fifo: Fifo,
        _counted: Arc<Counted>,
    }
    impl Schedule for Owns {
        fn schedule(&self, runnable: Runnable, cause: Cause) {
            self.fifo.schedule(runnable, cause);
        }
    }
    std::thread::spawn(move || {
        let world = World::new();
        let mut first = true;
        let future = poll_fn(move |cx| {
            let _counted = &counted;
            *lock(&theirs) = Some(cx.waker().clone());
            if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
        });
        let schedule = Owns { fifo: Fifo::of(&world), _counted: Arc::new(schedule_counted) };
        let spawned = corrente_task::spawn(future, schedule, options());
        spawned.runnable.schedule();
        drop(spawned.task);
        world.run_ready();
        spawned.task_ref.abort();
        world.run_ready();
        assert!(spawned.task_ref.done());
    })
    .join()
    .unwrap();
    assert_eq!(counter.dropped(), 1, "the future is gone, the cell is not");
    let waker = lock(&waker).take().unwrap();
    waker.wake_by_ref();
    let other = waker.clone();
    assert!(other.will_wake(&waker));
    other.wake();
    assert_eq!(counter.dropped(), 1);
    drop(waker);
    assert_eq!(counter.dropped(), 2, "the last waker takes the cell along");
}

#[test]
fn dropping_the_last_waker_of_a_detached_task_ends_it() {
    let (world, counter) = (World::new(), Counter::default());
    let counted = counter.one();
    let waker = Arc::new(Mutex::new(None));
    let theirs = waker.clone();
    drop(world.spawn_send(async move {
        let _counted = counted;
        poll_fn(|cx| {
            *lock(&theirs) = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }));
    world.run_ready();
    assert_eq!((counter.dropped(), world.ended()), (0, 0));
    drop(lock(&waker).take());
    assert_eq!((counter.dropped(), world.ended()), (1, 1));
}

/// Two threads do one thing each to a task, at the same time, many times over.
fn race<T>(
    mut set_up: impl FnMut(&Arc<World>) -> T,
    one: impl Fn(&T) + Send + Sync,
    two: impl Fn(&T) + Send + Sync,
    mut check: impl FnMut(T, &Arc<World>),
) where
    T: Send + Sync,
{
    let start = Barrier::new(2);
    for _ in 0..ROUNDS {
        let world = World::new();
        let subject = set_up(&world);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                one(&subject);
            });
            start.wait();
            two(&subject);
        });
        world.run_ready();
        check(subject, &world);
    }
}

struct Subject {
    task: Task<Counted>,
    waker: Waker,
    runnable: Mutex<Option<Runnable>>,
    output: Counter,
    future: Counter,
}

impl Subject {
    /// A task that rested once and whose Runnable is at hand; its next poll gives the output.
    fn new(world: &Arc<World>) -> Self {
        let (output, future, place) =
            (Counter::default(), Counter::default(), Arc::new(Mutex::new(None)));
        let (out, counted, theirs) = (output.one(), future.one(), place.clone());
        let task = world.spawn_send(async move {
            let _counted = counted;
            let mut first = true;
            poll_fn(|cx| {
                *lock(&theirs) = Some(cx.waker().clone());
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            out
        });
        world.run_ready();
        let waker = lock(&place).take().unwrap();
        waker.wake_by_ref();
        let runnable = Mutex::new(world.take_ready().pop());
        Self { task, waker, runnable, output, future }
    }

    fn run(&self) {
        let runnable = lock(&self.runnable).take().unwrap();
        runnable.run();
    }

    fn drop_runnable(&self) {
        drop(lock(&self.runnable).take());
    }

    /// It has ended in one way, and everything is dropped once.
    fn check(mut self, world: &Arc<World>) -> &'static str {
        self.drop_runnable();
        world.run_ready();
        assert!(self.task.done(), "nobody has ended it");
        assert_eq!((self.future.dropped(), world.ended()), (1, 1));
        let how = match self.task.try_outcome() {
            Some(Ok(output)) => {
                assert_eq!(self.output.dropped(), 0);
                drop(output);
                "output"
            }
            Some(Err(TaskError::Cancelled(_))) => "cancelled",
            other => panic!("{:?}", other.map(|outcome| outcome.map(|_| ()))),
        };
        assert_eq!(self.output.dropped(), 1);
        drop(self.task);
        self.waker.wake();
        assert!(world.take_ready().is_empty());
        how
    }
}

#[test]
fn an_abort_races_with_the_last_poll() {
    let check = |subject: Subject, world: &Arc<World>| _ = subject.check(world);
    race(Subject::new, Subject::run, |subject| _ = subject.task.abort(), check);
}

#[test]
fn a_cancel_races_with_the_last_poll() {
    let check = |subject: Subject, world: &Arc<World>| _ = subject.check(world);
    race(Subject::new, Subject::run, |subject| _ = subject.task.cancel(), check);
}

#[test]
fn a_shutdown_races_with_the_last_poll() {
    let check = |subject: Subject, world: &Arc<World>| _ = subject.check(world);
    race(Subject::new, Subject::run, |subject| _ = subject.task.end_now(), check);
}

#[test]
fn two_aborts_race() {
    let abort = |subject: &Subject| _ = subject.task.abort();
    race(Subject::new, abort, abort, |subject, world| {
        subject.run();
        assert_eq!(subject.check(world), "cancelled");
    });
}

#[test]
fn two_shutdowns_race() {
    let end = |subject: &Subject| _ = subject.task.end_now();
    race(Subject::new, end, end, |subject, world| assert_eq!(subject.check(world), "cancelled"));
}

#[test]
fn a_cancel_races_with_a_shutdown() {
    let cancel = |subject: &Subject| _ = subject.task.cancel();
    let end = |subject: &Subject| while !subject.task.end_now() {};
    race(Subject::new, cancel, end, |subject, world| {
        assert_eq!(subject.check(world), "cancelled");
    });
}

#[test]
fn a_cancel_races_with_the_drop_of_the_runnable() {
    let cancel = |subject: &Subject| _ = subject.task.cancel();
    race(Subject::new, cancel, Subject::drop_runnable, |subject, world| {
        assert_eq!(subject.check(world), "cancelled");
    });
}

#[test]
fn a_dropped_handle_races_with_the_last_poll() {
    for _ in 0..ROUNDS {
        let world = World::new();
        let Subject { task, waker, runnable, output, future } = Subject::new(&world);
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop(task);
            });
            start.wait();
            lock(&runnable).take().unwrap().run();
        });
        assert_eq!((future.dropped(), output.dropped(), world.ended()), (1, 1, 1));
        drop(waker);
    }
}

#[test]
fn an_awaiter_races_with_the_end_of_what_it_awaits() {
    let pool = Pool::new(2);
    for _ in 0..ROUNDS {
        let inner = pool.spawn(async { 5 });
        let outer = pool.spawn(async move { inner.await + 1 });
        assert_eq!(futures_lite::future::block_on(outer), 6);
    }
}

#[test]
fn wakers_fire_while_their_executor_is_dropped() {
    for _ in 0..ROUNDS {
        let counter = Counter::default();
        let pool = Pool::new(1);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..4 {
            let (wakers, counted) = (wakers.clone(), counter.one());
            drop(pool.spawn(async move {
                let _counted = counted;
                poll_fn(|cx| {
                    lock(&wakers).push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }));
        }
        while lock(&wakers).len() < 4 {
            std::thread::yield_now();
        }
        let start = Arc::new(Barrier::new(2));
        let (theirs, started) = (std::mem::take(&mut *lock(&wakers)), start.clone());
        let firing = std::thread::spawn(move || {
            started.wait();
            theirs.into_iter().for_each(Waker::wake);
        });
        start.wait();
        drop(pool);
        firing.join().unwrap();
        // A poll that came through left a new waker behind.
        drop(std::mem::take(&mut *lock(&wakers)));
        assert_eq!(counter.dropped(), 4);
    }
}

#[test]
fn a_wake_in_the_destructor_of_a_thread_local_is_harmless() {
    use std::cell::RefCell;
    struct Wakes(Option<Waker>, Option<TaskRef>);
    impl Drop for Wakes {
        fn drop(&mut self) {
            self.0.take().unwrap().wake();
            assert!(corrente_task::current().is_none());
            assert!(self.1.take().unwrap().cancel());
            drop(corrente_task::spawn(async {}, Queue::default(), options()));
        }
    }
    thread_local! {
        static LATE: RefCell<Option<Wakes>> = const { RefCell::new(None) };
    }
    let world = World::new();
    let (polls, waker) = (Arc::default(), Arc::default());
    let task = world.spawn_send(counting(&polls, &waker));
    world.run_ready();
    let wakes = Wakes(lock(&waker).clone(), Some(task.as_ref().clone()));
    std::thread::spawn(|| LATE.set(Some(wakes))).join().unwrap();
    world.run_ready();
    assert_eq!((how(&task), polls.load(Ordering::SeqCst)), ("cancelled", 1));
}

#[test]
fn a_pending_task_forgotten_by_all_but_its_own_future_is_freed_by_a_shutdown() {
    let (world, counter) = (World::new(), Counter::default());
    let counted = counter.one();
    let task = world.spawn_send(async move {
        let _counted = counted;
        let _myself = corrente_task::current();
        pending::<()>().await;
    });
    world.run_ready();
    let reference = task.as_ref().clone();
    drop(task);
    assert_eq!(counter.dropped(), 0);
    assert!(reference.end_now());
    assert_eq!(counter.dropped(), 1);
}
