//! Dropping a future that waits leaves the line; what had been granted to it goes on to the next.

use crate::common::{Waiter, now};
use corrente_sync::{Barrier, Condition, Event, Lock, OnceCell, Queue, RwLock, Semaphore};
use std::sync::Arc;

#[test]
fn a_lock_of_a_cancelled_waiter_is_skipped() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    let first = Waiter::new(lock.lock());
    let mut second = Waiter::new(lock.lock());
    drop(first);
    drop(guard);
    drop(second.finish());
    assert!(!lock.locked() && lock.try_lock().is_some());
}

#[test]
fn a_lock_of_a_woken_and_cancelled_waiter_goes_on() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    let first = Waiter::new(lock.lock());
    let mut second = Waiter::new(lock.lock());
    drop(guard);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    drop(second.finish());
    assert!(lock.try_lock().is_some());
}

#[test]
fn a_lock_of_the_last_woken_and_cancelled_waiter_is_free() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    let waiter = Waiter::new(lock.lock());
    drop(guard);
    drop(waiter);
    assert!(lock.try_lock().is_some());
}

#[test]
fn a_lock_through_a_whole_line_of_cancelled_waiters() {
    let lock = Arc::new(Lock::new(0));
    let guard = lock.try_lock().unwrap();
    let mut line: Vec<_> = (0..1000).map(|_| Waiter::new(lock.lock_owned())).collect();
    drop(guard);
    let mut last = line.pop().unwrap();
    for waiter in line {
        assert!(waiter.is_woken());
        drop(waiter);
    }
    *last.finish() += 1;
}

#[test]
fn a_unit_of_a_woken_and_cancelled_waiter_goes_on() {
    let semaphore = Semaphore::new(0);
    let first = Waiter::new(semaphore.acquire());
    let mut second = Waiter::new(semaphore.acquire());
    semaphore.release();
    drop(first);
    second.finish().forget();
    assert!(semaphore.locked());
}

#[test]
fn who_wanted_much_and_leaves_lets_those_behind_through() {
    let semaphore = Semaphore::new(2);
    let great = Waiter::new(semaphore.acquire_many(3));
    let mut small = Waiter::new(semaphore.acquire());
    drop(great);
    drop(small.finish());
    assert_eq!(semaphore.available(), 2);
    assert!(!semaphore.locked());
}

#[test]
fn readers_behind_a_cancelled_writer_go_on() {
    let lock = RwLock::new(());
    let reading = lock.try_read().unwrap();
    let writer = Waiter::new(lock.write());
    let mut reader = Waiter::new(lock.read());
    drop(writer);
    drop((reader.finish(), reading));
    assert!(lock.try_write().is_some());
}

#[test]
fn an_event_waiter_that_leaves_changes_nothing() {
    let event = Event::new();
    let first = Waiter::new(event.wait());
    let mut second = Waiter::new(event.wait());
    drop(first);
    event.set();
    second.finish();
}

#[test]
fn a_notification_of_a_woken_and_cancelled_waiter_goes_on() {
    let condition = Condition::new(());
    let wait = || async { condition.lock().await.wait().await };
    let first = Waiter::new(wait());
    let mut second = Waiter::new(wait());
    condition.try_lock().unwrap().notify(1);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    second.finish();
}

#[test]
fn a_notification_goes_on_from_who_is_cancelled_while_he_waits_for_the_lock() {
    let condition = Condition::new(());
    let wait = || async { condition.lock().await.wait().await };
    let mut first = Waiter::new(wait());
    let mut second = Waiter::new(wait());
    let guard = condition.try_lock().unwrap();
    guard.notify(1);
    assert!(first.poll().is_none(), "notified, but the lock is taken");
    drop(first);
    drop(guard);
    second.finish();
    assert!(!condition.locked());
}

#[test]
fn an_item_for_a_woken_and_cancelled_getter_goes_on() {
    let queue = Queue::unbounded();
    let first = Waiter::new(queue.get());
    let mut second = Waiter::new(queue.get());
    queue.put_nowait("item").unwrap();
    drop(first);
    assert_eq!(second.finish(), Ok("item"));
    assert_eq!(queue.qsize(), 0);
}

#[test]
fn a_getter_cancelled_while_waiting_loses_nothing() {
    let queue = Queue::unbounded();
    drop(Waiter::new(queue.get()));
    queue.put_nowait("kept").unwrap();
    assert_eq!((queue.qsize(), now(queue.get())), (1, Ok("kept")));
}

#[test]
fn a_place_for_a_woken_and_cancelled_putter_goes_on_and_its_item_is_not_put() {
    let queue = Queue::new(1);
    queue.put_nowait("there").unwrap();
    let first = Waiter::new(queue.put("not put"));
    let mut second = Waiter::new(queue.put("put"));
    assert_eq!(queue.get_nowait(), Ok("there"));
    drop(first);
    second.finish().unwrap();
    assert_eq!(queue.get_nowait(), Ok("put"));
    assert!(queue.empty());
}

#[test]
fn the_items_stream_loses_nothing_when_it_is_dropped() {
    use futures_lite::StreamExt;
    let queue = Queue::unbounded();
    let mut items = queue.items();
    let waiter = Waiter::new(async { items.next().await });
    queue.put_nowait(2).unwrap();
    assert!(waiter.is_woken());
    drop(waiter);
    drop(items);
    assert_eq!(queue.get_nowait(), Ok(2), "woken, not polled, dropped: the item is still there");
}

#[test]
fn a_join_that_is_dropped_changes_nothing() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    let first = Waiter::new(queue.join());
    let mut second = Waiter::new(queue.join());
    drop(first);
    queue.task_done().unwrap();
    second.finish();
}

#[test]
fn a_barrier_waiter_that_leaves_gives_up_its_place() {
    let barrier = Barrier::new(2);
    drop(Waiter::new(barrier.wait()));
    assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
    let mut one = Waiter::new(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(one.finish(), Ok(0));
}

#[test]
fn a_barrier_waiter_that_leaves_after_all_have_come_does_not_hold_up_the_next_round() {
    let barrier = Barrier::new(2);
    let met = Waiter::new(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let mut early = Waiter::new(barrier.wait());
    assert_eq!(barrier.waiting(), 0, "it waits for the last round to leave");
    drop(met);
    assert_eq!(barrier.waiting(), 1);
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(early.finish(), Ok(0));
}

#[test]
fn the_turn_of_a_cancelled_maker_goes_on() {
    let cell = OnceCell::new();
    let maker = Waiter::new(cell.get_or_init(std::future::pending::<u32>));
    let skipped = Waiter::new(cell.get_or_init(|| async { 1 }));
    let mut next = Waiter::new(cell.get_or_init(|| async { 2 }));
    drop(maker);
    assert!(skipped.is_woken());
    drop(skipped);
    assert_eq!(next.finish(), &2);
}
