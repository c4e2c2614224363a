//! Models: loom runs each of these once for every interleaving of its threads.
//!
//! Each is named for the promise it proves. A waiter that is polled once is in the line; dropping its
//! future is what a cancel does to it.
#![cfg(corrente_loom)]

use corrente_shim::sync::{Condvar, Mutex};
use corrente_sync::{
    Barrier, Condition, Event, Lock, OnceCell, Queue, RwLock, Semaphore, broadcast, oneshot, watch,
};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

fn model(body: impl Fn() + Send + Sync + 'static) {
    loom::model(body);
}

fn spawn<T: 'static>(body: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    loom::thread::spawn(body)
}

/// Parks a thread until it is woken.
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    // When loom finds a deadlock it unwinds, and nothing of it may be touched any more: the future must
    // not leave its line then.
    let mut future = ManuallyDrop::new(Box::pin(future));
    let parker = Arc::new(Parker { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&parker));
    loop {
        let polled = Pin::as_mut(&mut future).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            drop(ManuallyDrop::into_inner(future));
            return output;
        }
        let mut woken = parker.woken.lock();
        while !*woken {
            woken = parker.changed.wait(woken);
        }
        *woken = false;
    }
}

/// A future on the heap that was polled once, so it is in the line, and knows when it was woken.
struct Waiter<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    wakes: Arc<Wakes>,
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<T> Waiter<T> {
    fn new(future: impl Future<Output = T> + 'static) -> Self {
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let mut waiter = Self { future: Box::pin(future), wakes };
        assert!(waiter.poll().is_none(), "it has to wait");
        waiter
    }

    fn poll(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }

    /// Polled only if it was woken: a lost wake would be a `None` here.
    fn finish(mut self) -> Option<T> {
        if self.woken() { self.poll() } else { None }
    }
}

#[test]
fn one_at_a_time_has_the_lock() {
    model(|| {
        let lock = Arc::new(Lock::new(0));
        let other = Arc::clone(&lock);
        let thread = spawn(move || *block_on(other.lock()) += 1);
        *block_on(lock.lock()) += 1;
        thread.join().unwrap();
        assert_eq!(*lock.try_lock().expect("both are done"), 2);
    });
}

#[test]
fn a_waiter_that_comes_during_the_release_gets_the_lock() {
    model(|| {
        let lock = Arc::new(Lock::new(0));
        let guard = lock.try_lock_owned().unwrap();
        let thread = spawn(move || drop(guard));
        *block_on(lock.lock()) += 1;
        thread.join().unwrap();
    });
}

#[test]
fn a_lock_granted_to_a_cancelled_waiter_goes_to_the_next() {
    model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let second = Waiter::new(lock.lock_owned());
        let release = spawn(move || drop(guard));
        let cancel = spawn(move || drop(first));
        release.join().unwrap();
        cancel.join().unwrap();
        assert!(second.finish().is_some(), "the second waiter has the lock");
        assert!(lock.try_lock().is_some(), "and released it");
    });
}

#[test]
fn a_lock_granted_to_waiters_who_are_all_cancelled_is_free() {
    model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let second = Waiter::new(lock.lock_owned());
        let release = spawn(move || drop(guard));
        let cancel = spawn(move || drop(second));
        drop(first);
        release.join().unwrap();
        cancel.join().unwrap();
        assert!(lock.try_lock().is_some(), "nobody has it");
        assert!(!lock.locked());
    });
}

#[test]
fn a_grant_by_somebody_else_carries_what_the_last_owner_wrote() {
    model(|| {
        let lock = Arc::new(Lock::new(0));
        let mut guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let mut second = Waiter::new(lock.lock_owned());
        let release = spawn(move || {
            *guard += 1;
            drop(guard);
        });
        // Between the giving of the unit and the giver's settling, this one settles.
        drop(first);
        if second.woken() {
            assert_eq!(second.poll().map(|guard| *guard), Some(1));
        }
        release.join().unwrap();
    });
}

#[test]
fn who_looks_before_it_is_woken_has_all_or_nothing() {
    model(|| {
        let lock = Arc::new(Lock::new(0));
        let mut guard = lock.try_lock_owned().unwrap();
        let mut waiter = Waiter::new(lock.lock_owned());
        let release = spawn(move || {
            *guard += 1;
            drop(guard);
        });
        if let Some(guard) = waiter.poll() {
            assert_eq!(*guard, 1);
        }
        release.join().unwrap();
    });
}

#[test]
fn who_was_granted_the_lock_during_the_release_finds_it_locked() {
    model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let release = spawn(move || drop(guard));
        let mut comes = Box::pin(lock.lock_owned());
        for _ in 0..2 {
            if let Poll::Ready(_guard) =
                comes.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                assert!(lock.locked());
                break;
            }
        }
        release.join().unwrap();
    });
}

