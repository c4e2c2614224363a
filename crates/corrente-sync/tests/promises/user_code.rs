//! Wakers, destructors and closures are user code: they may use the very thing that runs them, and may
//! panic. Under a lock of ours the first would hang, and the second would lose somebody's wake.

use crate::common::{Waiter, now};
use corrente_sync::{Event, Lock, Queue, Semaphore, broadcast, oneshot, watch};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// A waker that does something, when it wakes and when it is dropped.
struct Does<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync> Drop for Does<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn poll_with<T>(future: impl Future<Output = T>, does: impl Fn() + Send + Sync + 'static) {
    let waker = Waker::from(Arc::new(Does(does)));
    let mut future = pin!(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // Another waker takes its place, and the first one is dropped.
    drop(waker);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_waker_that_is_dropped_may_use_what_it_waited_for() {
    let lock = Arc::new(Lock::new(()));
    let guard = lock.try_lock().unwrap();
    let used = Arc::clone(&lock);
    poll_with(lock.lock(), move || assert!(used.try_lock().is_none() && used.locked()));
    drop(guard);

    let queue = Arc::new(Queue::<u32>::unbounded());
    let used = Arc::clone(&queue);
    poll_with(queue.get(), move || assert!(used.empty()));

    let event = Arc::new(Event::new());
    let used = Arc::clone(&event);
    poll_with(event.wait(), move || used.set());

    let (sender, receiver) = oneshot::channel::<u32>();
    poll_with(receiver, move || assert!(!sender.is_closed() || sender.is_closed()));
}

#[test]
fn a_woken_waker_may_use_what_woke_it() {
    let semaphore = Arc::new(Semaphore::new(0));
    let mut waiting = Box::pin(semaphore.acquire());
    let used = Arc::clone(&semaphore);
    let waker = Waker::from(Arc::new(Does(move || assert!(used.try_acquire().is_none()))));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    semaphore.release();
    drop(waker);
    drop(waiting);
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_waker_may_drop_the_future_of_the_next_in_line() {
    let event = Arc::new(Event::new());
    let other = Arc::clone(&event);
    let next = Arc::new(std::sync::Mutex::new(None));
    let taken = Arc::clone(&next);
    let mut first = Box::pin(event.wait());
    let waker = Waker::from(Arc::new(Does(move || drop(taken.lock().unwrap().take()))));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut second: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(async move { other.wait().await });
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    *next.lock().unwrap() = Some(second);
    event.set();
    assert!(next.lock().unwrap().is_none());
}

#[test]
fn a_waker_that_panics_does_not_cost_the_others_their_wake() {
    let event = Event::new();
    let panics = Waker::from(Arc::new(Panics));
    let mut first = Box::pin(event.wait());
    assert!(first.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    let mut second = Waiter::new(event.wait());
    assert!(catch_unwind(AssertUnwindSafe(|| event.set())).is_err());
    second.finish();
    assert!(event.is_set());
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker");
    }
}

/// Looks at its queue when it is dropped.
struct Item(Arc<Queue<Item>>);

impl Drop for Item {
    fn drop(&mut self) {
        assert!(self.0.is_shutdown());
    }
}

#[test]
fn an_item_that_is_dropped_may_use_its_queue() {
    let queue = Arc::new(Queue::unbounded());
    queue.put_nowait(Item(Arc::clone(&queue))).unwrap();
    queue.shutdown(true);
    drop(now(queue.put(Item(Arc::clone(&queue)))));
}

/// Sends when it is dropped.
struct Last(Option<broadcast::Sender<Last>>);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            assert!(sender.send(Self(None)).is_ok());
        }
    }
}

#[test]
fn a_broadcast_value_that_makes_room_may_use_its_channel() {
    let (sender, receiver) = broadcast::channel(1);
    assert!(sender.send(Last(Some(sender.clone()))).is_ok());
    assert!(sender.send(Last(None)).is_ok());
    drop(receiver);
}

struct Looks(Option<watch::Receiver<Looks>>);

impl Drop for Looks {
    fn drop(&mut self) {
        if let Some(receiver) = &self.0 {
            assert!(receiver.get().0.is_none());
        }
    }
}

#[test]
fn a_watched_value_that_is_replaced_may_use_its_channel() {
    let (sender, receiver) = watch::channel(Looks(None));
    assert!(sender.send(Looks(Some(receiver.clone()))).is_ok());
    assert!(sender.send(Looks(None)).is_ok());
}
