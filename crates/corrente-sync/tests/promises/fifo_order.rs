//! Who waits is served in the order of coming, and woken in the order of being served.

use crate::common::{Waiter, now};
use corrente_sync::{Condition, Event, Lock, OnceCell, Queue, RwLock, Semaphore, broadcast};

#[test]
fn lock() {
    let lock = Lock::new(());
    let guard = lock.try_lock().unwrap();
    let mut line: Vec<_> = (0..5).map(|_| Waiter::new(lock.lock())).collect();
    drop(guard);
    for at in 0..5 {
        assert!(line[at + 1..].iter().all(|later| !later.is_woken()));
        drop(line[at].finish());
    }
    assert!(!lock.locked());
}

#[test]
fn semaphore_wakes_as_many_as_there_are_units() {
    let semaphore = Semaphore::new(0);
    let mut line: Vec<_> = (0..5).map(|_| Waiter::new(semaphore.acquire())).collect();
    semaphore.release_many(3);
    assert_eq!(
        line.iter().map(Waiter::is_woken).collect::<Vec<_>>(),
        [true, true, true, false, false]
    );
    assert!(line[0].wake() < line[1].wake() && line[1].wake() < line[2].wake());
    // In whatever order they run, each has its unit.
    for at in [2, 0, 1] {
        line[at].finish().forget();
    }
    assert!(semaphore.locked());
}

#[test]
fn a_great_wish_is_not_overtaken_by_small_ones() {
    let semaphore = Semaphore::new(0);
    let mut great = Waiter::new(semaphore.acquire_many(3));
    let mut small = Waiter::new(semaphore.acquire());
    semaphore.release_many(2);
    assert!(!great.is_woken() && !small.is_woken());
    semaphore.release();
    assert!(!small.is_woken());
    drop(great.finish());
    drop(small.finish());
}

#[test]
fn readers_and_writers_stand_in_one_line() {
    let lock = RwLock::new(());
    let reading = lock.try_read().unwrap();
    let mut writer = Waiter::new(lock.write());
    let mut readers = [Waiter::new(lock.read()), Waiter::new(lock.read())];
    let mut last = Waiter::new(lock.write());
    drop(reading);
    assert!(readers.iter().all(|reader| !reader.is_woken()));
    drop(writer.finish());
    let both = readers.each_mut().map(Waiter::finish);
    assert!(!last.is_woken());
    drop(both);
    drop(last.finish());
}

#[test]
fn condition() {
    let condition = Condition::new(());
    let wait = || async { condition.lock().await.wait().await };
    let mut line: Vec<_> = (0..4).map(|_| Waiter::new(wait())).collect();
    condition.try_lock().unwrap().notify(2);
    assert_eq!(line.iter().map(Waiter::is_woken).collect::<Vec<_>>(), [true, true, false, false]);
    line[0].finish();
    line[1].finish();
    condition.try_lock().unwrap().notify_all();
    line[2].finish();
    line[3].finish();
}

#[test]
fn event_wakes_in_the_order_of_waiting() {
    let event = Event::new();
    let mut line: Vec<_> = (0..40).map(|_| Waiter::new(event.wait())).collect();
    event.set();
    assert!(line.iter().map(Waiter::wake).is_sorted());
    for waiter in &mut line {
        waiter.finish();
    }
}

#[test]
fn getters() {
    let queue = Queue::unbounded();
    let mut line: Vec<_> = (0..3).map(|_| Waiter::new(queue.get())).collect();
    for (at, item) in ["a", "b", "c"].into_iter().enumerate() {
        queue.put_nowait(item).unwrap();
        assert!(line[at].is_woken() && line[at + 1..].iter().all(|later| !later.is_woken()));
    }
    for (waiter, item) in line.iter_mut().zip(["a", "b", "c"]) {
        assert_eq!(waiter.finish(), Ok(item));
    }
}

#[test]
fn putters() {
    let queue = Queue::new(1);
    now(queue.put(0)).unwrap();
    let mut line: Vec<_> = (1..4).map(|item| Waiter::new(queue.put(item))).collect();
    for (at, item) in (0..3).enumerate() {
        assert_eq!(now(queue.get()), Ok(item));
        assert!(line[at + 1..].iter().all(|later| !later.is_woken()));
        line[at].finish().unwrap();
    }
    assert_eq!(now(queue.get()), Ok(3));
}

#[test]
fn once_cell_turns() {
    let cell = OnceCell::new();
    let fail = || async { Err::<u32, ()>(()) };
    let mut maker = Waiter::new(cell.get_or_try_init(std::future::pending::<Result<u32, ()>>));
    let mut first = Waiter::new(cell.get_or_try_init(fail));
    let mut second = Waiter::new(cell.get_or_try_init(|| async { Ok::<_, ()>(2) }));
    assert!(maker.poll().is_none());
    drop(maker);
    assert!(!second.is_woken());
    assert_eq!(first.finish(), Err(()));
    assert_eq!(second.finish(), Ok(&2));
}

#[test]
fn broadcast_values_come_in_the_order_of_sending() {
    let (sender, mut one) = broadcast::channel(8);
    let mut other = one.clone();
    let mut waiting = Waiter::new(one.recv());
    for value in 0..3 {
        sender.send(value).unwrap();
    }
    assert_eq!(waiting.finish(), Ok(0));
    drop(waiting);
    assert_eq!([now(one.recv()), now(one.recv())], [Ok(1), Ok(2)]);
    assert_eq!([now(other.recv()), now(other.recv()), now(other.recv())], [Ok(0), Ok(1), Ok(2)]);
}
