//! The sleep: when it is registered, when it ends, and what a reset, a drop and a close do to it.

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use common::{Counter, tick};
use corrente_timer::{Clock, Closed, Sleep, Tick, Timers};

const DONE: Poll<Result<(), Closed>> = Poll::Ready(Ok(()));

fn timers() -> Timers {
    Timers::new(Clock::manual(), 2)
}

fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<Result<(), Closed>> {
    Pin::new(sleep).poll(&mut Context::from_waker(waker))
}

/// Moves the clock, turns, wakes.
fn pass_to(timers: &Timers, now: u64) {
    timers.clock().advance_to(tick(now));
    let mut ready = Vec::new();
    timers.turn(timers.clock().now(), &mut ready);
    ready.into_iter().for_each(Waker::wake);
}

#[test]
fn it_is_registered_at_the_first_pending_poll_and_only_then() {
    let timers = timers();
    let counter = Counter::new();
    let mut sleep = Sleep::new(&timers, 0, tick(9_000));
    assert!(timers.is_empty() && !sleep.is_waiting());
    for _ in 0..3 {
        assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
        assert!(timers.len() == 1 && sleep.is_waiting());
    }
    pass_to(&timers, 8_999);
    assert_eq!(counter.count(), 0);
    assert!(!sleep.is_elapsed());
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    assert!(sleep.is_waiting());
    pass_to(&timers, 9_000);
    assert_eq!(counter.count(), 1);
    assert!(!sleep.is_waiting());
    assert!(timers.is_empty() && sleep.is_elapsed());
    assert_eq!(poll(&mut sleep, &counter.waker()), DONE);
    assert_eq!(poll(&mut sleep, &counter.waker()), DONE, "it stays done");
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn a_deadline_that_is_past_or_now_is_done_at_the_first_poll() {
    let timers = timers();
    pass_to(&timers, 500);
    // The clock has gone on since the last turn.
    timers.clock().advance_to(tick(700));
    for deadline in [0, 499, 500, 501, 700] {
        assert_eq!(poll(&mut Sleep::new(&timers, 0, tick(deadline)), Waker::noop()), DONE);
    }
    assert!(timers.is_empty());
    assert_eq!(poll(&mut Sleep::new(&timers, 0, tick(701)), Waker::noop()), Poll::Pending);
}

#[test]
fn one_that_never_ends_is_kept_and_let_go() {
    let timers = timers();
    let counter = Counter::new();
    let mut sleep = Sleep::new(&timers, 0, Tick::NEVER);
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    pass_to(&timers, u64::MAX);
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    assert!(!sleep.is_elapsed());
    assert_eq!(timers.next_due(), None);
    drop(sleep);
    assert!(timers.is_empty());
    assert_eq!((counter.count(), Arc::strong_count(&counter)), (0, 1));
}

#[test]
fn a_drop_takes_it_out() {
    let timers = timers();
    let counter = Counter::new();
    for (deadline, passed) in [(9_001, 9_000), (12_000, 12_000), (20_000, 20_001)] {
        let mut sleep = Sleep::new(&timers, 1, tick(deadline));
        assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
        // So that the shard is turned up to there.
        timers.register(1, tick(passed), Waker::noop()).expect("not closed");
        pass_to(&timers, passed);
        drop(sleep);
        assert!(timers.is_empty());
        assert_eq!(Arc::strong_count(&counter), 1);
    }
    assert_eq!(counter.count(), 2);
}

#[test]
fn a_reset_moves_it_without_a_poll() {
    let timers = timers();
    let counter = Counter::new();
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    sleep.reset(tick(6_000));
    assert!(timers.is_empty(), "it was not polled yet");
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);

    sleep.reset(tick(9_000));
    pass_to(&timers, 8_999);
    assert_eq!((counter.count(), timers.len()), (0, 1));
    sleep.reset(tick(9_500));
    sleep.reset(tick(9_100));
    pass_to(&timers, 9_100);
    assert_eq!(counter.count(), 1);
    assert_eq!(sleep.deadline(), tick(9_100));

    // It has ended, whether it was seen or not: a reset begins it again with the next poll.
    sleep.reset(tick(20_000));
    assert!(!sleep.is_elapsed());
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    pass_to(&timers, 20_000);
    assert_eq!(counter.count(), 2);
    assert_eq!(poll(&mut sleep, &counter.waker()), DONE);
    sleep.reset(tick(30_000));
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    assert_eq!(timers.len(), 1);
}