#[test]
fn free_units_are_not_taken_past_somebody_who_was_granted_his() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiter = Waiter::new(semaphore.acquire_owned());
        let other = Arc::clone(&semaphore);
        let barge = spawn(move || other.try_acquire().is_some());
        semaphore.release_many(2);
        assert!(!barge.join().unwrap(), "somebody was called before");
        assert!(waiter.finish().is_some());
        assert!(semaphore.try_acquire_many(2).is_some());
    });
}

#[test]
fn nobody_overtakes_who_was_granted_the_lock() {
    model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let waiter = Waiter::new(lock.lock_owned());
        let other = Arc::clone(&lock);
        let barge = spawn(move || other.try_lock().is_some());
        drop(guard);
        assert!(!barge.join().unwrap(), "the lock was promised");
        assert!(waiter.finish().is_some());
    });
}

#[test]
fn units_are_neither_lost_nor_doubled_when_a_waiter_leaves() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let many = Waiter::new(semaphore.acquire_many_owned(2));
        let one = Waiter::new(semaphore.acquire_owned());
        let giver = Arc::clone(&semaphore);
        let give = spawn(move || giver.release());
        let cancel = spawn(move || drop(many));
        semaphore.release();
        give.join().unwrap();
        cancel.join().unwrap();
        one.finish().expect("one unit goes to the second waiter").forget();
        assert_eq!(semaphore.available(), 1);
        assert!(!semaphore.locked(), "the line is empty");
    });
}

#[test]
fn who_stands_behind_one_that_leaves_is_served() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let many = Waiter::new(semaphore.acquire_many_owned(3));
        let one = Waiter::new(semaphore.acquire_owned());
        let cancel = spawn(move || drop(many));
        semaphore.release();
        cancel.join().unwrap();
        assert!(one.finish().is_some());
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn a_unit_given_while_somebody_joins_the_line_is_taken() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let giver = Arc::clone(&semaphore);
        let give = spawn(move || giver.release());
        block_on(semaphore.acquire()).forget();
        give.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_writer_is_alone() {
    model(|| {
        let lock = Arc::new(RwLock::new(0));
        let other = Arc::clone(&lock);
        let writer = spawn(move || *block_on(other.write()) += 1);
        let seen = *block_on(lock.read());
        writer.join().unwrap();
        assert!(seen <= 1);
        assert_eq!(*lock.try_read().unwrap(), 1);
    });
}

#[test]
fn readers_behind_a_cancelled_writer_go_on() {
    model(|| {
        let lock = Arc::new(RwLock::new(()));
        let reading = lock.try_read().map(std::mem::forget);
        assert!(reading.is_some());
        let writer = Waiter::new(lock.clone().write_owned());
        let reader = Waiter::new(lock.clone().read_owned());
        let cancel = spawn(move || drop(writer));
        let other = Arc::clone(&lock);
        let late = spawn(move || drop(block_on(other.read())));
        cancel.join().unwrap();
        late.join().unwrap();
        assert!(reader.finish().is_some());
    });
}

#[test]
fn an_event_that_is_set_while_somebody_comes_lets_it_through() {
    model(|| {
        let event = Arc::new(Event::new());
        let setter = Arc::clone(&event);
        let set = spawn(move || setter.set());
        block_on(event.wait());
        set.join().unwrap();
    });
}

#[test]
fn an_event_that_is_set_and_cleared_lets_through_all_who_waited() {
    model(|| {
        let event = Arc::new(Event::new());
        let (one, other) = (Arc::clone(&event), Arc::clone(&event));
        let first = Waiter::new(async move { one.wait().await });
        let second = Waiter::new(async move { other.wait().await });
        let setter = Arc::clone(&event);
        let set = spawn(move || {
            setter.set();
            setter.clear();
        });
        drop(first);
        set.join().unwrap();
        assert!(second.finish().is_some());
        assert!(!event.is_set());
    });
}

#[test]
fn who_waits_after_a_clear_is_not_let_through_by_the_set_before_it() {
    model(|| {
        let event = Arc::new(Event::new());
        let one = Arc::clone(&event);
        let first = Waiter::new(async move { one.wait().await });
        let setter = Arc::clone(&event);
        let set = spawn(move || setter.set());
        event.clear();
        let one = Arc::clone(&event);
        let mut late = Box::pin(async move { one.wait().await });
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        let through = late.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        set.join().unwrap();
        assert!(first.finish().is_some());
        // The set came before the clear, or after the wait began, or in between.
        let woken = wakes.0.load(Ordering::SeqCst) > 0;
        assert_eq!(through || woken, event.is_set());
    });
}

