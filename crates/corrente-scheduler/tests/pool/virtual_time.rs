//! Time that moves only when everything stands still, on several workers.

use crate::support::{Flag, World, block_on, config, pool_in, signal, spawn, yield_now};
use corrente_scheduler::{Config, Handle, Parked, blocking_parked};
use corrente_task::Options;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_hour_passes_when_nothing_is_left_to_do() {
    for (workers, seed) in [(1, None), (2, None), (4, None), (2, Some(5))] {
        let world = World::with_virtual_time();
        let pool = pool_in(Config { seed, ..config(workers) }, &world);
        let outside = world.clone();
        block_on(&pool, async {
            for n in 1..=20 {
                let tasks: Vec<_> = (0..5)
                    .map(|_| {
                        let (sleep, world) = (outside.sleep(HOUR), outside.clone());
                        spawn(async move {
                            sleep.await;
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            world.now()
                        })
                    })
                    .collect();
                for task in tasks {
                    assert_eq!(task.await, HOUR * n, "with {workers} workers");
                }
                assert_eq!(outside.now(), HOUR * n);
            }
        });
    }
}

#[test]
fn time_stands_while_a_task_runs_anywhere() {
    let world = World::with_virtual_time();
    let pool = pool_in(config(2), &world);
    let outside = world.clone();
    block_on(&pool, async {
        let sleeper = spawn(outside.sleep(HOUR));
        let clock = outside.clone();
        spawn(async move {
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(clock.now(), Duration::ZERO);
        })
        .await;
        sleeper.await;
        assert_eq!(outside.now(), HOUR);
    });
}

#[test]
fn time_stands_while_a_job_runs() {
    for workers in [1, 2] {
        let world = World::with_virtual_time();
        let pool = pool_in(config(workers), &world);
        let outside = world.clone();
        block_on(&pool, async {
            let sleeper = spawn(outside.sleep(HOUR));
            let clock = outside.clone();
            let handle = Handle::current().expect("in a pool");
            let job = move || {
                std::thread::sleep(Duration::from_millis(50));
                clock.now()
            };
            let at_the_end = handle.spawn_blocking(job, Options::default()).await;
            assert_eq!(at_the_end, Duration::ZERO);
            sleeper.await;
            assert_eq!(outside.now(), HOUR);
        });
    }
}

/// A gate in a blocking job, as the conformance corpus has it: while the job waits, time may move.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Passing>, Condvar)>);

/// Whether it is open, and who waits.
type Passing = (bool, Vec<Parked>);

impl Gate {
    fn pass_through(&self) {
        blocking_parked(|parked| {
            let mut state = self.0.0.lock().unwrap();
            if !state.0 {
                parked.park();
                state.1.push(parked.clone());
            }
            while !state.0 {
                state = self.0.1.wait(state).unwrap();
            }
        });
    }
    fn open(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.0 = true;
        state.1.drain(..).for_each(|parked| parked.resume());
        self.0.1.notify_all();
    }
}

#[test]
fn time_moves_while_a_job_only_waits_and_stands_again_when_it_is_let_go() {
    for workers in [1, 2] {
        let world = World::with_virtual_time();
        let pool = pool_in(config(workers), &world);
        let outside = world.clone();
        block_on(&pool, async {
            let handle = Handle::current().expect("in a pool");
            let gate = Gate::default();
            let (inside, clock) = (gate.clone(), outside.clone());
            let job = handle.spawn_blocking(
                move || {
                    inside.pass_through();
                    clock.now()
                },
                Options::default(),
            );
            outside.sleep(HOUR).await;
            let later = spawn(outside.sleep(HOUR));
            gate.open();
            assert_eq!(job.await, HOUR);
            later.await;
            assert_eq!(outside.now(), 2 * HOUR);
        });
    }
}

#[test]
fn a_guest_holds_the_clock_too() {
    let world = World::with_virtual_time();
    let pool = pool_in(config(1), &world);
    let done = Flag::default();
    std::thread::scope(|scope| {
        let (inside, is_inside) = signal();
        let (wait, pool) = (done.wait(), &pool);
        let first = scope.spawn(move || {
            block_on(pool, async {
                let _ = inside.send(());
                wait.await;
            })
        });
        is_inside.wait("the first caller");
        let outside = world.clone();
        block_on(pool, async {
            let sleeper = spawn(outside.sleep(HOUR));
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!(outside.now(), Duration::ZERO);
            sleeper.await;
            assert_eq!(outside.now(), HOUR);
        });
        done.set();
        first.join().expect("the first caller returns");
    });
}
