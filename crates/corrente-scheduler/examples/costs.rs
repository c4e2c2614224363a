//! What the scheduler's basic acts cost, without timers and sockets.
//!
//!     cargo run --release -p corrente-scheduler --example costs [-- WORKERS [WORDS OF A NAME]]
//!
//! Prints nanoseconds per operation, on the clock and of CPU time (the least of several passes), how often
//! workers were woken, and how often they stole. For comparing two versions on one machine in one hour.

use corrente_scheduler::{Config, Handle, Hooks, Metrics, NoDriver, Pool, WorkerMetrics};
use corrente_task::Options;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

const PASSES: usize = 7;

type Work = Pin<Box<dyn Future<Output = ()>>>;

fn main() {
    let workers = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    let config = Config { workers, ..Config::default() };
    let pool = match Pool::start(config, Box::new(NoDriver::new()), Hooks::default()) {
        Ok(pool) => pool,
        Err(error) => return eprintln!("{error}"),
    };
    let columns = ["ns/op", "cpu ns/op", "wakes/1000", "steals"];
    let [clock, cpu, wakes, steals] = columns;
    println!("{:<22}{clock:>10}{cpu:>12}{wakes:>12}{steals:>10}", format!("{workers} workers"));
    measure(&pool, "spawn and join", 100_000, |h| Box::pin(spawn_join(h, 100_000)));
    measure(&pool, "burst, detached", 200_000, |h| Box::pin(burst(h, 200_000)));
    measure(&pool, "yield, alone", 300_000, |h| Box::pin(yields(h, 1, 300_000)));
    measure(&pool, "yield, 100 tasks", 300_000, |h| Box::pin(yields(h, 100, 3_000)));
    measure(&pool, "ping-pong, a pair", 100_000, |h| Box::pin(pairs(h, 1, 100_000)));
    measure(&pool, "ping-pong, 100 pairs", 200_000, |h| Box::pin(pairs(h, 100, 2_000)));
    measure(&pool, "fork-join tree", 1 << 15, |h| tree(h, 14));
    measure(&pool, "blocking jobs", 10_000, |h| Box::pin(blocking(h, 10_000)));
    measure(&pool, "spawn from outside", 100_000, |h| Box::pin(outside(h, 100_000)));
    // How long work spins, in one task after the other and then fanned out by one task from a real park.
    println!("{:<22}{:>10}{:>12}", "", "best ms", "one worker's");
    for (name, tasks, each) in
        [("2 x 100 ms", 2, 100_000), ("64 x 200 us", 64, 200), ("4 x 1 ms", 4, 1000)]
    {
        spread(&pool, name, tasks, Duration::from_micros(each));
    }
}

fn spread(pool: &Pool, name: &str, tasks: u32, each: Duration) {
    if !std::env::args().nth(2).is_none_or(|only| name.contains(&only)) {
        return;
    }
    let mut best = Duration::MAX;
    for _ in 0..PASSES {
        let handle = pool.handle().clone();
        let fan_out = async move {
            let park = || std::thread::sleep(Duration::from_millis(5));
            handle.spawn_blocking(park, Options::default()).await;
            let begin = Instant::now();
            let spin = move || {
                let end = Instant::now() + each;
                while Instant::now() < end {}
            };
            let all: Vec<_> = (0..tasks)
                .map(|_| handle.spawn(async move { spin() }, Options::default()))
                .collect();
            for task in all {
                task.await;
            }
            begin.elapsed()
        };
        let spawned = pool.handle().spawn(fan_out, Options::default());
        match pool.block_on(spawned, Options::default()) {
            Ok(time) => best = best.min(time),
            Err(error) => return eprintln!("{name}: {error}"),
        }
    }
    let alone = (each * tasks).as_secs_f64() * 1000.0;
    println!("{name:<22}{:>10.2}{alone:>12.2}", best.as_secs_f64() * 1000.0);
}

