//! What happens with up to 64 workers, on a machine that has fewer cores: a model, with the real runtimes in it.
//!
//! ```text
//! workers [WORKERS…]        (default: 1 2 4 8 16 32 64)
//! ```
//! Two questions, a table each. *Does work spread?* A task that blocks its thread in the kernel takes a worker and no
//! core, so 64 workers can be busy at once on two cores, and only what the runtime itself does has to share these. *What
//! do workers share?* Short tasks that compute, and the pool's own counters: how often workers sleep, steal, wake each
//! other, and from that how many read-modify-writes fall on words that all of them use.
//!
//! Each line checks its results; a process runs all of them, since a worker that sleeps disturbs nobody.
#![forbid(unsafe_code)]

use corrente::{Builder, Handle, Metrics, create_task};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

type Work = Pin<Box<dyn Future<Output = usize> + Send>>;

/// How long a blocking task has its worker.
const BLOCK: Duration = Duration::from_millis(2);
/// Blocking tasks for each worker.
const PER_WORKER: usize = 32;
/// Rounds in which all workers begin asleep.
const ROUNDS: usize = 15;

/// A word with its cache line to itself.
#[repr(align(128))]
struct Line(AtomicU64);

/// Nanoseconds in which a word goes to another core's cache and back: the least of several tries.
fn cache_line() -> f64 {
    const TIMES: u64 = 20_000;
    let word = Line(AtomicU64::new(0));
    let once = |_| {
        word.0.store(0, Ordering::Release);
        let start = Instant::now();
        thread::scope(|scope| {
            for side in 0..2 {
                let word = &word.0;
                scope.spawn(move || {
                    stay_on(side);
                    for turn in 0..TIMES {
                        while word.load(Ordering::Acquire) != 2 * turn + side {
                            spin_loop();
                        }
                        word.store(2 * turn + side + 1, Ordering::Release);
                    }
                });
            }
        });
        start.elapsed().as_nanos() as f64 / TIMES as f64
    };
    (0..20).map(once).fold(f64::INFINITY, f64::min)
}

/// Keeps this thread on the core with this number, if it may.
fn stay_on(core: u64) {
    let mut cores = CpuSet::new();
    cores.set(core as usize);
    // Where there is no such core the figure is that of one core, as is all else.
    let _ = sched_setaffinity(None, &cores);
}

fn main() {
    let mut counts: Vec<usize> = std::env::args()
        .skip(1)
        .map(|word| word.parse().expect("workers are counted from 1 to 64"))
        .collect();
    if counts.is_empty() {
        counts = vec![1, 2, 4, 8, 16, 32, 64];
    }
    println!("does work spread? {PER_WORKER} tasks a worker, each blocks its thread for {BLOCK:?}");
    println!(
        "workers  {:>19}  {:>19}  {:>25}  {:>25}",
        "corrente: busy", "tokio: busy", "corrente: half, all begun", "tokio: half, all begun"
    );
    for &workers in &counts {
        let (ours, theirs) = (spread_corrente(workers), spread_tokio(workers));
        println!(
            "{workers:>7}  {:>19}  {:>19}  {:>25}  {:>25}",
            ours.busy(workers),
            theirs.busy(workers),
            ours.begun(),
            theirs.begun()
        );
    }
    println!();
    println!("a cache line goes to another core and back in {:.0} ns", cache_line());
    println!("what do workers share? counts for 1,000 operations");
    println!(
        "workers  {:<10}  {:>7}  {:>6}  {:>7}  {:>6}  {:>6}  {:>8}  {:>10}",
        "operation", "ns", "polls", "glances", "parks", "wakes", "steals", "shared RMW"
    );
    for &workers in &counts {
        println!("{workers:>7}  {}", line("spawn", workers, spawned()));
        println!("{workers:>7}  {}", line("spawn 5 µs", workers, spawned_longer()));
        println!("{workers:>7}  {}", line("yield", workers, yields()));
        println!("{workers:>7}  {}", line("wake", workers, round_trips()));
    }
}