#[test]
fn a_notification_of_a_cancelled_waiter_goes_to_the_next() {
    model(|| {
        let condition = Arc::new(Condition::new(()));
        let wait = |condition: Arc<Condition>| async move {
            condition.lock().await.wait().await;
        };
        let first = Waiter::new(wait(Arc::clone(&condition)));
        let second = Waiter::new(wait(Arc::clone(&condition)));
        let notifier = Arc::clone(&condition);
        let notify = spawn(move || block_on(notifier.lock()).notify(1));
        let cancel = spawn(move || drop(first));
        notify.join().unwrap();
        cancel.join().unwrap();
        assert!(second.finish().is_some());
    });
}

#[test]
fn no_notification_falls_between_look_and_wait() {
    model(|| {
        let condition = Arc::new(Condition::new(false));
        let other = Arc::clone(&condition);
        let notify = spawn(move || {
            let mut ready = block_on(other.lock());
            *ready = true;
            ready.notify(1);
        });
        block_on(async {
            condition.lock().await.wait_for(|ready| *ready).await;
        });
        notify.join().unwrap();
    });
}

#[test]
fn an_item_for_a_cancelled_getter_goes_to_the_next() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        let get = |queue: Arc<Queue<u32>>| async move { queue.get().await };
        let first = Waiter::new(get(Arc::clone(&queue)));
        let second = Waiter::new(get(Arc::clone(&queue)));
        let putter = Arc::clone(&queue);
        let put = spawn(move || putter.put_nowait(7).unwrap());
        let cancel = spawn(move || drop(first));
        put.join().unwrap();
        cancel.join().unwrap();
        assert_eq!(second.finish(), Some(Ok(7)));
    });
}

#[test]
fn a_place_for_a_cancelled_putter_goes_to_the_next() {
    model(|| {
        let queue = Arc::new(Queue::new(1));
        queue.put_nowait(0).unwrap();
        let put = |queue: Arc<Queue<u32>>, item| async move { queue.put(item).await };
        let first = Waiter::new(put(Arc::clone(&queue), 1));
        let second = Waiter::new(put(Arc::clone(&queue), 2));
        let getter = Arc::clone(&queue);
        let get = spawn(move || getter.get_nowait().unwrap());
        let cancel = spawn(move || drop(first));
        assert_eq!(get.join().unwrap(), 0);
        cancel.join().unwrap();
        assert_eq!(second.finish(), Some(Ok(())));
        assert_eq!(queue.get_nowait(), Ok(2));
    });
}

#[test]
fn items_come_in_order_while_others_are_put() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        let putter = Arc::clone(&queue);
        let put = spawn(move || putter.put_nowait(3).unwrap());
        for item in 1..=3 {
            assert_eq!(block_on(queue.get()), Ok(item));
        }
        put.join().unwrap();
        assert!(queue.empty());
    });
}

#[test]
fn an_item_that_another_getter_took_to_the_front_is_found() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        let getter = Arc::clone(&queue);
        let get = spawn(move || block_on(getter.get()).unwrap());
        let own = block_on(queue.get()).unwrap();
        assert_eq!(own + get.join().unwrap(), 3, "one has 1, one has 2");
    });
}

#[test]
fn a_promised_item_stays_where_the_waiter_looks_for_it() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        let getter = Arc::clone(&queue);
        let waiter = Waiter::new(async move { getter.get().await });
        let putter = Arc::clone(&queue);
        let put = spawn(move || {
            putter.put_nowait(1).unwrap();
            putter.put_nowait(2).unwrap();
        });
        let taken = queue.get_nowait();
        put.join().unwrap();
        assert!(waiter.finish().is_some_and(|item| item.is_ok()), "there is one for each");
        assert_eq!(queue.qsize(), usize::from(taken.is_err()));
    });
}

#[test]
fn items_at_the_front_are_dropped_by_a_shutdown_unless_they_are_got() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        for item in 1..=3 {
            queue.put_nowait(item).unwrap();
        }
        assert_eq!(queue.get_nowait(), Ok(1));
        queue.task_done().unwrap();
        let closer = Arc::clone(&queue);
        let close = spawn(move || closer.shutdown(true));
        let got = block_on(queue.get());
        close.join().unwrap();
        assert!(queue.empty());
        assert_eq!(queue.task_done().is_ok(), got.is_ok(), "it counts as done if it was dropped");
        block_on(queue.join());
    });
}

