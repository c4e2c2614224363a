//! Promise 10: a task that holds its worker for a second holds up nothing that another worker could run.
//!
//! All by order, not by the clock: what should go on must have happened before the hog is done.

use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream};
use corrente::{Builder, create_task, sleep, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Computes for a second, or until `enough` says so, in one poll. True if it was cut short.
fn hog(enough: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        for _ in 0..1000 {
            std::hint::spin_loop();
        }
        if enough() {
            return true;
        }
    }
    false
}

fn two_workers<T>(main: impl Future<Output = T>) -> T {
    Builder::new().workers(2).on_long_poll(|_| {}).run(main).expect("main returns")
}

/// Runs the hog on the thread of `main`, or in a task, which is on either worker.
async fn with_hog(on_main: bool, enough: impl Fn() -> bool + Send + 'static) {
    let went_on = if on_main { hog(enough) } else { create_task(async move { hog(enough) }).await };
    assert!(went_on, "nothing went on beside a task that held its worker for five seconds");
}

#[test]
fn timers_go_on() {
    for on_main in [true, false] {
        two_workers(async {
            let ticks = Arc::new(AtomicU32::new(0));
            let count = ticks.clone();
            create_task(async move {
                loop {
                    sleep(Duration::from_millis(5)).await;
                    count.fetch_add(1, SeqCst);
                }
            })
            .detach();
            sleep(Duration::from_millis(20)).await;
            let before = ticks.load(SeqCst);
            with_hog(on_main, move || ticks.load(SeqCst) >= before + 3).await;
        });
    }
}

#[test]
fn sockets_go_on() {
    for on_main in [true, false] {
        two_workers(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            create_task(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            })
            .detach();
            let replies = Arc::new(AtomicU32::new(0));
            let count = replies.clone();
            create_task(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                let mut byte = [7];
                loop {
                    stream.write_all(&byte).await.unwrap();
                    stream.read_exact(&mut byte).await.unwrap();
                    count.fetch_add(1, SeqCst);
                    sleep(Duration::from_millis(1)).await;
                }
            })
            .detach();
            while replies.load(SeqCst) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            let before = replies.load(SeqCst);
            with_hog(on_main, move || replies.load(SeqCst) >= before + 3).await;
        });
    }
}

/// The hog spawns, so what it spawned lies in its own next slot and queue.
#[test]
fn what_lies_behind_the_hog_is_taken_from_it() {
    for children in [1, 2, 50] {
        two_workers(async {
            create_task(async move {
                let done = Arc::new(AtomicU32::new(0));
                for _ in 0..children {
                    let done = done.clone();
                    drop(create_task(async move {
                        done.fetch_add(1, SeqCst);
                    }));
                }
                assert!(
                    hog(|| done.load(SeqCst) == children),
                    "{children} tasks waited behind a hog"
                );
            })
            .await;
        });
    }
}

/// A task that is woken by the hog waits in the hog's next slot.
#[test]
fn what_the_hog_wakes_is_taken_from_it() {
    two_workers(async {
        let event = Arc::new(corrente::sync::Event::new());
        let woken = Arc::new(AtomicBool::new(false));
        let (wait, flag) = (event.clone(), woken.clone());
        create_task(async move {
            wait.wait().await;
            flag.store(true, SeqCst);
        })
        .detach();
        sleep(Duration::from_millis(10)).await;
        create_task(async move {
            event.set();
            assert!(
                hog(|| woken.load(SeqCst)),
                "the woken task waited behind the one that woke it"
            );
        })
        .await;
    });
}

/// Two hogs on two workers: nobody is left, and everything goes on when one of them ends.
#[test]
fn all_workers_blocked_is_survived() {
    two_workers(async {
        let end = Instant::now() + Duration::from_millis(100);
        let spin = move || while Instant::now() < end {};
        let (a, b) = (create_task(async move { spin() }), create_task(async move { spin() }));
        yield_now().await;
        a.await;
        b.await;
        sleep(Duration::from_millis(1)).await;
    });
}