/// How blocking tasks were spread over the workers.
struct Spread {
    wall: Duration,
    /// How long after the spawn half of the tasks, and all, had begun, where there was a worker for each.
    half: Duration,
    all: Duration,
}

impl Spread {
    /// How many workers were busy at a time, on the average.
    fn busy(&self, workers: usize) -> String {
        let work = BLOCK.as_secs_f64() * (workers * PER_WORKER) as f64;
        let busy = work / self.wall.as_secs_f64();
        format!("{busy:.1} ({:.0} %)", 100.0 * busy / workers as f64)
    }

    fn begun(&self) -> String {
        format!("{:.2}, {:.2} ms", self.half.as_secs_f64() * 1e3, self.all.as_secs_f64() * 1e3)
    }

    /// Of the walls of several rounds, and of the delays of each round's tasks.
    fn of(mut walls: Vec<Duration>, delays: Vec<Vec<Duration>>) -> Spread {
        let middle = |of: &mut Vec<Duration>| {
            of.sort_unstable();
            of[of.len() / 2]
        };
        let (mut halves, mut alls) = (Vec::new(), Vec::new());
        for mut round in delays {
            round.sort_unstable();
            halves.push(round[round.len() / 2]);
            alls.push(round[round.len() - 1]);
        }
        Spread { wall: middle(&mut walls), half: middle(&mut halves), all: middle(&mut alls) }
    }
}

/// Blocks this thread; how long after `spawned` it began.
async fn block(spawned: Instant) -> Duration {
    let delay = spawned.elapsed();
    thread::sleep(BLOCK);
    delay
}

fn spread_corrente(workers: usize) -> Spread {
    let main = async move {
        let (mut walls, mut delays) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            corrente::sleep(Duration::from_millis(5)).await;
            let start = Instant::now();
            let tasks: Vec<_> =
                (0..workers * PER_WORKER).map(|_| create_task(block(start))).collect();
            for task in tasks {
                task.await;
            }
            walls.push(start.elapsed());
            corrente::sleep(Duration::from_millis(5)).await;
            let start = Instant::now();
            let tasks: Vec<_> = (0..workers).map(|_| create_task(block(start))).collect();
            let mut round = Vec::new();
            for task in tasks {
                round.push(task.await);
            }
            delays.push(round);
        }
        Spread::of(walls, delays)
    };
    let main = async { create_task(main).await };
    Builder::new().workers(workers).run(main).expect("corrente starts")
}

fn spread_tokio(workers: usize) -> Spread {
    let main = async move {
        let (mut walls, mut delays) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let start = Instant::now();
            let tasks: Vec<_> =
                (0..workers * PER_WORKER).map(|_| tokio::spawn(block(start))).collect();
            for task in tasks {
                task.await.expect("it ends well");
            }
            walls.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
            let start = Instant::now();
            let tasks: Vec<_> = (0..workers).map(|_| tokio::spawn(block(start))).collect();
            let mut round = Vec::new();
            for task in tasks {
                round.push(task.await.expect("it ends well"));
            }
            delays.push(round);
        }
        Spread::of(walls, delays)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("tokio starts");
    runtime.block_on(async { tokio::spawn(main).await.expect("it ends well") })
}

