//! asyncio's order, as the conformance corpus defines it.

use crate::support::{Flag, World, block_on, callback, config, pool_in, spawn, yield_now};
use corrente_scheduler::{BlockOnError, Config, Handle, Order, Pool, spawn_local};
use corrente_task::{Options, Task, budget};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

#[derive(Clone)]
struct Trace(Arc<Mutex<Vec<String>>>, World);

impl Trace {
    fn log(&self, line: impl std::fmt::Display) {
        self.0.lock().unwrap().push(line.to_string());
    }
    fn logs(&self, line: &str) -> impl Future<Output = ()> + Send + use<> {
        let (trace, line) = (self.clone(), line.to_owned());
        async move { trace.log(line) }
    }
    fn nap(&self, ms: u64) -> impl Future<Output = ()> + Send + use<> {
        self.1.sleep(Duration::from_millis(ms))
    }
    fn now(&self) -> u128 {
        self.1.now().as_millis()
    }
    fn call_soon(&self, line: &str) -> Task<()> {
        let handle = Handle::current().expect("in a pool");
        handle.spawn(self.logs(line), callback())
    }
    fn call_later(&self, ms: u64, line: &str) -> Task<()> {
        let (nap, log) = (self.nap(ms), self.logs(line));
        let handle = Handle::current().expect("in a pool");
        // The timer is registered now, not in the callback's first poll.
        handle.spawn_eager(
            async move {
                nap.await;
                log.await;
            },
            callback(),
        )
    }
}

use std::future::Future;

fn fifo_pool(world: &World) -> Pool {
    pool_in(Config { order: Order::Fifo, ..config(1) }, world)
}

fn trace(main: impl AsyncFnOnce(Trace)) -> Vec<String> {
    let world = World::with_virtual_time();
    let pool = fifo_pool(&world);
    let trace = Trace(Arc::default(), world);
    block_on(&pool, main(trace.clone()));
    drop(pool);
    trace.0.lock().unwrap().clone()
}

#[test]
fn call_soon_is_fifo() {
    let lines = trace(async |t| {
        for n in 1..=3 {
            t.call_soon(&format!("callback {n}")).detach();
        }
        t.log("queued");
        yield_now().await;
        t.log("main again");
    });
    assert_eq!(lines, ["queued", "callback 1", "callback 2", "callback 3", "main again"]);
}

#[test]
fn what_a_round_queues_runs_in_the_next() {
    let lines = trace(async |t| {
        let outer = t.clone();
        let handle = Handle::current().expect("in a pool");
        handle
            .spawn(
                async move {
                    outer.log("outer");
                    outer.call_soon("inner").detach();
                },
                callback(),
            )
            .detach();
        t.call_soon("second").detach();
        yield_now().await;
        t.log("main after one round");
        yield_now().await;
        t.log("main after two rounds");
    });
    assert_eq!(
        lines,
        ["outer", "second", "main after one round", "inner", "main after two rounds"]
    );
}

