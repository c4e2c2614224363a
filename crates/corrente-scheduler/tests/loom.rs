//! The wake protocol under the model checker: every interleaving, and every value that a load may see.
//!
//!     RUSTFLAGS="--cfg corrente_loom" LOOM_MAX_PREEMPTIONS=2 \
//!         cargo test --release -p corrente-scheduler --test loom
//!
//! The functions under test are the ones that workers call, over the model queue. A lost wake shows as a
//! thread that sleeps for ever: loom reports a deadlock. `planted/` holds bugs that these tests must find.
//!
//! What tasks lie in has models of its own, in `loom_places.rs`, and so have sections, in `loom_sections.rs`.
#![cfg(corrente_loom)]

use corrente_scheduler::Driver;
use corrente_scheduler::parts::{Baton, Idle, Injector, LocalQueue, Parker, Rung, Stealer};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};
use std::time::Duration;

// ---- parker ----------------------------------------------------------------------------------------

#[test]
fn parker_an_unpark_ends_the_park_and_brings_what_was_written_before() {
    loom::model(|| {
        let shared = Arc::new((Parker::new(), AtomicUsize::new(0)));
        shared.0.belong_here();
        let waker = shared.clone();
        let other = thread::spawn(move || {
            waker.1.store(1, Ordering::Relaxed);
            let _ = waker.0.unpark(Waker::noop());
        });
        shared.0.park();
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        other.join().unwrap();
    });
}

#[test]
fn parker_two_unparks_and_two_sleeps() {
    // Each of the two wakers writes first. Whatever the parks made of the unparks, the second sleep may
    // only be entered if the word of the second waker is not to be seen yet, and then it is ended.
    loom::model(|| {
        let shared = Arc::new((Parker::new(), AtomicUsize::new(0)));
        shared.0.belong_here();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.fetch_add(1, Ordering::Relaxed);
                    let _ = shared.0.unpark(Waker::noop());
                })
            })
            .collect();
        while shared.1.load(Ordering::Relaxed) < 2 {
            shared.0.park();
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

#[test]
fn parker_an_owner_in_the_driver_is_interrupted() {
    loom::model(|| {
        let script = Script::new();
        let parker = Arc::new(Parker::new());
        parker.belong_here();
        let baton = Arc::new(Baton::new(Box::new(ScriptedDriver(script))));
        let (other_parker, other_baton) = (parker.clone(), baton.clone());
        let other = thread::spawn(move || {
            let _: Rung = other_parker.unpark(other_baton.interrupter());
        });
        let mut ready = Vec::new();
        let held = baton.try_take().expect("nobody else takes it");
        held.wait(&parker, &mut ready);
        other.join().unwrap();
    });
}

// ---- idle protocol ---------------------------------------------------------------------------------

/// What the workers of a small pool share. No driver: it has models of its own below.
struct Small {
    idle: Idle,
    parkers: Vec<Parker>,
    injector: Injector<usize>,
    /// Worker 0's queue. Its threshold is 0.
    victim: Stealer<usize>,
}

impl Small {
    fn new(workers: usize) -> (Arc<Self>, LocalQueue<usize>) {
        let queue = LocalQueue::new();
        let small = Self {
            idle: Idle::new(workers),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            injector: Injector::new(),
            victim: queue.stealer(),
        };
        (Arc::new(small), queue)
    }

    fn owed(&self) -> bool {
        !self.injector.is_empty() || !self.victim.is_empty()
    }

    fn unpark(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            let _ = self.parkers[worker].unpark(Waker::noop());
        }
    }

    /// A worker, from its last poll to its next: searches, sleeps, and searches again until it has found
    /// something.
    fn find_something(&self, worker: usize) -> usize {
        self.parkers[worker].belong_here();
        let mine = LocalQueue::new();
        let mut searching = false;
        loop {
            searching = searching || self.idle.begin_search();
            if searching {
                let found = self.injector.take().or_else(|| self.victim.steal_into(&mine));
                if let Some(found) = found {
                    self.unpark(self.idle.end_search(|| self.owed()));
                    return found;
                }
            }
            searching =
                self.idle.sleep(worker, searching, || self.owed(), || self.parkers[worker].park());
        }
    }
}