fn measure(pool: &Pool, name: &str, ops: usize, work: impl Fn(Handle) -> Work) {
    if !std::env::args().nth(2).is_none_or(|only| name.contains(&only)) {
        return;
    }
    let (mut clock, mut cpu) = (f64::MAX, f64::MAX);
    let before = pool.handle().metrics();
    for _ in 0..PASSES {
        let (begin, begin_cpu) = (Instant::now(), cpu_time());
        if let Err(error) = pool.block_on(work(pool.handle().clone()), Options::default()) {
            return eprintln!("{name}: {error}");
        }
        clock = clock.min(begin.elapsed().as_nanos() as f64 / ops as f64);
        cpu = cpu.min((cpu_time() - begin_cpu) as f64 / ops as f64);
    }
    let after = pool.handle().metrics();
    let sum = |f: fn(&WorkerMetrics) -> u64| {
        let total = |m: &Metrics| m.workers.iter().map(f).sum::<u64>();
        total(&after) - total(&before)
    };
    let wakes = sum(|w| w.wakes_sent) as f64 * 1000.0 / (ops * PASSES) as f64;
    println!("{name:<22}{clock:>10.1}{cpu:>12.1}{wakes:>12.2}{:>10}", sum(|w| w.steals));
}

/// Nanoseconds of CPU that the threads of this process have used; 0 where the system does not say.
fn cpu_time() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.filter_map(of).sum()
}

async fn spawn_join(handle: Handle, many: usize) {
    for n in 0..many {
        assert_eq!(handle.spawn(async move { n }, Options::default()).await, n);
    }
}

async fn burst(handle: Handle, many: usize) {
    let gate = Gate::new(many);
    for _ in 0..many {
        let gate = gate.clone();
        handle.spawn(async move { gate.pass() }, Options::default()).detach();
    }
    gate.wait().await;
}

async fn yields(handle: Handle, tasks: usize, each: usize) {
    let all: Vec<_> =
        (0..tasks).map(|_| handle.spawn(yield_times(each), Options::default())).collect();
    for task in all {
        task.await;
    }
}

async fn yield_times(many: usize) {
    for _ in 0..many {
        let mut yielded = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

async fn pairs(handle: Handle, pairs: usize, rounds: usize) {
    let mut all = Vec::new();
    for _ in 0..pairs {
        let (ping, pong) = (Cell::default(), Cell::default());
        let (here, there) = (ping.clone(), pong.clone());
        let first = async move {
            for _ in 0..rounds {
                there.put();
                here.take().await;
            }
        };
        let second = async move {
            for _ in 0..rounds {
                pong.take().await;
                ping.put();
            }
        };
        all.push(handle.spawn(first, Options::default()));
        all.push(handle.spawn(second, Options::default()));
    }
    for task in all {
        task.await;
    }
}

fn tree(handle: Handle, depth: usize) -> Work {
    fn node(handle: Handle, depth: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if depth > 0 {
                let left = handle.spawn(node(handle.clone(), depth - 1), Options::default());
                let right = handle.spawn(node(handle.clone(), depth - 1), Options::default());
                left.await;
                right.await;
            }
        })
    }
    node(handle, depth)
}

async fn blocking(handle: Handle, many: usize) {
    let jobs: Vec<_> =
        (0..many).map(|n| handle.spawn_blocking(move || n, Options::default())).collect();
    for job in jobs {
        job.await;
    }
}

/// A plain thread spawns, the pool runs.
async fn outside(handle: Handle, many: usize) {
    let gate = Gate::new(many);
    let spawner = std::thread::spawn({
        let gate = gate.clone();
        move || {
            for _ in 0..many {
                let gate = gate.clone();
                handle.spawn(async move { gate.pass() }, Options::default()).detach();
            }
        }
    });
    pin!(gate.wait()).await;
    assert!(spawner.join().is_ok());
}

/// Waits until so many have passed.
#[derive(Clone)]
struct Gate(Arc<(AtomicUsize, Mutex<Option<Waker>>)>);

impl Gate {
    fn new(many: usize) -> Self {
        Self(Arc::new((AtomicUsize::new(many), Mutex::new(None))))
    }
    fn pass(&self) {
        if self.0.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = self.0.1.lock().ok().and_then(|mut waker| waker.take());
            waker.into_iter().for_each(Waker::wake);
        }
    }
    async fn wait(&self) {
        std::future::poll_fn(|cx| {
            if let Ok(mut waker) = self.0.1.lock() {
                *waker = Some(cx.waker().clone());
            }
            if self.0.0.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Holds one token.
#[derive(Clone, Default)]
struct Cell(Arc<Mutex<(bool, Option<Waker>)>>);

impl Cell {
    fn put(&self) {
        let waker = self.0.lock().ok().and_then(|mut state| {
            state.0 = true;
            state.1.take()
        });
        waker.into_iter().for_each(Waker::wake);
    }
    async fn take(&self) {
        std::future::poll_fn(|cx| {
            let Ok(mut state) = self.0.lock() else { return Poll::Ready(()) };
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