#[test]
fn sleep_zero_is_a_round_robin() {
    let lines = trace(async |t| {
        let tasks: Vec<_> = ["a", "b", "c"]
            .map(|name| {
                let t = t.clone();
                spawn(async move {
                    for n in 0..3 {
                        t.log(format!("{name}{n}"));
                        yield_now().await;
                    }
                })
            })
            .into();
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(lines, ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]);
}

#[test]
fn timers_fire_by_deadline_and_then_by_creation() {
    let lines = trace(async |t| {
        for ms in [30, 10, 20] {
            t.call_later(ms, &format!("timer {ms}")).detach();
        }
        for name in ["a", "b", "c"] {
            t.call_later(40, name).detach();
        }
        t.nap(100).await;
        t.log(format!("{} main", t.now()));
    });
    assert_eq!(lines, ["timer 10", "timer 20", "timer 30", "a", "b", "c", "100 main"]);
}

#[test]
fn a_timer_of_zero_runs_in_the_next_round_after_what_is_queued() {
    let lines = trace(async |t| {
        t.call_later(0, "zero").detach();
        t.call_soon("soon").detach();
        t.log("scheduled");
        t.nap(1).await;
    });
    assert_eq!(lines, ["scheduled", "soon", "zero"]);
}

#[test]
fn a_timer_s_callback_is_the_entry_and_a_sleeper_takes_one_round_more() {
    // Due together: the callback runs in the round of its entry. The sleeper is woken in that round, and
    // runs in the next, where also runs what the callback has queued.
    let lines = trace(async |t| {
        let (nap, sleeper) = (t.nap(10), t.clone());
        spawn(async move {
            nap.await;
            sleeper.log("sleeper");
        })
        .detach();
        yield_now().await;
        let (nap, inner) = (t.nap(10), t.clone());
        let handle = Handle::current().expect("in a pool");
        handle
            .spawn_eager(
                async move {
                    nap.await;
                    inner.log("callback");
                    inner.call_soon("after the callback").detach();
                },
                callback(),
            )
            .detach();
        t.nap(20).await;
    });
    assert_eq!(lines, ["callback", "sleeper", "after the callback"]);
}

#[test]
fn when_main_has_ended_its_round_and_one_more_are_run() {
    let lines = trace(async |t| {
        let child = t.clone();
        spawn(async move {
            child.log("child's first step");
            yield_now().await;
            child.log("never");
        })
        .detach();
        t.log("main ends");
    });
    assert_eq!(lines, ["main ends", "child's first step"]);
}

#[test]
fn the_next_run_goes_on_where_the_last_one_stopped() {
    let world = World::with_virtual_time();
    let pool = fifo_pool(&world);
    let t = Trace(Arc::default(), world);
    let (child, napper) = (t.clone(), t.clone());
    block_on(&pool, async {
        spawn(async move {
            for n in 0..4 {
                child.log(n);
                yield_now().await;
            }
        })
        .detach();
        spawn(async move {
            napper.nap(10).await;
            napper.log("nap is over");
        })
        .detach();
        yield_now().await;
    });
    t.log("between the runs");
    block_on(&pool, async {
        t.nap(20).await;
    });
    let lines = t.0.lock().unwrap().clone();
    // asyncio's numbers: main ends in the second round, and the third is run to its end.
    assert_eq!(lines, ["0", "1", "between the runs", "2", "3", "nap is over"]);
}

#[test]
fn time_stands_while_a_job_runs_and_others_wake_the_loop() {
    let world = World::with_virtual_time();
    let pool = fifo_pool(&world);
    let clock = world.clone();
    block_on(&pool, async {
        let sleeper = spawn(clock.sleep(Duration::from_secs(5)));
        let handle = Handle::current().expect("in a pool");
        let inside = clock.clone();
        let job = move || {
            std::thread::sleep(Duration::from_millis(30));
            inside.now()
        };
        assert_eq!(handle.spawn_blocking(job, Options::default()).await, Duration::ZERO);
        sleeper.await;
        assert_eq!(clock.now(), Duration::from_secs(5));
        // A plain thread.
        let flag = Flag::default();
        let set = flag.clone();
        let holds_the_clock = handle.spawn_blocking(move || set.set(), Options::default());
        flag.wait().await;
        holds_the_clock.await;
    });
}

#[test]
fn a_real_clock_works_too() {
    let world = World::real();
    let pool = fifo_pool(&world);
    let clock = world.clone();
    block_on(&pool, async {
        let begin = clock.now();
        spawn(clock.sleep(Duration::from_millis(10))).await;
        assert!(clock.now() - begin >= Duration::from_millis(10));
        let flag = Flag::default();
        let set = flag.clone();
        std::thread::spawn(move || set.set());
        flag.wait().await;
    });
    assert_eq!(pool.handle().metrics().workers.len(), 1);
    assert!(pool.handle().metrics().polls() > 0);
}

#[test]
fn there_is_no_budget() {
    let world = World::with_virtual_time();
    let pool = fifo_pool(&world);
    let ready_at_once = || {
        poll_fn(|cx| {
            for _ in 0..10_000 {
                if budget::poll_proceed(cx).is_pending() {
                    return Poll::Ready(false);
                }
            }
            Poll::Ready(true)
        })
    };
    assert!(block_on(&pool, ready_at_once()));
    let other = crate::support::pool(1);
    assert!(!block_on(&other, ready_at_once()), "elsewhere there is one");
}

#[test]
fn one_thread_drives() {
    let world = World::with_virtual_time();
    let pool = fifo_pool(&world);
    block_on(&pool, async {
        let local = spawn_local(async { 6 }, Options::default()).expect("in block_on");
        let refused = std::thread::scope(|scope| {
            scope.spawn(|| pool.block_on(async {}, Options::default())).join().expect("no panic")
        });
        assert!(matches!(refused, Err(BlockOnError::AlreadyRunning)));
        assert_eq!(local.await, 6);
        spawn(pending::<()>()).detach();
    });
}
