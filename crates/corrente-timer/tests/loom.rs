//! Models of what races in the timers: every interleaving of a few threads, by loom.
//!
//! `RUSTFLAGS="--cfg corrente_loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release -p corrente-timer
//! --test loom --target-dir target/loom-corrente-timer`
//!
//! The bugs in `planted/` must each turn one of them red.
#![cfg(corrente_loom)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corrente_timer::{Clock, Closed, Sleep, Tick, Timers, Wait};
use loom::thread;

/// Counts its wakes. Its counter is no part of the model: it is read when all threads have ended.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn waker(counter: &Arc<Counter>) -> Waker {
    Waker::from(Arc::clone(counter))
}

fn tick(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

/// Timers at tick zero, and the counter of their interrupts.
fn timers(shards: usize) -> (Timers, Arc<Counter>) {
    let timers = Timers::new(Clock::manual(), shards);
    let interrupts = Arc::new(Counter::default());
    timers.set_interrupter(waker(&interrupts));
    (timers, interrupts)
}

/// A thread that registers one timer.
fn register(timers: &Timers, shard: usize, deadline: u64) -> thread::JoinHandle<()> {
    let timers = timers.clone();
    thread::spawn(move || {
        timers.register(shard, tick(deadline), Waker::noop()).expect("not closed");
    })
}

/// Whether the driver that waits from tick zero on wakes by itself at `deadline` at the latest.
fn in_time(wait: &Wait<'_>, deadline: u64) -> bool {
    wait.limit().is_some_and(|limit| limit <= Duration::from_micros(deadline))
}

#[test]
fn an_insert_against_a_driver_that_goes_to_sleep() {
    loom::model(|| {
        let (timers, interrupts) = timers(1);
        let inserter = register(&timers, 0, 5);
        let wait = timers.begin_wait(Tick::ZERO, None);
        inserter.join().expect("it does not panic");
        assert!(in_time(&wait, 5) || interrupts.count() == 1);
        assert!(interrupts.count() <= 1);
    });
}

#[test]
fn an_insert_against_a_driver_with_a_later_timer() {
    loom::model(|| {
        let (timers, interrupts) = timers(2);
        timers.register(1, tick(9), Waker::noop()).expect("not closed");
        let inserter = register(&timers, 0, 5);
        let wait = timers.begin_wait(Tick::ZERO, None);
        inserter.join().expect("it does not panic");
        assert!(in_time(&wait, 9));
        assert!(in_time(&wait, 5) || interrupts.count() == 1);
    });
}

/// It knows what it lets wait, and for how long at most.
#[test]
fn an_insert_against_a_driver_that_collects() {
    loom::model(|| {
        let (timers, interrupts) = timers(2);
        timers.register(1, tick(3), Waker::noop()).expect("not closed");
        let inserter = register(&timers, 0, 5);
        let wait = timers.begin_wait_until(Tick::ZERO, None, tick(7));
        inserter.join().expect("it does not panic");
        assert!(in_time(&wait, 7));
        assert!(interrupts.count() <= 1);
    });
}

#[test]
fn a_later_insert_does_not_interrupt() {
    loom::model(|| {
        let (timers, interrupts) = timers(2);
        let wait = timers.begin_wait(Tick::ZERO, Some(Duration::from_micros(4)));
        let inserters = [register(&timers, 0, 4), register(&timers, 1, 5)];
        for inserter in inserters {
            inserter.join().expect("it does not panic");
        }
        assert!(in_time(&wait, 4));
        assert_eq!(interrupts.count(), 0);
    });
}

#[test]
fn two_inserts_into_one_shard() {
    loom::model(|| {
        let (timers, interrupts) = timers(1);
        let inserters = [register(&timers, 0, 5), register(&timers, 0, 3)];
        let wait = timers.begin_wait(Tick::ZERO, None);
        for inserter in inserters {
            inserter.join().expect("it does not panic");
        }
        assert!(in_time(&wait, 3) || interrupts.count() >= 1);
    });
}

#[test]
fn two_inserts_into_two_shards() {
    loom::model(|| {
        let (timers, interrupts) = timers(2);
        let inserters = [register(&timers, 0, 5), register(&timers, 1, 3)];
        let wait = timers.begin_wait(Tick::ZERO, None);
        for inserter in inserters {
            inserter.join().expect("it does not panic");
        }
        assert!(in_time(&wait, 3) || interrupts.count() >= 1);
    });
}

/// The first sleep ends by itself before the deadline, so the insert need not interrupt it; the
/// second must know the deadline all the same.
#[test]
fn an_insert_during_a_sleep_counts_in_the_next() {
    loom::model(|| {
        let (timers, interrupts) = timers(1);
        let inserter = register(&timers, 0, 5);
        drop(timers.begin_wait(Tick::ZERO, Some(Duration::from_micros(2))));
        let wait = timers.begin_wait(Tick::ZERO, None);
        inserter.join().expect("it does not panic");
        assert!(in_time(&wait, 5) || interrupts.count() == 1);
    });
}

/// The turn sets the shard's earliest deadline anew.
#[test]
fn an_insert_against_a_turn_and_the_sleep_after_it() {
    loom::model(|| {
        let (timers, interrupts) = timers(1);
        timers.register(0, tick(1), Waker::noop()).expect("not closed");
        let inserter = register(&timers, 0, 5);
        let mut ready = Vec::new();
        timers.turn(tick(2), &mut ready);
        assert_eq!(ready.len(), 1);
        let wait = timers.begin_wait(Tick::ZERO, None);
        inserter.join().expect("it does not panic");
        assert!(in_time(&wait, 5) || interrupts.count() == 1);
    });
}

#[test]
fn a_reset_to_earlier_against_a_driver_that_goes_to_sleep() {
    loom::model(|| {
        let (timers, interrupts) = timers(1);
        let key = timers.register(0, tick(9), Waker::noop()).expect("not closed");
        let resetter = {
            let timers = timers.clone();
            thread::spawn(move || assert!(timers.reset(key, tick(5))))
        };
        let wait = timers.begin_wait(Tick::ZERO, None);
        resetter.join().expect("it does not panic");
        assert!(in_time(&wait, 5) || interrupts.count() == 1);
    });
}

#[test]
fn a_timer_is_given_out_or_cancelled() {
    loom::model(|| {
        let (timers, _) = timers(1);
        let key = timers.register(0, tick(5), Waker::noop()).expect("not closed");
        let canceller = {
            let timers = timers.clone();
            thread::spawn(move || timers.cancel(key))
        };
        let mut ready = Vec::new();
        timers.turn(tick(5), &mut ready);
        let cancelled = canceller.join().expect("it does not panic");
        assert_eq!(ready.len(), usize::from(!cancelled));
        assert!(timers.is_empty());
    });
}

fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<Result<(), Closed>> {
    Pin::new(sleep).poll(&mut Context::from_waker(waker))
}

/// A thread that moves the clock, turns, and wakes.
fn turn(timers: &Timers, now: u64) -> thread::JoinHandle<()> {
    let timers = timers.clone();
    thread::spawn(move || {
        timers.clock().advance_to(tick(now));
        let mut ready = Vec::new();
        timers.turn(tick(now), &mut ready);
        ready.into_iter().for_each(Waker::wake);
    })
}

/// So far ahead that a sleep goes into the wheel without a look at the clock.
const FAR: u64 = 5_000;

#[test]
fn a_sleep_that_is_first_polled_during_the_turn() {
    loom::model(|| {
        let (timers, _) = timers(1);
        let counter = Arc::new(Counter::default());
        let mut sleep = Sleep::new(&timers, 0, tick(FAR));
        let turner = turn(&timers, FAR);
        let polled = poll(&mut sleep, &waker(&counter));
        turner.join().expect("it does not panic");
        if polled.is_pending() {
            // It came before the turn, or is due in the next.
            turn(&timers, FAR).join().expect("it does not panic");
            assert_eq!(counter.count(), 1);
        }
        if polled.is_ready() {
            assert_eq!(polled, Poll::Ready(Ok(())));
        } else {
            assert_eq!(poll(&mut sleep, &waker(&counter)), Poll::Ready(Ok(())));
        }
        assert!(timers.is_empty());
    });
}

#[test]
fn a_sleep_polled_by_another_task_during_the_turn() {
    loom::model(|| {
        let (timers, _) = timers(1);
        let (old, new) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let mut sleep = Sleep::new(&timers, 0, tick(FAR));
        assert!(poll(&mut sleep, &waker(&old)).is_pending());
        let turner = turn(&timers, FAR);
        let polled = poll(&mut sleep, &waker(&new));
        turner.join().expect("it does not panic");
        match polled {
            Poll::Pending => assert_eq!((old.count(), new.count()), (0, 1)),
            Poll::Ready(ended) => assert_eq!(ended, Ok(())),
        }
    });
}

#[test]
fn a_sleep_dropped_during_the_turn_leaves_nothing() {
    loom::model(|| {
        let (timers, _) = timers(1);
        let counter = Arc::new(Counter::default());
        let mut sleep = Sleep::new(&timers, 0, tick(FAR));
        assert!(poll(&mut sleep, &waker(&counter)).is_pending());
        let turner = turn(&timers, FAR);
        drop(sleep);
        turner.join().expect("it does not panic");
        assert!(timers.is_empty());
        assert!(counter.count() <= 1);
        // The turn and the drop together have let go of its waker.
        assert_eq!(Arc::strong_count(&counter), 1);
    });
}

#[test]
fn a_sleep_polled_while_the_timers_are_closed() {
    loom::model(|| {
        let (timers, _) = timers(1);
        let counter = Arc::new(Counter::default());
        let mut sleep = Sleep::new(&timers, 0, tick(FAR));
        let closer = {
            let timers = timers.clone();
            thread::spawn(move || {
                let mut ready = Vec::new();
                timers.close(&mut ready);
                ready.into_iter().for_each(Waker::wake);
            })
        };
        let polled = poll(&mut sleep, &waker(&counter));
        closer.join().expect("it does not panic");
        if polled.is_pending() {
            assert_eq!(counter.count(), 1);
            assert_eq!(poll(&mut sleep, &waker(&counter)), Poll::Ready(Err(Closed)));
        } else {
            assert_eq!(polled, Poll::Ready(Err(Closed)));
        }
        assert!(timers.is_empty());
    });
}
