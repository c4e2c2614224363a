//! Misuse gives the documented error, and nothing is lost by it.

use crate::common::{Waiter, now};
use corrente_sync::{
    Barrier, BoundedSemaphore, BrokenBarrier, Condition, InvalidValue, Lock, NotLocked, OnceCell,
    OverRelease, PutNowaitError, Queue, Semaphore, SetError, TooManyDone, broadcast,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it should panic");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn release_of_a_lock_that_was_not_acquired() {
    let lock = Lock::new(());
    assert_eq!(lock.release(), Err(NotLocked));
    now(lock.acquire());
    assert_eq!((lock.release(), lock.release()), (Ok(()), Err(NotLocked)));
    assert!(!lock.locked());
}

#[test]
fn release_does_not_take_the_lock_away_from_a_guard() {
    let lock = Lock::new(1);
    let guard = now(lock.lock());
    assert_eq!(lock.release(), Err(NotLocked));
    assert!(lock.locked() && lock.try_lock().is_none());
    drop(guard);
    assert!(lock.try_lock().is_some());
}

#[test]
fn anybody_may_release_what_was_acquired() {
    let lock = Arc::new(Lock::new(()));
    now(lock.acquire());
    let other = Arc::clone(&lock);
    assert_eq!(std::thread::spawn(move || other.release()).join().unwrap(), Ok(()));
    assert!(!lock.locked());
}

#[test]
fn a_bounded_semaphore_does_not_grow() {
    let bounded = BoundedSemaphore::new(1);
    assert_eq!(bounded.release(), Err(OverRelease));
    let permit = now(bounded.acquire());
    assert_eq!(bounded.release(), Err(OverRelease), "the permit gives it back itself");
    drop(permit);
    now(bounded.acquire_owned()).forget();
    assert!(bounded.locked() && bounded.try_acquire().is_none());
    assert_eq!((bounded.release(), bounded.release()), (Ok(()), Err(OverRelease)));
    assert_eq!(bounded.available(), 1);
}

#[test]
fn a_semaphore_grows_up_to_its_maximum() {
    assert_eq!(Semaphore::try_new(-1).unwrap_err(), InvalidValue(-1));
    assert_eq!(Semaphore::try_new(isize::MAX).unwrap_err(), InvalidValue(isize::MAX));
    assert_eq!(BoundedSemaphore::try_new(-7).unwrap_err(), InvalidValue(-7));
    let semaphore = Semaphore::new(Semaphore::MAX);
    assert!(panic_of(|| semaphore.release()).contains("units"));
    assert!(panic_of(|| semaphore.release_many(usize::MAX)).contains("units"));
    assert!(panic_of(|| drop(Semaphore::new(Semaphore::MAX + 1))).contains("units"));
    assert_eq!(semaphore.available(), Semaphore::MAX, "nothing was lost");
    let grown = Semaphore::new(1);
    grown.release();
    now(grown.acquire_many(2)).forget();
}

#[test]
fn task_done_too_often() {
    let queue = Queue::unbounded();
    now(queue.join());
    assert_eq!(queue.task_done(), Err(TooManyDone));
    queue.put_nowait(1).unwrap();
    assert_eq!((queue.task_done(), queue.task_done()), (Ok(()), Err(TooManyDone)));
    assert_eq!(queue.qsize(), 1, "reported is not got");
    now(queue.join());
}

#[test]
fn put_nowait_on_a_full_queue_gives_the_item_back() {
    let queue = Queue::new(1);
    queue.put_nowait("one").unwrap();
    assert_eq!(queue.put_nowait("two"), Err(PutNowaitError::QueueFull("two")));
    assert_eq!(queue.get_nowait(), Ok("one"));
}

#[test]
fn a_condition_without_its_lock() {
    let condition = Condition::new(());
    assert_eq!(now(condition.wait()), Err(NotLocked));
    assert_eq!(condition.notify(1), Err(NotLocked));
    assert_eq!(condition.notify_all(), Err(NotLocked));
    assert_eq!(condition.release(), Err(NotLocked));
    assert_eq!(now(condition.wait_for(|| true)), Ok(()));
    assert_eq!(now(condition.wait_for(|| false)), Err(NotLocked));
    // None of it left anything behind in the line.
    let mut waiter = Waiter::new(async { condition.lock().await.wait().await });
    now(condition.acquire());
    assert_eq!(condition.notify(1), Ok(()));
    assert_eq!(condition.release(), Ok(()));
    waiter.finish();
}

#[test]
fn a_condition_over_another_lock() {
    let one = Condition::new(());
    let other = Condition::new(());
    let mut guard = one.try_lock().unwrap();
    assert!(panic_of(|| now(guard.wait_on(&other))).contains("another lock"));
}

#[test]
fn a_condition_guard_whose_wait_was_dropped_half_way() {
    let condition = Condition::new(7);
    let mut guard = condition.try_lock().unwrap();
    drop(Waiter::new(guard.wait()));
    assert!(condition.try_lock().is_some(), "the lock is free");
    assert!(panic_of(|| assert_eq!(*guard, 7)).contains("half-way"));
    assert!(panic_of(|| now(guard.wait())).contains("half-way"));
    drop(guard);
    assert_eq!(*condition.try_lock().unwrap(), 7);
}

#[test]
fn a_broken_barrier() {
    let barrier = Barrier::new(2);
    let mut waiting = Waiter::new(barrier.wait());
    barrier.abort();
    assert_eq!(waiting.finish(), Err(BrokenBarrier));
    assert_eq!(now(barrier.wait()), Err(BrokenBarrier));
    assert!(barrier.is_broken());
    barrier.reset();
    assert!(!barrier.is_broken());
    let mut one = Waiter::new(barrier.wait());
    assert_eq!((now(barrier.wait()), one.finish()), (Ok(1), Ok(0)));
    assert!(panic_of(|| drop(Barrier::new(0))).contains("at least 1"));
}

#[test]
fn a_once_cell_is_set_once() {
    let cell = OnceCell::new();
    let maker = Waiter::new(cell.get_or_init(std::future::pending::<u32>));
    assert_eq!(cell.set(1), Err(SetError::InTheMaking(1)));
    drop(maker);
    assert_eq!(cell.set(2), Ok(()));
    assert_eq!(cell.set(3), Err(SetError::AlreadySet(3)));
    assert_eq!(now(cell.get_or_init(|| async { 4 })), &2);
}

#[test]
fn a_broadcast_channel_without_room() {
    assert!(panic_of(|| drop(broadcast::channel::<u32>(0))).contains("at least one"));
}

#[test]
fn a_broadcast_receiver_that_is_too_slow_is_told_what_it_missed() {
    let (sender, mut slow) = broadcast::channel(2);
    for value in 0..5 {
        sender.send(value).unwrap();
    }
    assert_eq!(now(slow.recv()), Err(broadcast::RecvError::Lagged(3)));
    assert_eq!((now(slow.recv()), now(slow.recv())), (Ok(3), Ok(4)));
    assert_eq!(slow.try_recv(), Err(broadcast::TryRecvError::Empty));
}
