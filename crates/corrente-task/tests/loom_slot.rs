//! Models of [`Slot`]: its owner fills and empties it while a thief empties it, in every interleaving, by loom.
#![cfg(corrente_loom)]

mod model;

use corrente_task::{Runnable, Slot};
use model::Queue;
use std::sync::Arc;

/// Spawns a task; its Runnable.
fn task(queue: &Queue) -> Runnable {
    queue.spawn(async {}).detach();
    queue.take().unwrap()
}

/// Runs what was taken. loom sees it if the future was not published, or is polled twice.
fn run(taken: impl IntoIterator<Item = Option<Runnable>>) {
    taken.into_iter().flatten().for_each(|runnable| {
        let _ = runnable.run();
    });
}

#[test]
fn slot_what_is_put_in_comes_out_once_with_all_that_went_before() {
    loom::model(|| {
        let queue = Queue::default();
        let slot = Arc::new(Slot::new());
        let thief = slot.clone();
        let thief = loom::thread::spawn(move || run([thief.steal()]));
        slot.fill(task(&queue));
        run([slot.put(task(&queue))]);
        run([slot.take()]);
        thief.join().unwrap();
        assert_eq!(queue.ended(), 2);
    });
}

/// The owner has emptied it, or found it empty, and so needs no exchange to fill it again.
#[test]
fn slot_filled_again_after_a_thief_was_there() {
    loom::model(|| {
        let queue = Queue::default();
        let slot = Arc::new(Slot::new());
        let (first, second) = (task(&queue), task(&queue));
        slot.fill(first);
        let theirs = slot.clone();
        let thief = loom::thread::spawn(move || {
            run([theirs.steal()]);
        });
        run([slot.take()]);
        slot.fill(second);
        run([slot.take()]);
        thief.join().unwrap();
        assert!(!slot.is_full());
        assert_eq!(queue.ended(), 2);
    });
}
