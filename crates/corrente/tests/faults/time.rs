//! Timers at the ends of time, in a race, and behind a worker that does not come back (faults 47 to 51).

use crate::child::{Child, have};
use corrente::{Builder, TaskBuilder, create_task, sleep, sleep_until, timeout, timeout_scope};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_longest_and_the_shortest_times() {
    let test = "time::the_longest_and_the_shortest_times";
    let Some(child) = Child::of(test).run(|_| {
        let run = Builder::new().workers(2).run(async {
            let this = corrente::get_running_loop().unwrap();
            for long in
                [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_secs(1 << 40)]
            {
                let naps = [create_task(sleep(long)), create_task(sleep_until(long))];
                let mut call = this.call_later(long, || unreachable!());
                assert_eq!(
                    timeout(long, async {
                        sleep(ms(2)).await;
                        1
                    })
                    .await
                    .unwrap(),
                    1
                );
                timeout(ms(2), sleep(long)).await.expect_err("nobody sleeps that long");
                let moved = timeout_scope(ms(60_000), async |deadline| {
                    deadline.reschedule(Some(long)).unwrap();
                    sleep(ms(2)).await;
                    deadline.reschedule(None).unwrap();
                    sleep(ms(2)).await;
                    3
                });
                assert_eq!(moved.await.unwrap(), 3);
                call.cancel();
                for nap in naps {
                    assert!(!nap.done());
                    nap.cancel();
                    assert!(nap.outcome().await.is_err());
                }
            }
            sleep(Duration::ZERO).await;
            sleep_until(Duration::ZERO).await;
            sleep_until(this.time()).await;
            let (send, receive) = channel();
            drop(this.call_at(Duration::ZERO, move || send.send(()).unwrap()));
            corrente::to_thread(move || {
                receive.recv_timeout(PATIENCE).expect("what is past is due")
            })
            .await;
            timeout(Duration::ZERO, std::future::pending::<()>())
                .await
                .expect_err("no time at all");
        });
        run.unwrap();
    }) else {
        return;
    };
    child.well();
}

#[test]
fn an_uptime_of_142_years() {
    let test = "time::an_uptime_of_142_years";
    // Each is beyond a boundary that a runtime has stumbled over: 12 days, 49.7 days, 2^36 and 2^42 ms.
    for uptime in ["1100000", "4294968", "68719477", "4398046512", "4500000000"] {
        let tool = ["unshare", "-T", "--monotonic", uptime];
        if !have(&tool, test) {
            return;
        }
        let Some(child) = Child::of(test).under(&tool).argument(uptime).run(|uptime| {
            let shown = std::fs::read_to_string("/proc/uptime").unwrap();
            assert!(!shown.is_empty() && uptime.len() >= 7);
            let run = Builder::new().workers(2).run(async {
                let early = Arc::new(AtomicUsize::new(0));
                let naps = (0..300u64).map(|n| {
                    let early = early.clone();
                    create_task(async move {
                        let (begin, length) =
                            (Instant::now(), Duration::from_micros(n * 397 % 40_000));
                        sleep(length).await;
                        if begin.elapsed() < length {
                            early.fetch_add(1, SeqCst);
                        }
                    })
                });
                for nap in naps.collect::<Vec<_>>() {
                    nap.await;
                }
                assert_eq!(early.load(SeqCst), 0, "timers fired early");
                timeout(ms(5), sleep(HOUR)).await.expect_err("an hour is longer");
                timeout(HOUR, sleep(ms(5))).await.expect("an hour is enough");
            });
            run.unwrap();
            // In order, where there is one.
            let order = Arc::new(Mutex::new(Vec::new()));
            let run = Builder::new().fifo().run(async {
                let this = corrente::get_running_loop().unwrap();
                for n in [7, 1, 30, 4, 29, 15, 0, 8] {
                    let order = order.clone();
                    drop(this.call_later(ms(n), move || order.lock().unwrap().push(n)));
                }
                sleep(ms(40)).await;
            });
            run.unwrap();
            assert_eq!(*order.lock().unwrap(), [0, 1, 4, 7, 8, 15, 29, 30]);
        }) else {
            return;
        };
        child.well();
    }
}

