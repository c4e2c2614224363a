//! Values handed from task to task: round trips, oneshots, one or many producers.

use super::countdown::Countdown;
use crate::measure::{Passes, scaled};
use crate::{Contender, Figures};

/// How often each of `pairs` exchanges a value in a pass, so that every pass has about as many round trips.
fn round_trips(pairs: usize, scale: f64) -> usize {
    scaled(if pairs == 1 { 100_000 } else { 200_000 / pairs }, scale)
}

/// Pairs of tasks over async-channel, the same for everybody.
pub async fn ping_pong<C: Contender>(pairs: usize, scale: f64) -> Figures {
    let rounds = round_trips(pairs, scale);
    let mut passes = Passes::new(4, pairs * rounds);
    while passes.start() {
        let mut handles = Vec::with_capacity(pairs);
        for _ in 0..pairs {
            let (ping, pinged) = async_channel::bounded::<usize>(1);
            let (pong, ponged) = async_channel::bounded::<usize>(1);
            C::spawn_detached(async move {
                while let Ok(value) = pinged.recv().await {
                    pong.send(value + 1).await.expect("the other end is there");
                }
            });
            handles.push(C::spawn(async move {
                for round in 0..rounds {
                    ping.send(round).await.expect("the other end is there");
                    assert_eq!(ponged.recv().await, Ok(round + 1));
                }
            }));
        }
        for handle in handles {
            handle.await;
        }
        passes.stop();
    }
    passes.figures()
}

/// Pairs of tasks over the runtime's own channel.
pub async fn ping_pong_own<C: Contender>(pairs: usize, scale: f64) -> Figures {
    let rounds = round_trips(pairs, scale);
    let mut passes = Passes::new(4, pairs * rounds);
    while passes.start() {
        let mut handles = Vec::with_capacity(pairs);
        for _ in 0..pairs {
            let (ping, mut pinged) = C::channel::<usize>(1);
            let (pong, mut ponged) = C::channel::<usize>(1);
            C::spawn_detached(async move {
                while let Some(value) = C::receive(&mut pinged).await {
                    C::send(&pong, value + 1).await;
                }
            });
            handles.push(C::spawn(async move {
                for round in 0..rounds {
                    C::send(&ping, round).await;
                    assert_eq!(C::receive(&mut ponged).await, Some(round + 1));
                }
            }));
        }
        for handle in handles {
            handle.await;
        }
        passes.stop();
    }
    passes.figures()
}

/// A task spawns a second one, sends it a oneshot and waits for the one that comes back; so many `at_once`.
pub async fn oneshot<C: Contender>(at_once: usize, scale: f64) -> Figures {
    let batches = scaled(60_000 / at_once, scale);
    let mut passes = Passes::new(3, at_once * batches);
    while passes.start() {
        for _ in 0..batches {
            let (countdown, all_done) = Countdown::new(at_once);
            for number in 0..at_once {
                C::spawn_detached(async move {
                    exchange::<C>(number).await;
                    countdown.finish_one();
                });
            }
            all_done.recv().await.expect("the last exchange reports");
        }
        passes.stop();
    }
    passes.figures()
}

async fn exchange<C: Contender>(number: usize) {
    let (ask, asked) = C::oneshot::<usize>();
    let (answer, answered) = C::oneshot::<usize>();
    C::spawn_detached(async move {
        let value = C::completed(asked).await;
        C::complete(answer, value + 1);
    });
    C::complete(ask, number);
    assert_eq!(C::completed(answered).await, number + 1);
}

/// A task makes a oneshot, sends and receives: what it costs without anybody to wait for.
pub async fn oneshot_alone<C: Contender>(scale: f64) -> Figures {
    let oneshots = scaled(500_000, scale);
    let mut passes = Passes::new(4, oneshots);
    while passes.start() {
        let mut sum = 0;
        for number in 0..oneshots {
            let (sender, receiver) = C::oneshot::<usize>();
            C::complete(sender, number);
            sum += C::completed(receiver).await;
        }
        passes.stop();
        assert_eq!(sum, (0..oneshots).sum());
    }
    passes.figures()
}

/// Producers fill one channel of 1,024 places, one task empties it.
pub async fn mpsc<C: Contender>(producers: u64, scale: f64) -> Figures {
    let each = scaled(400_000 / producers as usize, scale);
    let mut passes = Passes::new(4, producers as usize * each);
    while passes.start() {
        let (sender, mut receiver) = C::channel::<u64>(1024);
        for producer in 0..producers {
            let sender = sender.clone();
            C::spawn_detached(async move {
                for number in 0..each as u64 {
                    C::send(&sender, number * producers + producer).await;
                }
            });
        }
        drop(sender);
        let consumer = C::spawn(async move {
            let (mut count, mut sum) = (0, 0);
            while let Some(value) = C::receive(&mut receiver).await {
                count += 1;
                sum += value;
            }
            (count, sum)
        });
        let (count, sum) = consumer.await;
        passes.stop();
        let all = producers * each as u64;
        assert_eq!((count, sum), (all, all * (all - 1) / 2));
    }
    passes.figures()
}

/// As [`mpsc`], over a channel without limit.
pub async fn open_mpsc<C: Contender>(producers: u64, scale: f64) -> Figures {
    let each = scaled(400_000 / producers as usize, scale);
    let mut passes = Passes::new(4, producers as usize * each);
    while passes.start() {
        let (sender, mut receiver) = C::open_channel::<u64>();
        for producer in 0..producers {
            let sender = sender.clone();
            C::spawn_detached(async move {
                for number in 0..each as u64 {
                    C::send_now(&sender, number * producers + producer);
                }
            });
        }
        drop(sender);
        let consumer = C::spawn(async move {
            let (mut count, mut sum) = (0, 0);
            while let Some(value) = C::receive_open(&mut receiver).await {
                count += 1;
                sum += value;
            }
            (count, sum)
        });
        let (count, sum) = consumer.await;
        passes.stop();
        let all = producers * each as u64;
        assert_eq!((count, sum), (all, all * (all - 1) / 2));
    }
    passes.figures()
}

/// One task sends to four; after each thousand it waits for all of them, so that nobody falls behind.
pub async fn broadcast<C: Contender>(scale: f64) -> Figures {
    const RECEIVERS: usize = 4;
    const AT_ONCE: u64 = 1000;
    let batches = scaled(100, scale) as u64;
    let mut passes = Passes::new(4, batches as usize * AT_ONCE as usize * RECEIVERS);
    while passes.start() {
        let (sender, receivers) = C::broadcast::<u64>(1024, RECEIVERS);
        let (caught_up, all_caught_up) = async_channel::bounded(RECEIVERS);
        for mut receiver in receivers {
            let caught_up = caught_up.clone();
            C::spawn_detached(async move {
                for value in 0..batches * AT_ONCE {
                    assert_eq!(C::receive_broadcast(&mut receiver).await, value);
                    if (value + 1) % AT_ONCE == 0 {
                        caught_up.send(()).await.expect("the sender waits");
                    }
                }
            });
        }
        for batch in 0..batches {
            for value in batch * AT_ONCE..(batch + 1) * AT_ONCE {
                C::send_to_all(&sender, value);
            }
            for _ in 0..RECEIVERS {
                all_caught_up.recv().await.expect("the receivers report");
            }
        }
        passes.stop();
    }
    passes.figures()
}
