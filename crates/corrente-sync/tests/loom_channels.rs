//! Models of what hands values over: queues and channels, by loom.
#![cfg(corrente_loom)]

mod model;

use corrente_sync::{Queue, broadcast, oneshot, watch};
use loom::thread::spawn;
use model::{Waiter, block_on};
use std::sync::Arc;

#[test]
fn an_item_for_a_cancelled_getter_goes_to_the_next() {
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(|| {
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
    loom::model(|| {
        let queue = Arc::new(Queue::<u32>::new(1));
        let closer = Arc::clone(&queue);
        let close = spawn(move || closer.shutdown(false));
        assert!(block_on(queue.get()).is_err());
        close.join().unwrap();
    });
}

#[test]
fn an_item_put_during_a_shutdown_is_put_or_given_back() {
    loom::model(|| {
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
    loom::model(|| {
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
fn a_value_sent_once_arrives_or_comes_back() {
    loom::model(|| {
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
    loom::model(|| {
        let (sender, receiver) = oneshot::channel();
        let send = spawn(move || sender.send(7).unwrap());
        assert_eq!(block_on(receiver), Ok(7));
        send.join().unwrap();
    });
}

#[test]
fn a_change_is_not_missed() {
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let send = spawn(move || sender.send(1).unwrap());
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.get(), 1);
        send.join().unwrap();
    });
}

#[test]
fn every_receiver_has_every_value_in_order() {
    loom::model(|| {
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
    loom::model(|| {
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
