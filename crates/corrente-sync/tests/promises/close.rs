//! What ends: who waits is told, what is left is handed out or given back, nothing hangs.

use crate::common::{Waiter, now};
use corrente_sync::{GetNowaitError, Queue, QueueShutDown, broadcast, oneshot, watch};
use futures_lite::{StreamExt, future::block_on};
use std::sync::Arc;

#[test]
fn a_queue_that_is_shut_down_refuses_puts_and_hands_out_what_is_left() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    queue.shutdown(false);
    assert!(queue.is_shutdown());
    assert_eq!(now(queue.put(3)), Err(QueueShutDown(3)));
    assert_eq!(queue.put_nowait(3).unwrap_err().into_inner(), 3);
    assert_eq!((now(queue.get()), now(queue.get())), (Ok(1), Ok(2)));
    assert_eq!(now(queue.get()), Err(QueueShutDown(())));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
}

#[test]
fn a_shutdown_wakes_getters_and_putters() {
    let empty = Queue::<u32>::unbounded();
    let mut getters = [Waiter::new(empty.get()), Waiter::new(empty.get())];
    empty.shutdown(false);
    assert!(getters.iter_mut().all(|getter| getter.finish().is_err()));

    let full = Queue::new(1);
    full.put_nowait(1).unwrap();
    let mut putter = Waiter::new(full.put(2));
    full.shutdown(false);
    assert_eq!(putter.finish(), Err(QueueShutDown(2)), "with its item");
    assert_eq!(full.get_nowait(), Ok(1));
}

#[test]
fn a_woken_getter_still_gets_its_item_after_a_shutdown() {
    let queue = Queue::unbounded();
    let mut first = Waiter::new(queue.get());
    let mut second = Waiter::new(queue.get());
    queue.put_nowait("last").unwrap();
    queue.shutdown(false);
    assert_eq!(first.finish(), Ok("last"));
    assert_eq!(second.finish(), Err(QueueShutDown(())));
}

#[test]
fn an_immediate_shutdown_drops_the_items_and_releases_join() {
    let item = Arc::new(());
    let queue = Queue::unbounded();
    for _ in 0..3 {
        queue.put_nowait(Arc::clone(&item)).unwrap();
    }
    let mut join = Waiter::new(queue.join());
    queue.shutdown(true);
    assert_eq!((queue.qsize(), Arc::strong_count(&item)), (0, 1));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::QueueShutDown));
    join.finish();
}

#[test]
fn a_shutdown_waits_in_join_for_the_items_in_hand() {
    let queue = Queue::unbounded();
    for item in 0..3 {
        queue.put_nowait(item).unwrap();
    }
    assert_eq!(now(queue.get()), Ok(0));
    let mut join = Waiter::new(queue.join());
    queue.shutdown(true);
    assert!(!join.is_woken(), "one item is in hand");
    queue.task_done().unwrap();
    join.finish();
}

#[test]
fn a_plain_shutdown_does_not_release_join() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    let mut join = Waiter::new(queue.join());
    queue.shutdown(false);
    assert!(!join.is_woken());
    assert_eq!(now(queue.get()), Ok(1));
    queue.task_done().unwrap();
    join.finish();
}

#[test]
fn items_end_with_the_shutdown_and_after_what_is_left() {
    let queue = Queue::new(4);
    for item in 0..4 {
        queue.put_nowait(item).unwrap();
    }
    queue.shutdown(false);
    assert_eq!(block_on(queue.items().collect::<Vec<_>>()), [0, 1, 2, 3]);
    assert_eq!(block_on(queue.items().next()), None);
}

#[test]
fn oneshot_ends() {
    let (sender, receiver) = oneshot::channel::<u32>();
    let mut waiting = Waiter::new(receiver);
    drop(sender);
    assert_eq!(waiting.finish(), Err(oneshot::Closed));

    let (mut sender, receiver) = oneshot::channel::<u32>();
    let mut gone = Waiter::new(sender.closed());
    drop(receiver);
    gone.finish();
    drop(gone);
    assert!(sender.is_closed());
    assert_eq!(sender.send(7), Err(7));

    let (sender, mut receiver) = oneshot::channel();
    sender.send(7).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(7), "sent before it was closed");
    assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));

    let (sender, mut receiver) = oneshot::channel();
    assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Empty));
    receiver.close();
    assert_eq!(sender.send(7), Err(7));
}

#[test]
fn broadcast_ends() {
    let (sender, mut receiver) = broadcast::channel(2);
    sender.send(1).unwrap();
    let other = sender.clone();
    drop(sender);
    assert_eq!(now(receiver.recv()), Ok(1));
    let mut waiting = Waiter::new(receiver.recv());
    drop(other);
    assert_eq!(waiting.finish(), Err(broadcast::RecvError::Closed));
    drop(waiting);
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Closed));

    let (sender, receiver) = broadcast::channel(2);
    drop(receiver);
    assert_eq!(sender.send(5).unwrap_err().0, 5);
    let mut late = sender.subscribe();
    sender.send(6).unwrap();
    assert_eq!(late.try_recv(), Ok(6));
}

#[test]
fn watch_ends() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1).unwrap();
    let other = sender.clone();
    drop(sender);
    assert_eq!(now(receiver.changed()), Ok(()));
    let mut waiting = Waiter::new(receiver.changed());
    drop(other);
    assert_eq!(waiting.finish(), Err(watch::Closed));
    drop(waiting);
    assert_eq!(*receiver.get(), 1);

    let (sender, receiver) = watch::channel(0);
    let second = receiver.clone();
    let mut gone = Waiter::new(sender.closed());
    drop(receiver);
    assert!(!gone.is_woken());
    drop(second);
    gone.finish();
    assert!(sender.is_closed());
    assert_eq!(sender.send(5).unwrap_err().0, 5);
    assert_eq!((*sender.replace(6), *sender.get()), (0, 6));
}
