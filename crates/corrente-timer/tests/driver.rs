//! A driver that sleeps is interrupted when it must be, and only then.

mod common;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use common::{Counter, tick};
use corrente_timer::{Clock, Tick, TimerKey, Timers, Wait};
use proptest::prelude::*;

fn timers(shards: usize) -> (Timers, Arc<Counter>) {
    let timers = Timers::new(Clock::manual(), shards);
    let interrupts = Counter::new();
    timers.set_interrupter(interrupts.waker());
    (timers, interrupts)
}

fn register(timers: &Timers, shard: usize, deadline: u64) -> TimerKey {
    timers.register(shard, tick(deadline), Waker::noop()).expect("not closed")
}

fn micros(micros: u64) -> Option<Duration> {
    Some(Duration::from_micros(micros))
}

#[test]
fn nobody_asleep_nobody_interrupted() {
    let (timers, interrupts) = timers(2);
    register(&timers, 0, 5);
    // A driver that only looks does not sleep.
    let look = timers.begin_wait(Tick::ZERO, Some(Duration::ZERO));
    assert_eq!(look.limit(), Some(Duration::ZERO));
    register(&timers, 1, 3);
    drop(look);
    drop(timers.begin_wait(Tick::ZERO, None));
    register(&timers, 1, 2);
    assert_eq!(interrupts.count(), 0);
}

#[test]
fn an_earlier_timer_interrupts_once() {
    let (timers, interrupts) = timers(2);
    let wait = timers.begin_wait(tick(2), None);
    assert_eq!(wait.limit(), None);
    register(&timers, 0, 50);
    assert_eq!(interrupts.count(), 1);
    register(&timers, 0, 50);
    register(&timers, 1, 60);
    assert_eq!(interrupts.count(), 1, "the interrupt on its way is enough for these");
    let key = register(&timers, 1, 40);
    assert_eq!(interrupts.count(), 2);
    assert!(timers.reset(key, tick(70)));
    assert!(timers.reset(key, tick(30)));
    assert_eq!(interrupts.count(), 3);
    drop(wait);

    let wait = timers.begin_wait(tick(2), None);
    assert_eq!(wait.limit(), micros(28));
    register(&timers, 0, 30);
    assert_eq!(interrupts.count(), 3);
    register(&timers, 0, 29);
    assert_eq!(interrupts.count(), 4);
}

#[test]
fn a_driver_with_a_limit_of_its_own_is_not_interrupted_for_what_comes_after_it() {
    let (timers, interrupts) = timers(1);
    let limit = Some(Duration::from_nanos(9_500));
    let wait = timers.begin_wait(Tick::ZERO, limit);
    assert_eq!(wait.limit(), limit);
    register(&timers, 0, 10);
    assert_eq!(interrupts.count(), 0);
    register(&timers, 0, 9);
    assert_eq!(interrupts.count(), 1);
}

#[test]
fn a_driver_that_collects_sleeps_on_past_a_timer_but_not_past_its_time() {
    let (timers, interrupts) = timers(2);
    register(&timers, 0, 30);
    let wait = timers.begin_wait_until(tick(10), None, tick(50));
    assert_eq!(wait.limit(), micros(40), "the timer at 30 waits until 50");
    register(&timers, 1, 60);
    assert_eq!(interrupts.count(), 0);
    register(&timers, 1, 20);
    assert_eq!(interrupts.count(), 1, "a new one is for the driver to decide");
    drop(wait);
    let wait = timers.begin_wait_until(tick(10), None, tick(15));
    assert_eq!(wait.limit(), micros(10), "there is no reason to wake before a timer");
    drop(wait);
    let limit = Some(Duration::from_micros(7));
    assert_eq!(timers.begin_wait_until(tick(10), limit, tick(50)).limit(), limit);
}

/// The case for which a cancelled timer's deadline is kept as the bound.
#[test]
fn timeouts_made_and_dropped_in_a_loop_interrupt_a_sleeping_driver_once() {
    let (timers, interrupts) = timers(1);
    let wait = timers.begin_wait(Tick::ZERO, None);
    for now in 0..10_000 {
        let key = register(&timers, 0, now + 30_000_000);
        assert!(timers.cancel(key));
    }
    assert_eq!(interrupts.count(), 1);
    drop(wait);
    // And wake it for nothing once, after which it knows.
    let wait = timers.begin_wait(tick(10_000), None);
    assert_eq!(wait.limit(), micros(30_000_000 - 10_000));
    drop(wait);
    timers.turn(tick(30_000_000), &mut Vec::new());
    assert_eq!(timers.begin_wait(tick(30_000_000), None).limit(), None);
}

#[test]
fn a_timer_that_is_due_already_leaves_no_time_to_sleep() {
    let (timers, interrupts) = timers(1);
    register(&timers, 0, 5);
    assert_eq!(timers.begin_wait(tick(5), None).limit(), Some(Duration::ZERO));
    assert_eq!(timers.begin_wait(tick(9), micros(4)).limit(), Some(Duration::ZERO));
    // A past one interrupts like any other that is earlier.
    timers.turn(tick(9), &mut Vec::new());
    let wait = timers.begin_wait(tick(9), None);
    register(&timers, 0, 0);
    assert_eq!(interrupts.count(), 1);
    drop(wait);
}

