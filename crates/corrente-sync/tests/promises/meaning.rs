//! What each primitive does beside serving a line: asyncio's meaning, one test for each sentence.

use crate::common::{Waiter, now};
use corrente_sync::{
    Barrier, BrokenBarrier, Condition, Event, LifoQueue, Lock, OnceCell, PriorityQueue, Queue,
    RwLock, Semaphore, WriteGuard, broadcast, watch,
};
use std::sync::Arc;

#[test]
fn an_event_that_is_set_and_cleared_in_one_step_wakes_those_who_waited() {
    let event = Event::new();
    let mut waiters = [Waiter::new(event.wait()), Waiter::new(event.wait())];
    event.set();
    event.clear();
    let late = Waiter::new(event.wait());
    for waiter in &mut waiters {
        waiter.finish();
    }
    assert!(!event.is_set() && !late.is_woken());
    event.set();
    now(event.wait());
}

#[test]
fn an_event_can_be_used_again() {
    let event = Event::default();
    for _ in 0..3 {
        let mut waiter = Waiter::new(event.wait());
        event.set();
        event.set();
        waiter.finish();
        now(event.wait());
        event.clear();
    }
}

#[test]
fn a_lock_gives_its_value_back() {
    let mut lock = Lock::from(String::from("a"));
    lock.get_mut().push('b');
    assert_eq!(format!("{lock:?}"), r#"Lock { value: "ab" }"#);
    let guard = now(lock.lock());
    assert_eq!(format!("{lock:?} {guard} {guard:?}"), r#"Lock { value: <locked> } ab "ab""#);
    drop(guard);
    assert_eq!(lock.into_inner(), "ab");
}

#[test]
fn a_value_in_a_lock_is_dropped_once() {
    let value = Arc::new(());
    drop(Lock::new(Arc::clone(&value)));
    drop(Lock::new(Arc::clone(&value)).into_inner());
    drop(RwLock::new(Arc::clone(&value)));
    drop(RwLock::new(Arc::clone(&value)).into_inner());
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_panic_releases_the_lock() {
    let lock = Arc::new(Lock::new(1));
    let other = Arc::clone(&lock);
    let thread = std::thread::spawn(move || {
        let _guard = other.try_lock().unwrap();
        panic!("while it is held");
    });
    assert!(thread.join().is_err());
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn a_writer_that_goes_on_as_a_reader_lets_readers_in() {
    let lock = RwLock::new(1);
    let mut writing = lock.try_write().unwrap();
    *writing += 1;
    let mut reader = Waiter::new(lock.read());
    let mut writer = Waiter::new(lock.write());
    let reading = WriteGuard::downgrade(writing);
    assert_eq!(*reader.finish(), 2);
    assert!(!writer.is_woken());
    drop(reading);
    *writer.finish() += 1;
    assert_eq!(*lock.try_read().unwrap(), 3);
}

#[test]
fn many_read_at_once() {
    let lock = Arc::new(RwLock::new(7));
    let one = now(lock.read());
    let other = now(lock.read_owned());
    assert_eq!((*one, *other), (7, 7));
    assert!(lock.try_write().is_none());
    drop((one, other));
    *now(lock.write_owned()) += 1;
    assert_eq!(format!("{:?}", lock), "RwLock { value: 8 }");
}

#[test]
fn a_semaphore_counts() {
    let semaphore = Arc::new(Semaphore::new(3));
    let two = now(semaphore.acquire_many(2));
    let one = semaphore.try_acquire_owned().unwrap();
    assert_eq!((two.units(), one.units(), semaphore.available()), (2, 1, 0));
    assert!(semaphore.locked());
    drop(two);
    one.forget();
    assert_eq!(semaphore.available(), 2);
    drop(now(semaphore.acquire_many(0)));
}

#[test]
fn wait_for_looks_first_and_after_each_notification() {
    let condition = Condition::new(0);
    let looks = std::cell::Cell::new(0);
    let mut waiter = Waiter::new(async {
        let mut guard = condition.lock().await;
        guard
            .wait_for(|value| {
                looks.set(looks.get() + 1);
                *value >= 2
            })
            .await;
        *guard
    });
    for round in 1..=2 {
        let mut guard = condition.try_lock().unwrap();
        *guard += 1;
        guard.notify_all();
        assert_eq!(looks.get(), round);
        assert!(waiter.is_woken());
        drop(guard);
        if round == 1 {
            assert!(waiter.poll().is_none());
        }
    }
    assert_eq!(waiter.finish(), 2);
    assert!(!condition.locked());
}

#[test]
fn two_conditions_over_one_lock() {
    let lock = Arc::new(Lock::new(Vec::new()));
    let not_empty = Condition::with_lock(Arc::clone(&lock));
    let not_full = Condition::with_lock(lock);
    let mut getter = Waiter::new(async {
        let mut items = not_empty.lock().await;
        items.wait_for(|items| !items.is_empty()).await;
        let item = items.pop();
        not_full.notify(1).unwrap();
        item
    });
    let mut putter = Waiter::new(async {
        let mut items = not_empty.lock().await;
        items.push(1);
        items.notify(1);
        while !items.is_empty() {
            items.wait_on(&not_full).await;
        }
    });
    assert_eq!(getter.finish(), Some(1));
    putter.finish();
}

#[test]
fn a_bare_condition() {
    let condition = Condition::new(());
    let mut waiter = Waiter::new(async {
        condition.acquire().await;
        condition.wait().await.unwrap();
        let locked = condition.locked();
        condition.release().unwrap();
        locked
    });
    assert!(!condition.locked());
    now(condition.acquire());
    condition.notify(1).unwrap();
    assert!(waiter.poll().is_none(), "the lock is still taken");
    condition.release().unwrap();
    assert!(waiter.finish(), "it has the lock when the wait ends");
    assert!(!condition.locked());
}

#[test]
fn a_barrier_gives_each_party_its_own_index_also_after_a_cancel() {
    let barrier = Barrier::new(3);
    let first = Waiter::new(barrier.wait());
    let mut second = Waiter::new(barrier.wait());
    drop(first);
    let mut third = Waiter::new(barrier.wait());
    assert_eq!((barrier.waiting(), barrier.parties()), (2, 3));
    assert_eq!(now(barrier.wait()), Ok(2));
    assert_eq!((second.finish(), third.finish()), (Ok(0), Ok(1)));
}

#[test]
fn a_barrier_holds_newcomers_back_until_the_last_round_has_left() {
    let barrier = Barrier::new(2);
    let mut one = Waiter::new(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let mut early = Waiter::new(barrier.wait());
    let mut also_early = Waiter::new(barrier.wait());
    assert!(!early.is_woken() && !also_early.is_woken());
    assert_eq!(one.finish(), Ok(0));
    assert_eq!((early.finish(), also_early.finish()), (Ok(0), Ok(1)));
}

#[test]
fn a_reset_barrier_throws_out_who_waits_and_can_be_used_at_once() {
    let barrier = Barrier::new(2);
    let mut thrown = Waiter::new(barrier.wait());
    barrier.reset();
    let mut one = Waiter::new(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!((thrown.finish(), one.finish()), (Err(BrokenBarrier), Ok(0)));
    assert!(!barrier.is_broken());
}

#[test]
fn who_has_met_goes_on_even_if_the_barrier_is_aborted_then() {
    let barrier = Barrier::new(2);
    let mut one = Waiter::new(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    barrier.abort();
    assert_eq!(one.finish(), Ok(0));
    assert_eq!(now(barrier.wait()), Err(BrokenBarrier));
}

#[test]
fn a_barrier_for_one_holds_up_nobody() {
    let barrier = Barrier::new(1);
    assert_eq!((now(barrier.wait()), now(barrier.wait())), (Ok(0), Ok(0)));
}

#[test]
fn queues_differ_in_their_order() {
    let (fifo, lifo, least) =
        (Queue::unbounded(), LifoQueue::unbounded(), PriorityQueue::unbounded());
    for item in [5, 1, 3, 2, 4] {
        fifo.put_nowait(item).unwrap();
        lifo.put_nowait(item).unwrap();
        least.put_nowait(item).unwrap();
    }
    let drain = |get: &dyn Fn() -> Option<i32>| std::iter::from_fn(get).collect::<Vec<_>>();
    assert_eq!(drain(&|| fifo.get_nowait().ok()), [5, 1, 3, 2, 4]);
    assert_eq!(drain(&|| lifo.get_nowait().ok()), [4, 2, 3, 1, 5]);
    assert_eq!(drain(&|| least.get_nowait().ok()), [1, 2, 3, 4, 5]);
}

#[test]
fn a_woken_getter_takes_what_is_smallest_then() {
    let queue = PriorityQueue::unbounded();
    let mut getter = Waiter::new(queue.get());
    queue.put_nowait(2).unwrap();
    queue.put_nowait(1).unwrap();
    assert_eq!(getter.finish(), Ok(1));
}

#[test]
fn a_queue_says_how_full_it_is() {
    let queue = Queue::new(2);
    let state = || (queue.empty(), queue.full(), queue.qsize(), queue.maxsize());
    assert_eq!(state(), (true, false, 0, 2));
    queue.put_nowait("a").unwrap();
    queue.put_nowait("b").unwrap();
    assert_eq!(state(), (false, true, 2, 2));
    let unlimited = Queue::new(0);
    for item in 0..100 {
        unlimited.put_nowait(item).unwrap();
    }
    assert_eq!((unlimited.full(), unlimited.qsize()), (false, 100));
    assert_eq!(format!("{queue:?}"), "Queue { maxsize: 2, qsize: 2, is_shutdown: false, .. }");
}

#[test]
fn join_can_be_used_again() {
    let queue = Queue::unbounded();
    for item in 0..2 {
        queue.put_nowait(item).unwrap();
        let mut join = Waiter::new(queue.join());
        queue.task_done().unwrap();
        join.finish();
    }
}

#[test]
fn a_cell_is_made_once() {
    let cell = OnceCell::new();
    assert_eq!(cell.get(), None);
    let mut waiter = {
        let maker = Waiter::new(cell.get_or_try_init(std::future::pending::<Result<u32, ()>>));
        let waiter = Waiter::new(cell.get_or_init(|| async { 1 }));
        drop(maker);
        waiter
    };
    assert_eq!(waiter.finish(), &1);
    assert_eq!(now(cell.get_or_try_init(|| async { Err(()) })), Ok(&1));
    drop(waiter);
    assert_eq!(cell.into_inner(), Some(1));
    assert_eq!(OnceCell::from(3).get_mut(), Some(&mut 3));
}

#[test]
fn all_who_wait_for_a_cell_are_woken_when_it_is_made() {
    let cell = OnceCell::new();
    let gate = Event::new();
    let mut maker = Waiter::new(cell.get_or_init(|| async {
        gate.wait().await;
        7
    }));
    let mut line: Vec<_> = (0..4).map(|_| Waiter::new(cell.get_or_init(|| async { 0 }))).collect();
    gate.set();
    assert_eq!(maker.finish(), &7);
    assert!(line.iter_mut().all(|waiter| waiter.finish() == &7));
}

#[test]
fn a_broadcast_value_is_gone_when_all_have_read_it() {
    let value = Arc::new(());
    let (sender, mut one) = broadcast::channel(8);
    let mut other = sender.subscribe();
    let idle = other.clone();
    assert_eq!(sender.send(Arc::clone(&value)).unwrap(), 3);
    sender.send(Arc::clone(&value)).unwrap();
    drop((now(one.recv()), now(one.recv())));
    drop(now(other.recv()));
    assert_eq!(Arc::strong_count(&value), 3, "both are kept for `idle`");
    drop(idle);
    assert_eq!(Arc::strong_count(&value), 2, "the second for `other`");
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
    assert_eq!(sender.receiver_count(), 1);
}

#[test]
fn a_watch_shows_the_newest_value() {
    let (sender, mut receiver) = watch::channel(0);
    assert!(!receiver.has_changed());
    let mut second = receiver.clone();
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert!(receiver.has_changed());
    assert_eq!(now(receiver.changed()), Ok(()));
    assert_eq!((*receiver.get(), receiver.has_changed()), (2, false));
    assert_eq!((*second.get_and_see(), second.has_changed()), (2, false));
    let mut waiting = Waiter::new(second.wait_for(|value| *value >= 4));
    sender.update(|value| value + 1);
    assert!(waiting.is_woken() && waiting.poll().is_none());
    sender.update(|value| value + 1);
    assert_eq!(waiting.finish().map(|value| *value), Ok(4));
    assert_eq!(now(sender.subscribe().wait_for(|_| true)).map(|value| *value), Ok(4));
}
