//! Seats that sections hand on, under the model checker: each is with one thread at a time, and with some thread.
//!
//!     RUSTFLAGS="--cfg corrente_loom" LOOM_MAX_PREEMPTIONS=2 \
//!         cargo test --release -p corrente-scheduler --test loom_sections
//!
//! loom's clock stands still, so no spare thread ends by itself here: `close` sends them home.
#![cfg(corrente_loom)]

use corrente_scheduler::parts::{Idle, LocalQueue, Offer, Offers, Parker, Stealer};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::task::Waker;
use std::time::Duration;

const EVER: Duration = Duration::MAX;

/// Worker 0 as others see it. What is handed on with its seat is the queue.
struct Small {
    idle: Idle,
    offers: Offers<LocalQueue<usize>>,
    stealer: Stealer<usize>,
    /// The owner's half of the seat: loaded and stored by whoever has the core, like its pulse and counters.
    own: AtomicUsize,
    /// Items that were run.
    ran: AtomicUsize,
}

impl Small {
    fn new(workers: usize, limit: usize) -> (Arc<Self>, LocalQueue<usize>) {
        let queue = LocalQueue::new();
        let small = Self {
            idle: Idle::new(workers),
            offers: Offers::new(workers - 1, limit),
            stealer: queue.stealer(),
            own: AtomicUsize::new(0),
            ran: AtomicUsize::new(0),
        };
        (Arc::new(small), queue)
    }

    /// A turn at the seat, of whoever has the core.
    fn be_the_worker(&self, queue: &LocalQueue<usize>) {
        self.idle.arrive(0);
        let own = self.own.load(Ordering::Relaxed);
        while let Some(item) = queue.pop() {
            self.ran.fetch_add(item, Ordering::Relaxed);
        }
        self.own.store(own + 1, Ordering::Relaxed);
    }

    /// A spare thread, until it is sent home.
    fn serve(&self, counted: bool) -> usize {
        let mut seats = 0;
        let mut counted = counted;
        while let Some((seat, queue)) = self.offers.take(counted, EVER) {
            counted = false;
            assert_eq!(seat, 0);
            self.be_the_worker(&queue);
            seats += 1;
        }
        seats
    }
}

#[test]
fn a_seat_is_taken_or_taken_back_and_never_both() {
    loom::model(|| {
        let (small, queue) = Small::new(1, 1);
        queue.push(7);
        small.idle.depart(0);
        assert!(matches!(small.offers.offer(0, queue), Offer::Start));
        let other = small.clone();
        let other = thread::spawn(move || other.serve(true));
        let mine = small.offers.take_back(0).map(|queue| small.be_the_worker(&queue));
        small.offers.close();
        let turns = usize::from(mine.is_some()) + other.join().unwrap();
        assert_eq!(turns, 1);
        assert_eq!(small.own.load(Ordering::Relaxed), 1);
        assert_eq!(small.ran.load(Ordering::Relaxed), 7);
    });
}

#[test]
fn a_spare_thread_comes_for_each_of_two_sections() {
    // The second section begins at the seat as the first thread had it back, or not at all. It does not end
    // before somebody has come: a lost notification is a deadlock.
    loom::model(|| {
        let (small, queue) = Small::new(1, 1);
        small.idle.depart(0);
        assert!(matches!(small.offers.offer(0, queue), Offer::Start));
        let other = small.clone();
        let other = thread::spawn(move || other.serve(true));
        if let Some(queue) = small.offers.take_back(0) {
            small.be_the_worker(&queue);
            queue.push(7);
            small.idle.depart(0);
            assert!(matches!(small.offers.offer(0, queue), Offer::Made), "it is still coming");
            while small.ran.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            assert!(small.offers.take_back(0).is_none());
        }
        small.offers.close();
        assert_eq!(other.join().unwrap(), 1);
    });
}

#[test]
fn two_seats_find_two_threads_although_one_was_spare_already() {
    // Neither section ends before both have found somebody.
    loom::model(|| {
        let shared = Arc::new((Offers::new(1, 3), AtomicUsize::new(0)));
        let serve = |counted| {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut counted = counted;
                while let Some((seat, ())) = shared.0.take(counted, EVER) {
                    counted = false;
                    shared.1.fetch_add(seat, Ordering::Relaxed);
                }
            })
        };
        let mut threads = vec![serve(false)];
        for seat in [1, 2] {
            if matches!(shared.0.offer(seat, ()), Offer::Start) {
                threads.push(serve(true));
            }
        }
        while shared.1.load(Ordering::Relaxed) < 3 {
            thread::yield_now();
        }
        shared.0.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.0.threads(), 0);
    });
}

#[test]
fn what_lies_at_a_seat_is_stolen_by_whoever_slept() {
    // No thread can be had to stand in. The section does not end before the item has run.
    loom::model(|| {
        let (small, queue) = Small::new(2, 1);
        let parker = Arc::new(Parker::new());
        let (other, bed) = (small.clone(), parker.clone());
        let other = thread::spawn(move || {
            bed.belong_here();
            let mine = LocalQueue::new();
            let mut searching = false;
            loop {
                // Only what is open is owed, as a queue below its threshold is.
                let owed = || other.idle.open() & 1 == 1 && !other.stealer.is_empty();
                let found = if owed() { other.stealer.steal_into(&mine) } else { None };
                if let Some(item) = found {
                    if searching {
                        let _ = other.idle.end_search(owed);
                    }
                    return item;
                }
                searching = other.idle.sleep(1, searching, owed, || bed.park());
            }
        });
        queue.push(7);
        small.idle.depart(0);
        if let Some(sleeper) = small.idle.claim() {
            assert_eq!(sleeper, 1);
            let _ = parker.unpark(Waker::noop());
        }
        assert!(matches!(small.offers.offer(0, queue), Offer::Declined(_)));
        assert_eq!(other.join().unwrap(), 7);
    });
}