#[test]
fn idle_a_push_into_the_injector_is_found() {
    loom::model(|| {
        let (small, _) = Small::new(1);
        let worker = small.clone();
        let worker = thread::spawn(move || worker.find_something(0));
        small.injector.push(7);
        small.unpark(small.idle.claim());
        assert_eq!(worker.join().unwrap(), 7);
    });
}

#[test]
fn idle_a_push_into_a_worker_s_own_queue_is_stolen() {
    // Worker 0 pushes and then sits in a poll for ever.
    loom::model(|| {
        let (small, queue) = Small::new(2);
        let thief = small.clone();
        let thief = thread::spawn(move || thief.find_something(1));
        queue.push(7);
        small.unpark(small.idle.claim());
        assert_eq!(thief.join().unwrap(), 7);
    });
}

#[test]
fn idle_two_producers_and_one_sleeper() {
    // The sleeper finds one item, and the other must be left to be seen by its next search.
    loom::model(|| {
        let (small, _) = Small::new(1);
        let worker = small.clone();
        let worker = thread::spawn(move || worker.find_something(0) + worker.find_something(0));
        let other = small.clone();
        let other = thread::spawn(move || {
            other.injector.push(1);
            other.unpark(other.idle.claim());
        });
        small.injector.push(2);
        small.unpark(small.idle.claim());
        assert_eq!(worker.join().unwrap(), 3);
        other.join().unwrap();
    });
}

#[test]
fn idle_two_items_and_two_sleepers_of_which_each_takes_one() {
    // Each worker sits in its first poll for ever. The second push may be excused by the first one's
    // searcher, which must then hand the search on.
    loom::model(|| {
        let (small, _) = Small::new(2);
        let workers: Vec<_> = (0..2)
            .map(|index| {
                let small = small.clone();
                thread::spawn(move || small.find_something(index))
            })
            .collect();
        for item in [1, 2] {
            small.injector.push(item);
            small.unpark(small.idle.claim());
        }
        let sum: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        assert_eq!(sum, 3);
        assert_eq!((small.idle.sleepers(), small.idle.searching()), (0, 0));
    });
}

#[test]
fn idle_a_worker_that_gets_up_by_itself_does_not_cost_the_other_its_wake() {
    // Somebody posts mail to worker 0, which so may get up unclaimed in the middle of a claim. It then sits
    // in a poll for ever, and worker 1 must find the item.
    loom::model(|| {
        let (small, _) = Small::new(2);
        let mail = Arc::new(AtomicBool::new(false));
        let one = small.clone();
        let one = thread::spawn(move || one.find_something(1));
        let (zero, box_) = (small.clone(), mail.clone());
        let zero = thread::spawn(move || {
            zero.parkers[0].belong_here();
            let searching = zero.idle.sleep(
                0,
                false,
                || box_.load(Ordering::Acquire) || zero.owed(),
                || zero.parkers[0].park(),
            );
            if searching {
                // As a worker does that finds a local task: it stops being counted.
                zero.unpark(zero.idle.end_search(|| zero.owed()));
            }
        });
        mail.store(true, Ordering::Release);
        let _ = small.parkers[0].unpark(Waker::noop());
        small.injector.push(7);
        small.unpark(small.idle.claim());
        assert_eq!(one.join().unwrap(), 7);
        zero.join().unwrap();
    });
}

#[test]
fn idle_the_watchdog_sleeps_only_while_all_do() {
    loom::model(|| {
        let (small, _) = Small::new(1);
        let dog = Arc::new(Parker::new());
        let (worker, watched) = (small.clone(), dog.clone());
        let worker = thread::spawn(move || {
            worker.parkers[0].belong_here();
            let _ = worker.parkers[0].unpark(Waker::noop());
            let _ = worker.idle.sleep(0, false, || false, || worker.parkers[0].park());
            // Up, and about to poll: the watchdog must be awake, or see it.
            if watched.is_taken() {
                let _ = watched.unpark(Waker::noop());
            }
        });
        dog.belong_here();
        dog.park_if(|| small.idle.all_asleep());
        worker.join().unwrap();
    });
}