#[test]
#[should_panic(expected = "only one driver may")]
fn two_drivers_are_refused() {
    let (timers, _) = timers(1);
    let _first = timers.begin_wait(Tick::ZERO, None);
    let _second = timers.begin_wait(Tick::ZERO, None);
}

#[test]
#[should_panic(expected = "an interrupter already")]
fn two_interrupters_are_refused() {
    timers(1).0.set_interrupter(Waker::noop().clone());
}

#[derive(Clone, Debug)]
enum Op {
    Register(usize, u64),
    Cancel(usize),
    Reset(usize, u64),
    Sleep(Option<u64>),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let ahead = prop_oneof![0..70u64, 0..5_000u64, Just(1 << 20), Just(u64::MAX)];
    prop_oneof![
        4 => (0..3usize, ahead.clone()).prop_map(|(shard, ahead)| Op::Register(shard, ahead)),
        2 => any::<usize>().prop_map(Op::Cancel),
        1 => (any::<usize>(), ahead).prop_map(|(number, ahead)| Op::Reset(number, ahead)),
        2 => proptest::option::of(0..5_000u64).prop_map(Op::Sleep),
        3 => (0..3_000u64).prop_map(Op::Pass),
    ]
}

/// One driver as a simulation: it wakes when its sleep is over or it is interrupted, and turns.
struct Simulation<'a> {
    timers: &'a Timers,
    interrupts: &'a Counter,
    now: Tick,
    /// Key and deadline of what was registered and has not gone.
    living: Vec<(TimerKey, Tick)>,
    /// The sleep, its end, and what the interrupts were at its beginning.
    asleep: Option<(Wait<'a>, Tick, usize)>,
}

impl<'a> Simulation<'a> {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Register(shard, ahead) => {
                let deadline = self.ahead(ahead);
                let before = self.interrupts.count();
                let key = self.timers.register(shard, deadline, Waker::noop()).expect("not closed");
                self.living.push((key, deadline));
                self.interrupted_only_for(deadline, before);
            }
            Op::Cancel(number) => {
                if let Some(number) = number.checked_rem(self.living.len()) {
                    let (key, _) = self.living.swap_remove(number);
                    assert!(self.timers.cancel(key));
                }
            }
            Op::Reset(number, ahead) => {
                if let Some(number) = number.checked_rem(self.living.len()) {
                    let deadline = self.ahead(ahead);
                    let before = self.interrupts.count();
                    assert!(self.timers.reset(self.living[number].0, deadline));
                    self.living[number].1 = deadline;
                    self.interrupted_only_for(deadline, before);
                }
            }
            Op::Sleep(limit) => {
                self.wake();
                let limit = limit.map(Duration::from_micros);
                let wait = self.timers.begin_wait(self.now, limit);
                let end = wait.limit().map_or(Tick::NEVER, |limit| self.now.saturating_add(limit));
                assert!(limit.is_none_or(|limit| end <= self.now.saturating_add(limit)));
                self.asleep = Some((wait, end, self.interrupts.count()));
            }
            Op::Pass(time) => {
                self.now = self.ahead(time);
                self.wake_in_time();
            }
        }
        let in_time = match self.asleep {
            Some((_, end, before)) => {
                self.interrupts.count() > before
                    || self.living.iter().all(|&(_, deadline)| end <= deadline)
            }
            None => true,
        };
        assert!(in_time, "the driver sleeps past a deadline");
    }

    fn ahead(&self, ticks: u64) -> Tick {
        Tick::from_micros(self.now.as_micros().saturating_add(ticks))
    }

    fn interrupted_only_for(&self, deadline: Tick, before: usize) {
        if self.interrupts.count() > before {
            let end = self.asleep.as_ref().map(|&(_, end, _)| end);
            assert!(end.is_some_and(|end| deadline < end), "interrupted for nothing");
        }
    }

    /// The driver wakes if it has reason to.
    fn wake_in_time(&mut self) {
        if let Some((_, end, before)) = self.asleep {
            if end <= self.now || self.interrupts.count() > before {
                self.wake();
            }
        }
    }

    /// The driver wakes and turns: all that is due comes, and nothing else.
    fn wake(&mut self) {
        self.asleep = None;
        let mut ready = Vec::new();
        self.timers.turn(self.now, &mut ready);
        let living = self.living.len();
        self.living.retain(|&(_, deadline)| deadline > self.now || deadline.is_never());
        assert_eq!(ready.len(), living - self.living.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_sleeping_driver_is_always_in_time(ops in proptest::collection::vec(op(), 1..120)) {
        let (timers, interrupts) = timers(3);
        let mut simulation = Simulation {
            timers: &timers,
            interrupts: &interrupts,
            now: Tick::ZERO,
            living: Vec::new(),
            asleep: None,
        };
        for op in &ops {
            simulation.step(op);
        }
    }
}
