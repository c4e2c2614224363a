//! What is promised to a waiter is not taken by somebody who comes later.

use crate::common::{Waiter, now};
use corrente_sync::{Lock, Queue, RwLock, Semaphore};

#[test]
fn a_lock_between_release_and_wake_up() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    let mut waiter = Waiter::new(lock.lock());
    drop(guard);
    assert!(!lock.locked(), "as in asyncio, nobody has it now");
    assert!(lock.try_lock().is_none(), "but it is promised");
    let mut late = Waiter::new(lock.lock());
    let guard = waiter.finish();
    assert!(lock.locked());
    drop(guard);
    drop(late.finish());
}

#[test]
fn units_between_release_and_wake_up() {
    let semaphore = Semaphore::new(0);
    let mut waiter = Waiter::new(semaphore.acquire());
    semaphore.release();
    assert!(semaphore.locked() && semaphore.try_acquire().is_none());
    waiter.finish().forget();
    assert!(semaphore.locked());
}

/// asyncio: a task that releases and acquires again comes after one that was woken before.
#[test]
fn free_units_are_not_taken_past_somebody_who_was_granted_his() {
    let semaphore = Semaphore::new(0);
    let mut granted = Waiter::new(semaphore.acquire());
    semaphore.release_many(2);
    // One unit is free, but it has to go through the line: it is woken after the other one.
    let mut late = Waiter::new(semaphore.acquire());
    assert!(late.is_woken() && granted.wake() < late.wake());
    late.finish().forget();
    granted.finish().forget();
}

#[test]
fn a_reader_does_not_pass_a_writer() {
    let lock = RwLock::new(());
    let reading = lock.try_read().unwrap();
    let mut writer = Waiter::new(lock.write());
    assert!(lock.try_read().is_none());
    let mut reader = Waiter::new(lock.read());
    drop(reading);
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    drop(writer.finish());
    drop(reader.finish());
}

#[test]
fn get_leaves_the_item_that_a_woken_getter_was_promised() {
    let queue = Queue::unbounded();
    let mut waiter = Waiter::new(queue.get());
    queue.put_nowait("first").unwrap();
    let mut late = Waiter::new(queue.get());
    queue.put_nowait("second").unwrap();
    assert_eq!(waiter.finish(), Ok("first"));
    assert_eq!(late.finish(), Ok("second"));
}

#[test]
fn get_takes_items_beyond_those_that_are_promised() {
    let queue = Queue::unbounded();
    let mut waiter = Waiter::new(queue.get());
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    assert_eq!(now(queue.get()), Ok(1), "one is left for the waiter: which one does not matter");
    assert_eq!(waiter.finish(), Ok(2));
}

#[test]
fn put_leaves_the_place_that_a_woken_putter_was_promised() {
    let queue = Queue::new(1);
    now(queue.put(0)).unwrap();
    let mut waiter = Waiter::new(queue.put(1));
    assert_eq!(queue.get_nowait(), Ok(0));
    let mut late = Waiter::new(queue.put(2));
    waiter.finish().unwrap();
    assert_eq!(now(queue.get()), Ok(1));
    late.finish().unwrap();
}

/// The `_nowait` forms look at the queue, not at the line, as in asyncio; nobody loses his place by it.
#[test]
fn who_lost_his_item_to_a_nowait_waits_again_as_the_first() {
    let queue = Queue::unbounded();
    let mut first = Waiter::new(queue.get());
    let mut second = Waiter::new(queue.get());
    queue.put_nowait(1).unwrap();
    assert_eq!((queue.qsize(), queue.get_nowait()), (1, Ok(1)));
    assert!(first.is_woken() && first.poll().is_none());
    queue.put_nowait(2).unwrap();
    assert!(!second.is_woken());
    assert_eq!(first.finish(), Ok(2));
    queue.put_nowait(3).unwrap();
    assert_eq!(second.finish(), Ok(3));
}

#[test]
fn who_lost_his_place_to_a_nowait_waits_again_as_the_first() {
    let queue = Queue::new(1);
    queue.put_nowait(0).unwrap();
    let mut first = Waiter::new(queue.put(1));
    let mut second = Waiter::new(queue.put(2));
    assert_eq!(queue.get_nowait(), Ok(0));
    queue.put_nowait(9).unwrap();
    assert!(first.is_woken() && first.poll().is_none());
    assert_eq!(queue.get_nowait(), Ok(9));
    assert!(!second.is_woken());
    first.finish().unwrap();
    assert_eq!(queue.get_nowait(), Ok(1));
    second.finish().unwrap();
}