// ---- the driver's baton ----------------------------------------------------------------------------

/// An outside world with one event.
struct Script {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Script {
    fn new() -> StdArc<Self> {
        StdArc::new(Self { state: Mutex::new((false, false)), changed: Condvar::new() })
    }
    fn happen(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }
}

impl Wake for Script {
    fn wake(self: StdArc<Self>) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

struct ScriptedDriver(StdArc<Script>);

impl Driver for ScriptedDriver {
    fn turn(&mut self, limit: Option<Duration>, ready: &mut Vec<Waker>) {
        let mut state = self.0.state.lock().unwrap();
        while limit.is_none() && !state.0 && !state.1 {
            state = self.0.changed.wait(state).unwrap();
        }
        state.1 = false;
        if std::mem::take(&mut state.0) {
            ready.push(Waker::noop().clone());
        }
    }
    fn interrupter(&self) -> Waker {
        self.0.clone().into()
    }
}

/// A worker that glances at the driver once, as if between two polls, and then sleeps until the event is
/// seen by somebody. Whoever sees it wakes the others.
fn watch(
    idle: &Idle,
    parkers: &[Parker],
    baton: &Baton,
    seen: &AtomicBool,
    worker: usize,
    glance: bool,
) {
    parkers[worker].belong_here();
    let mut ready = Vec::new();
    if glance {
        if let Some(mut held) = baton.try_take() {
            held.glance(&mut ready);
        }
    }
    while ready.is_empty() && !seen.load(Ordering::Acquire) {
        let _ = idle.sleep(
            worker,
            false,
            || seen.load(Ordering::Acquire),
            || match baton.try_take() {
                Some(held) => {
                    held.wait(&parkers[worker], &mut ready);
                }
                None => parkers[worker].park(),
            },
        );
    }
    if !ready.is_empty() {
        seen.store(true, Ordering::Release);
        for other in (0..parkers.len()).filter(|other| *other != worker) {
            let _ = parkers[other].unpark(baton.interrupter());
        }
    }
}

#[test]
fn baton_an_event_is_seen_although_both_workers_sleep() {
    // Worker 0 may hold the baton, awake, just when worker 1 wants to sleep in the driver.
    loom::model(|| {
        let script = Script::new();
        let baton = Baton::new(Box::new(ScriptedDriver(script.clone())));
        let parkers = vec![Parker::new(), Parker::new()];
        let shared = Arc::new((Idle::new(2), parkers, baton, AtomicBool::new(false)));
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (idle, parkers, baton, seen) = &*shared;
                    watch(idle, parkers, baton, seen, worker, worker == 0);
                })
            })
            .collect();
        script.happen();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(shared.3.load(Ordering::Acquire));
    });
}

#[test]
fn baton_a_claimed_worker_leaves_the_driver_for_the_injector() {
    loom::model(|| {
        let baton = Baton::new(Box::new(ScriptedDriver(Script::new())));
        let shared = Arc::new((Small::new(1).0, baton));
        let other = shared.clone();
        let worker = thread::spawn(move || {
            let (small, baton) = &*other;
            small.parkers[0].belong_here();
            loop {
                let searching = small.idle.sleep(
                    0,
                    false,
                    || small.owed(),
                    || {
                        if let Some(held) = baton.try_take() {
                            held.wait(&small.parkers[0], &mut Vec::new());
                        }
                    },
                );
                if let Some(found) = small.injector.take() {
                    if searching {
                        let _ = small.idle.end_search(|| small.owed());
                    }
                    return found;
                }
            }
        });
        let (small, baton) = &*shared;
        small.injector.push(7);
        if let Some(worker) = small.idle.claim() {
            let _ = small.parkers[worker].unpark(baton.interrupter());
        }
        assert_eq!(worker.join().unwrap(), 7);
    });
}
