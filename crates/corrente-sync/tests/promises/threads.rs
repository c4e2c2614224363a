//! The same promises with real threads: many at once, with waiters that give up in the middle.

use corrente_sync::{Barrier, Condition, Event, Lock, Queue, RwLock, Semaphore, broadcast, watch};
use futures_lite::future::{block_on, or, poll_once, yield_now};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const THREADS: usize = 4;
const ROUNDS: usize = 3_000;

/// A random number generator, good enough to shake a test.
struct Dice(u64);

impl Dice {
    fn new(seed: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed as u64)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Awaits `future`, or gives up after a few polls.
    async fn perhaps<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let patience = self.roll(6);
        if patience == 5 {
            return Some(future.await);
        }
        let give_up = async {
            for _ in 0..patience {
                yield_now().await;
            }
            None
        };
        or(async { Some(future.await) }, give_up).await
    }
}

/// Runs `body` on several threads and adds up what they say.
fn on_threads(body: impl Fn(usize, Dice) -> usize + Sync) -> usize {
    thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> =
            (0..THREADS).map(|at| scope.spawn(move || body(at, Dice::new(at)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn a_lock_excludes() {
    let lock = Arc::new(Lock::new(0));
    let added = on_threads(|_, mut dice| {
        block_on(async {
            let mut added = 0;
            for _ in 0..ROUNDS {
                let guard = dice.perhaps(lock.lock()).await;
                if let Some(mut guard) = guard {
                    let before = *guard;
                    yield_now().await;
                    *guard = before + 1;
                    added += 1;
                }
            }
            added
        })
    });
    assert_eq!(*lock.try_lock().expect("nobody has it"), added);
}

#[test]
fn a_writer_is_alone_and_readers_are_not() {
    let lock = RwLock::new((0, 0));
    let written = on_threads(|_, mut dice| {
        block_on(async {
            let mut written = 0;
            for _ in 0..ROUNDS {
                if dice.roll(3) == 0 {
                    if let Some(mut pair) = dice.perhaps(lock.write()).await {
                        pair.0 += 1;
                        yield_now().await;
                        pair.1 += 1;
                        written += 1;
                    }
                } else if let Some(pair) = dice.perhaps(lock.read()).await {
                    yield_now().await;
                    assert_eq!(pair.0, pair.1);
                }
            }
            written
        })
    });
    assert_eq!(lock.into_inner(), (written, written));
}

#[test]
fn units_come_back() {
    let semaphore = Semaphore::new(3);
    let inside = AtomicUsize::new(0);
    on_threads(|_, mut dice| {
        block_on(async {
            for _ in 0..ROUNDS {
                let units = 1 + usize::try_from(dice.roll(3)).unwrap();
                if let Some(permit) = dice.perhaps(semaphore.acquire_many(units)).await {
                    assert!(inside.fetch_add(units, Ordering::Relaxed) + units <= 3);
                    yield_now().await;
                    inside.fetch_sub(units, Ordering::Relaxed);
                    drop(permit);
                }
            }
        });
        0
    });
    assert_eq!(semaphore.available(), 3);
    assert!(!semaphore.locked());
}

#[test]
fn no_item_is_lost_or_doubled() {
    for places in [0, 1, 7] {
        let queue = Queue::new(places);
        let put = AtomicUsize::new(0);
        let got = thread::scope(|scope| {
            let getters: Vec<_> = (0..2)
                .map(|at| {
                    let queue = &queue;
                    scope.spawn(move || {
                        let mut dice = Dice::new(100 + at);
                        block_on(async {
                            let mut got = Vec::new();
                            loop {
                                match dice.perhaps(queue.get()).await {
                                    Some(Ok(item)) => {
                                        got.push(item);
                                        queue.task_done().unwrap();
                                    }
                                    Some(Err(_)) => return got,
                                    None => {}
                                }
                            }
                        })
                    })
                })
                .collect();
            on_threads(|at, mut dice| {
                block_on(async {
                    for round in 0..ROUNDS {
                        let item = at * ROUNDS + round;
                        if let Some(result) = dice.perhaps(queue.put(item)).await {
                            result.unwrap();
                            put.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
                0
            });
            block_on(queue.join());
            queue.shutdown(false);
            getters.into_iter().map(|getter| getter.join().unwrap()).collect::<Vec<_>>()
        });
        for mine in &got {
            for producer in 0..THREADS {
                let of_producer: Vec<_> =
                    mine.iter().filter(|item| *item / ROUNDS == producer).collect();
                assert!(of_producer.is_sorted(), "each producer's items in their order");
            }
        }
        let all: HashSet<_> = got.iter().flatten().collect();
        assert_eq!(all.len(), got.iter().map(Vec::len).sum::<usize>(), "none doubled");
        assert_eq!(all.len(), put.into_inner(), "none lost");
    }
}

#[test]
fn no_notification_is_lost() {
    // A baton goes round: each waits until it is his turn.
    let condition = Condition::new(0);
    on_threads(|at, _| {
        block_on(async {
            for _ in 0..ROUNDS / 10 {
                let mut turn = condition.lock().await;
                turn.wait_for(|turn| *turn % THREADS == at).await;
                *turn += 1;
                turn.notify_all();
            }
        });
        0
    });
    assert_eq!(*condition.try_lock().unwrap(), ROUNDS / 10 * THREADS);
}

#[test]
fn all_meet_in_each_round() {
    let barrier = Barrier::new(THREADS);
    let come = AtomicUsize::new(0);
    let sum = on_threads(|_, _| {
        block_on(async {
            let mut sum = 0;
            for round in 1..=ROUNDS / 10 {
                come.fetch_add(1, Ordering::SeqCst);
                sum += barrier.wait().await.unwrap();
                assert!(come.load(Ordering::SeqCst) >= round * THREADS, "all have come");
            }
            sum
        })
    });
    assert_eq!(sum, ROUNDS / 10 * (0..THREADS).sum::<usize>(), "each index once in each round");
}

#[test]
fn an_event_lets_all_through() {
    for _ in 0..200 {
        let event = Event::new();
        let waited = AtomicUsize::new(0);
        on_threads(|at, _| {
            if at == 0 {
                event.set();
            } else {
                block_on(event.wait());
                waited.fetch_add(1, Ordering::Relaxed);
            }
            0
        });
        assert_eq!(waited.into_inner(), THREADS - 1);
    }
}

#[test]
fn all_receive_all() {
    let (sender, receiver) = broadcast::channel(ROUNDS);
    thread::scope(|scope| {
        for at in 0..2 {
            let mut receiver = receiver.clone();
            scope.spawn(move || {
                let mut dice = Dice::new(at);
                block_on(async {
                    let mut expected = 0;
                    while expected < ROUNDS {
                        if let Some(value) = dice.perhaps(receiver.recv()).await {
                            assert_eq!(value, Ok(expected));
                            expected += 1;
                        }
                    }
                });
            });
        }
        for value in 0..ROUNDS {
            assert_eq!(sender.send(value).unwrap(), 3);
            thread::yield_now();
        }
    });
}

#[test]
fn the_newest_value_is_seen() {
    let (sender, mut receiver) = watch::channel(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            block_on(async {
                let mut last = 0;
                while receiver.changed().await.is_ok() {
                    let now = *receiver.get();
                    assert!(now >= last, "time does not run backwards");
                    last = now;
                }
                assert_eq!(last, ROUNDS);
            });
        });
        for value in 1..=ROUNDS {
            sender.send(value).unwrap();
        }
        drop(sender);
    });
}

#[test]
fn one_poll_is_enough_for_what_is_there() {
    let queue = Queue::unbounded();
    queue.put_nowait(1).unwrap();
    assert_eq!(block_on(poll_once(queue.get())), Some(Ok(1)));
    assert_eq!(block_on(poll_once(queue.get())), None);
}