#[test]
fn nobody_waits_for_a_queue_that_is_shut_down_meanwhile() {
    model(|| {
        let queue = Arc::new(Queue::<u32>::new(1));
        let closer = Arc::clone(&queue);
        let close = spawn(move || closer.shutdown(false));
        assert!(block_on(queue.get()).is_err());
        close.join().unwrap();
    });
}

#[test]
fn an_item_put_during_a_shutdown_is_put_or_given_back() {
    model(|| {
        let queue = Arc::new(Queue::new(1));
        let closer = Arc::clone(&queue);
        let close = spawn(move || closer.shutdown(true));
        let put = block_on(queue.put(7));
        close.join().unwrap();
        if let Err(error) = put {
            assert_eq!(error.0, 7);
        }
        // Put before the shutdown, it was dropped and counted as done; after it, it was not counted.
        assert!(queue.get_nowait().is_err());
        block_on(queue.join());
    });
}

#[test]
fn join_goes_on_when_the_last_item_is_done() {
    model(|| {
        let queue = Arc::new(Queue::unbounded());
        queue.put_nowait(1).unwrap();
        let worker = Arc::clone(&queue);
        let work = spawn(move || {
            assert_eq!(block_on(worker.get()), Ok(1));
            worker.task_done().unwrap();
        });
        block_on(queue.join());
        work.join().unwrap();
    });
}

#[test]
fn the_turn_of_a_cancelled_maker_goes_to_the_next() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let (one, other) = (Arc::clone(&cell), Arc::clone(&cell));
        let maker = Waiter::new(async move { *one.get_or_init(std::future::pending::<u32>).await });
        let cancel = spawn(move || drop(maker));
        let make = spawn(move || *block_on(other.get_or_init(|| async { 7 })));
        cancel.join().unwrap();
        assert_eq!(make.join().unwrap(), 7);
        assert_eq!(cell.get(), Some(&7));
    });
}

#[test]
fn those_who_meet_at_a_barrier_all_go_on() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        let meet = spawn(move || block_on(other.wait()).unwrap());
        let own = block_on(barrier.wait()).unwrap();
        assert_eq!(own + meet.join().unwrap(), 1, "one has 0, one has 1");
    });
}

#[test]
fn a_value_sent_once_arrives_or_comes_back() {
    model(|| {
        let (sender, receiver) = oneshot::channel();
        let drop_it = spawn(move || drop(receiver));
        let sent = sender.send(Arc::new(7));
        drop_it.join().unwrap();
        if let Err(value) = sent {
            assert_eq!(Arc::into_inner(value), Some(7));
        }
    });
}

#[test]
fn the_receiver_of_one_value_is_woken() {
    model(|| {
        let (sender, receiver) = oneshot::channel();
        let send = spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver), Ok(7));
        send.join().unwrap();
    });
}

#[test]
fn a_change_is_not_missed() {
    model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let send = spawn(move || sender.send(1).unwrap());
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.get(), 1);
        send.join().unwrap();
    });
}

#[test]
fn every_receiver_has_every_value_in_order() {
    model(|| {
        let (sender, mut receiver) = broadcast::channel(2);
        let mut other = sender.subscribe();
        let send = spawn(move || {
            assert!(sender.send(1).is_ok());
            assert!(sender.send(2).is_ok());
        });
        let receive = spawn(move || {
            assert_eq!(block_on(other.recv()), Ok(1));
        });
        assert_eq!(block_on(receiver.recv()), Ok(1));
        assert_eq!(block_on(receiver.recv()), Ok(2));
        assert_eq!(block_on(receiver.recv()), Err(broadcast::RecvError::Closed));
        send.join().unwrap();
        receive.join().unwrap();
    });
}

#[test]
fn what_was_missed_is_missed_whether_it_was_taken_or_not() {
    model(|| {
        let (sender, mut receiver) = broadcast::channel(2);
        assert!(sender.send(1).is_ok());
        assert!(sender.send(2).is_ok());
        let send = spawn(move || {
            assert!(sender.send(3).is_ok());
            assert!(sender.send(4).is_ok());
        });
        let first = block_on(receiver.recv());
        send.join().unwrap();
        // One or two or three had made room when it looked; the last two are left in any case.
        let mut next = match first {
            Ok(value) => value + 1,
            Err(broadcast::RecvError::Lagged(missed)) => missed + 1,
            Err(broadcast::RecvError::Closed) => unreachable!("values are left"),
        };
        while next <= 4 {
            let left = next.max(3);
            if left > next {
                let lagged = broadcast::RecvError::Lagged(left - next);
                assert_eq!(block_on(receiver.recv()), Err(lagged));
            }
            assert_eq!(block_on(receiver.recv()), Ok(left));
            next = left + 1;
        }
    });
}
