//! The interrupter ends the present turn or the next one, and no call of it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::Loop;

/// Nobody waits so long: a turn with this limit ends by the interrupter or fails the test.
const FOREVER: Option<Duration> = Some(Duration::from_secs(60));
/// Less than `FOREVER` by so much that no long limit's early end comes near it.
const SOON: Duration = Duration::from_secs(30);

in_every_mode! {
    fn before_the_turn(run: &mut Loop) {
        run.reactor.interrupter().wake();
        let start = Instant::now();
        assert_eq!(run.turn(FOREVER), 0);
        assert!(start.elapsed() < SOON);
    }

    fn during_the_turn(run: &mut Loop) {
        let interrupter = run.reactor.interrupter();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            interrupter.wake();
        });
        let start = Instant::now();
        run.turn(FOREVER);
        assert!(start.elapsed() < SOON);
        thread.join().unwrap();
    }

    fn many_at_once_end_one_turn(run: &mut Loop) {
        let interrupter = run.reactor.interrupter();
        for _ in 0..1000 {
            interrupter.wake_by_ref();
        }
        let start = Instant::now();
        run.turn(FOREVER);
        assert!(start.elapsed() < SOON);
        // They are used up: the next turn waits.
        let limit = Duration::from_millis(10);
        let start = Instant::now();
        run.turn(Some(limit));
        assert!(start.elapsed() >= limit);
    }

    fn a_later_one_ends_a_later_turn(run: &mut Loop) {
        for _ in 0..100 {
            run.reactor.interrupter().wake();
            let start = Instant::now();
            run.turn(FOREVER);
            assert!(start.elapsed() < SOON);
        }
    }

    fn what_was_done_before_is_seen_after_the_turn(run: &mut Loop) {
        const THREADS: usize = 3;
        const ROUNDS: usize = 2000;
        let counter = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let counter = Arc::clone(&counter);
                let interrupter = run.reactor.interrupter();
                thread::spawn(move || {
                    for round in 0..ROUNDS {
                        counter.fetch_add(1, Ordering::Relaxed);
                        interrupter.wake_by_ref();
                        if round % 64 == 0 {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        // A lost one would leave this waiting with the counter below its end.
        while counter.load(Ordering::Relaxed) < THREADS * ROUNDS {
            let start = Instant::now();
            run.turn(FOREVER);
            assert!(start.elapsed() < SOON);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    fn it_outlives_the_reactor(run: &mut Loop) {
        let other = Loop::new(corrente_io::Reactor::new().unwrap());
        let interrupter = other.reactor.interrupter();
        drop(other);
        interrupter.wake();
        run.turn(Some(Duration::ZERO));
    }
}