#[test]
fn a_reset_to_the_past_wakes_its_task_at_the_next_turn() {
    let timers = timers();
    let counter = Counter::new();
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    pass_to(&timers, 900);
    assert_eq!(poll(&mut sleep, &counter.waker()), Poll::Pending);
    sleep.reset(tick(100));
    assert_eq!(timers.until_next(tick(900)), Some(std::time::Duration::ZERO));
    pass_to(&timers, 900);
    assert_eq!(counter.count(), 1);
    assert_eq!(poll(&mut sleep, &counter.waker()), DONE);
}

#[test]
fn the_last_waker_counts() {
    let timers = timers();
    let (old, new) = (Counter::new(), Counter::new());
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    assert_eq!(poll(&mut sleep, &old.waker()), Poll::Pending);
    assert_eq!(poll(&mut sleep, &new.waker()), Poll::Pending);
    pass_to(&timers, 5_000);
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn it_may_go_on_on_another_thread() {
    fn anywhere<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let timers = timers();
    let counter = Counter::new();
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    anywhere(&sleep);
    assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
    let waker = counter.waker();
    let mut sleep = thread::spawn(move || {
        assert_eq!(poll(&mut sleep, &waker), Poll::Pending);
        sleep
    })
    .join()
    .expect("it does not panic");
    pass_to(&timers, 5_000);
    assert_eq!(counter.count(), 1);
    assert_eq!(poll(&mut sleep, Waker::noop()), DONE);
    let mut moved = Sleep::new(&timers, 1, tick(50_000));
    assert_eq!(poll(&mut moved, Waker::noop()), Poll::Pending);
    thread::spawn(move || drop(moved)).join().expect("it does not panic");
    assert!(timers.is_empty());
}

#[test]
fn closing_ends_what_waits_with_an_error_and_what_is_past_without() {
    let timers = timers();
    let counter = Counter::new();
    let closed = Poll::Ready(Err(Closed));
    let mut waiting = Sleep::new(&timers, 0, tick(5_000));
    let mut never = Sleep::new(&timers, 1, Tick::NEVER);
    assert_eq!(poll(&mut waiting, &counter.waker()), Poll::Pending);
    assert_eq!(poll(&mut never, &counter.waker()), Poll::Pending);
    let mut unpolled = Sleep::new(&timers, 0, tick(5_000));
    let mut past = Sleep::new(&timers, 0, tick(3_000));
    assert_eq!(poll(&mut past, &counter.waker()), Poll::Pending);

    timers.clock().advance_to(tick(3_000));
    let mut ready = Vec::new();
    assert!(waiting.is_waiting() && never.is_waiting());
    timers.close(&mut ready);
    assert!(!waiting.is_waiting() && !never.is_waiting());
    ready.into_iter().for_each(Waker::wake);
    assert_eq!(counter.count(), 3, "everybody is told");
    for sleep in [&mut waiting, &mut never, &mut unpolled] {
        assert_eq!(poll(sleep, &counter.waker()), closed);
        assert_eq!(poll(sleep, &counter.waker()), closed, "it stays so");
    }
    assert_eq!(poll(&mut past, &counter.waker()), DONE);
    assert_eq!(poll(&mut Sleep::new(&timers, 0, tick(2_000)), &counter.waker()), DONE);

    // A reset makes it neither wait for ever nor end early.
    waiting.reset(tick(9_000));
    assert_eq!(poll(&mut waiting, &counter.waker()), closed);
    waiting.reset(tick(1_000));
    assert_eq!(poll(&mut waiting, &counter.waker()), DONE);
    drop((waiting, never, unpolled, past));
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn it_outlives_the_handles() {
    let timers = timers();
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
    drop(timers);
    drop(sleep);
}

#[test]
fn it_is_small() {
    assert_eq!(size_of::<Sleep>(), 24);
}