#[test]
fn an_earlier_timer_while_the_driver_sleeps() {
    let test = "time::an_earlier_timer_while_the_driver_sleeps";
    let Some(child) = Child::of(test).run(|_| {
        for round in 0..30 {
            let runtime = Builder::new().workers(2).build().unwrap();
            let handle = runtime.handle().clone();
            // Somebody sleeps in the driver, for an hour.
            let late = handle.create_task(sleep(HOUR));
            std::thread::sleep(ms(2));
            // From outside.
            let (send, receive) = channel();
            let early = send.clone();
            drop(handle.call_later(ms(5), move || early.send(1).unwrap()));
            assert_eq!(receive.recv_timeout(PATIENCE), Ok(1), "round {round}: from outside");
            // From a worker, be it the one in the driver or another.
            let early = send.clone();
            let task = handle.create_task(async move {
                sleep(ms(5)).await;
                early.send(2).unwrap();
            });
            assert_eq!(receive.recv_timeout(PATIENCE), Ok(2), "round {round}: from a worker");
            // From the thread of a `block_on`, and with a clean-up of the later one in between.
            let main = runtime.block_on(async {
                sleep(ms(1)).await;
                late.cancel();
                create_task(sleep(ms(1))).await;
                3
            });
            assert_eq!(main.unwrap(), 3);
            wait(task);
        }
    }) else {
        return;
    };
    child.well();
}

fn wait<T>(task: corrente::Task<T>) {
    futures_lite::future::block_on(task.finished());
}

#[test]
fn resets_drops_and_cancels_race_with_the_end() {
    let test = "time::resets_drops_and_cancels_race_with_the_end";
    let Some(child) = Child::of(test).run(|_| {
        let runtime = Builder::new().workers(3).build().unwrap();
        let handle = runtime.handle().clone();
        let fired: Arc<Vec<AtomicUsize>> =
            Arc::new((0..3000).map(|_| AtomicUsize::new(0)).collect());
        // Callbacks, each cancelled by this thread at about its time.
        let mut timers = Vec::new();
        for n in 0..fired.len() {
            let fired = fired.clone();
            let delay = Duration::from_micros(n as u64 % 700);
            timers.push(handle.call_later(delay, move || {
                fired[n].fetch_add(1, SeqCst);
            }));
        }
        timers.iter_mut().step_by(2).for_each(|timer| timer.cancel());
        // Sleeps that go from one task to another, which resets or drops them.
        let moved = runtime.block_on(async {
            for n in 0..2000u64 {
                let mut nap = sleep(Duration::from_micros(n % 150));
                let polled = create_task(async move {
                    let first = futures_lite::future::poll_once(&mut nap).await;
                    (nap, first.is_some())
                });
                let (mut nap, over) = polled.await;
                let next = create_task(async move {
                    match n % 3 {
                        0 if !over => {
                            nap.reset_at(Duration::from_micros(1));
                            nap.await;
                        }
                        1 if !over => nap.await,
                        _ => drop(nap),
                    }
                });
                let deadline = Duration::from_micros(n % 90);
                let _ = timeout(deadline, sleep(Duration::from_micros(n % 80))).await;
                next.await;
            }
            2000
        });
        assert_eq!(moved.unwrap(), 2000);
        runtime.block_on(sleep(ms(20))).unwrap();
        for (n, fired) in fired.iter().enumerate() {
            let times = fired.load(SeqCst);
            assert!(times == 1 || (times == 0 && n % 2 == 0), "timer {n} fired {times} times");
        }
    }) else {
        return;
    };
    child.well();
}

#[test]
fn a_timer_whose_worker_does_not_come_back() {
    let test = "time::a_timer_whose_worker_does_not_come_back";
    let Some(child) = Child::of(test).run(|_| {
        for on_main in [true, false] {
            let run = Builder::new().workers(2).on_long_poll(|_| {}).run(async {
                let block = || {
                    let fired = Arc::new(AtomicBool::new(false));
                    let flag = fired.clone();
                    // Polled here, at once: its timer belongs to this worker.
                    let sleeper = TaskBuilder::new().eager_start(true).spawn(async move {
                        sleep(ms(5)).await;
                        flag.store(true, SeqCst);
                    });
                    sleeper.detach();
                    let end = Instant::now() + PATIENCE;
                    while !fired.load(SeqCst) {
                        assert!(Instant::now() < end, "the timer waited for its worker");
                        std::hint::spin_loop();
                    }
                };
                for _ in 0..5 {
                    if on_main {
                        block();
                        sleep(ms(1)).await;
                    } else {
                        create_task(async move { block() }).await;
                    }
                }
            });
            run.unwrap();
        }
    }) else {
        return;
    };
    child.well();
}