/// Does `work` on so many workers, after doing it once to warm up, and says what that took for 1,000 operations.
fn line<F>(name: &str, workers: usize, work: impl Fn() -> F + Send + 'static) -> String
where
    F: Future<Output = usize> + Send,
{
    let main = async move {
        work().await;
        let handle = Handle::current().expect("this is inside the runtime");
        let (before, start) = (handle.metrics(), Instant::now());
        let operations = work().await;
        (before, handle.metrics(), start.elapsed(), operations)
    };
    let main = async { create_task(main).await };
    let (before, after, elapsed, operations) =
        Builder::new().workers(workers).run(main).expect("corrente starts");
    let (before, after) = (Totals::of(&before), Totals::of(&after));
    let since = |of: fn(&Totals) -> u64| of(&after) - of(&before);
    let (polls, glances) = (since(|t| t.polls), since(|t| t.glances));
    let (parks, wakes, steals) = (since(|t| t.parks), since(|t| t.wakes), since(|t| t.steals));
    // A claim raises `searching` and clears a bit. A sleep sets a bit and clears it. A search, which ends in one of
    // these ways, raises `searching` and lowers it. A look at the driver takes its lock and gives it back; one that
    // finds it taken is not counted by the pool, and is one write in vain, so as many as there must have been.
    let looks = glances.max(polls / 61) + parks;
    let shared = 2 * wakes + 2 * parks + 2 * (steals + parks) + 2 * looks;
    let each = |count: u64| count as f64 * 1000.0 / operations as f64;
    format!(
        "{name:<10}  {:>7.0}  {:>6.0}  {:>7.2}  {:>6.2}  {:>6.2}  {:>8.2}  {:>10.2}",
        elapsed.as_nanos() as f64 / operations as f64,
        each(polls),
        each(glances),
        each(parks),
        each(wakes),
        each(steals),
        each(shared),
    )
}

/// What all workers of a pool have done.
#[derive(Default)]
struct Totals {
    polls: u64,
    glances: u64,
    parks: u64,
    wakes: u64,
    /// From the injector, too.
    steals: u64,
}

impl Totals {
    fn of(metrics: &Metrics) -> Totals {
        let wakes = metrics.outside_wakes + metrics.rescues;
        let mut totals = Totals { wakes, ..Totals::default() };
        for worker in &metrics.workers {
            totals.polls += worker.polls;
            totals.glances += worker.driver_glances;
            totals.parks += worker.parks;
            totals.wakes += worker.wakes_sent;
            totals.steals += worker.steals + worker.injected;
        }
        totals
    }
}

/// 300,000 tasks that do nothing, 10,000 at a time.
fn spawned() -> impl Fn() -> Work + Send {
    || Box::pin(spawn_many(30, 10_000, Duration::ZERO))
}

/// 20,000 tasks that compute for five microseconds, 1,000 at a time.
fn spawned_longer() -> impl Fn() -> Work + Send {
    || Box::pin(spawn_many(20, 1_000, Duration::from_micros(5)))
}

async fn spawn_many(batches: usize, at_once: usize, compute: Duration) -> usize {
    for _ in 0..batches {
        let task = |number| {
            create_task(async move {
                let start = Instant::now();
                while !compute.is_zero() && start.elapsed() < compute {
                    spin_loop();
                }
                number
            })
        };
        let tasks: Vec<_> = (0..at_once).map(task).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        assert_eq!(sum, at_once * (at_once - 1) / 2, "every task has run once");
    }
    batches * at_once
}

/// 1,280 tasks that yield a thousand times.
fn yields() -> impl Fn() -> Work + Send {
    const TASKS: usize = 1_280;
    const TIMES: usize = 1_000;
    || {
        Box::pin(async {
            let task = |_| {
                create_task(async {
                    for _ in 0..TIMES {
                        corrente::yield_now().await;
                    }
                    TIMES
                })
            };
            let tasks: Vec<_> = (0..TASKS).map(task).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            assert_eq!(sum, TASKS * TIMES, "every task has yielded to its end");
            sum
        })
    }
}

/// 640 pairs of tasks that send each other a number 500 times.
fn round_trips() -> impl Fn() -> Work + Send {
    const PAIRS: usize = 640;
    const TIMES: usize = 500;
    || {
        Box::pin(async {
            let pair = |_| {
                let (ping, pinged) = async_channel::bounded::<usize>(1);
                let (pong, ponged) = async_channel::bounded::<usize>(1);
                create_task(async move {
                    while let Ok(value) = pinged.recv().await {
                        pong.send(value + 1).await.expect("the other end is there");
                    }
                })
                .detach();
                create_task(async move {
                    for round in 0..TIMES {
                        ping.send(round).await.expect("the other end is there");
                        assert_eq!(ponged.recv().await, Ok(round + 1));
                    }
                    TIMES
                })
            };
            let tasks: Vec<_> = (0..PAIRS).map(pair).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    }
}
