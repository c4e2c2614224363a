//! An idle runtime: how fast it answers a wake from outside, and what its idleness costs.

use crate::latency::Latencies;
use crate::measure::{process_cpu, scaled};
use crate::{Contender, Figures};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// A place where one task waits and a plain thread rings.
#[derive(Default)]
struct Bell {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// When it was rung, for each time that the task has not noticed yet: on a busy machine several.
    rung: VecDeque<Instant>,
    waker: Option<Waker>,
}

impl Bell {
    /// The moment at which it was rung, once for each time.
    fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<Instant> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.rung.pop_front() {
            Some(rung) => Poll::Ready(rung),
            None => {
                inside.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes the time and wakes whoever waits.
    fn ring(&self) {
        let waker = {
            let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
            inside.rung.push_back(Instant::now());
            inside.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A plain thread rings every 2 ms; a task of the otherwise idle runtime says how long each wake took.
pub async fn outside<C: Contender>(scale: f64) -> Figures {
    let rings = scaled(200, scale);
    let bell = Arc::new(Bell::default());
    let waiting = C::spawn({
        let bell = Arc::clone(&bell);
        async move {
            let mut latencies = Latencies::new();
            for ring in 0..rings + 20 {
                let rung = poll_fn(|cx| bell.poll_rung(cx)).await;
                let latency = rung.elapsed();
                if ring >= 20 {
                    latencies.add(latency);
                }
            }
            latencies
        }
    });
    let ringer = thread::spawn(move || {
        for _ in 0..rings + 20 {
            thread::sleep(Duration::from_millis(2));
            bell.ring();
        }
    });
    let latencies = waiting.await;
    ringer.join().expect("the thread ends well");
    assert_eq!(latencies.total(), rings as u64);
    latencies.figures()
}

/// CPU time in a second in which nothing happens. A plain thread ends it, so no timer is set.
pub async fn idle<C: Contender>() -> Figures {
    let (end, ended) = async_channel::bounded::<Duration>(1);
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        let before = process_cpu();
        thread::sleep(Duration::from_secs(1));
        end.try_send(process_cpu() - before).expect("there is room for the figure");
    });
    let cpu = ended.recv().await.expect("the thread reports");
    thread.join().expect("the thread ends well");
    C::yield_now().await;
    Figures::new().with("cpu_us_per_s", cpu.as_nanos() as f64 / 1000.0)
}

/// CPU time of a timer every 10 ms.
pub async fn tick<C: Contender>() -> Figures {
    const TICKS: u32 = 100;
    let before = process_cpu();
    for _ in 0..TICKS {
        C::sleep(Duration::from_millis(10)).await;
    }
    let cpu = process_cpu() - before;
    Figures::new().with("cpu_us_per_tick", cpu.as_nanos() as f64 / 1000.0 / f64::from(TICKS))
}
