//! Timers at uptimes and distances at which timers have failed before: none is lost, early, or late.

mod common;

use std::task::Waker;
use std::time::{Duration, Instant};

use common::{Counter, tick};
use corrente_timer::{Clock, Tick, Timers};

const MILLI: u64 = 1_000;
const DAY: u64 = 86_400_000_000;
const YEAR: u64 = 365 * DAY + DAY / 4;

/// Uptimes, in ticks.
fn ages() -> Vec<u64> {
    let mut ages = vec![0, 12 * DAY + 4 * DAY / 10, 142 * YEAR, 500_000 * YEAR];
    // Milliseconds at which counters of them wrap.
    ages.extend([30, 31, 32, 36, 42].map(|bits| MILLI << bits));
    // Where each level begins anew.
    ages.extend((1..11).map(|level| 1u64 << (6 * level)));
    ages.push(15 << 60);
    ages.into_iter().flat_map(|age| [age.saturating_sub(1), age, age + 1]).collect()
}

/// Distances, in ticks.
fn distances() -> Vec<u64> {
    let mut distances =
        vec![1, 2, MILLI, 1_000 * MILLI, 30_000 * MILLI, DAY, 12 * DAY, 13 * DAY, YEAR];
    distances.extend((1..10).flat_map(|level| [(1u64 << (6 * level)) - 1, 1 << (6 * level)]));
    distances.extend([30, 36, 42].map(|bits| MILLI << bits));
    distances
}

#[test]
fn each_comes_at_its_tick_and_not_one_before() {
    for age in ages() {
        for distance in distances() {
            let timers = Timers::new(Clock::manual(), 1);
            timers.turn(tick(age), &mut Vec::new());
            let counter = Counter::new();
            let deadline = tick(age + distance);
            timers.register(0, deadline, &counter.waker()).expect("not closed");
            assert_eq!(timers.next_due(), Some(deadline));

            let mut ready = Vec::new();
            timers.turn(tick(age + distance - 1), &mut ready);
            assert!(ready.is_empty(), "age {age}, distance {distance}: early");
            timers.turn(deadline, &mut ready);
            ready.into_iter().for_each(Waker::wake);
            assert_eq!(counter.count(), 1, "age {age}, distance {distance}: lost");
        }
    }
}

#[test]
fn all_come_in_order_though_the_clock_moves_in_steps() {
    for age in ages() {
        for step in [1_000, DAY + 77, YEAR] {
            let timers = Timers::new(Clock::manual(), 1);
            timers.turn(tick(age), &mut Vec::new());
            let mut distances = distances();
            distances.retain(|&distance| distance <= 40 * step);
            distances.sort_unstable();
            let counters: Vec<_> = distances.iter().map(|_| Counter::new()).collect();
            // The last first.
            for (distance, counter) in distances.iter().zip(&counters).rev() {
                timers.register(0, tick(age + distance), &counter.waker()).expect("not closed");
            }
            let mut ready = Vec::new();
            for number in 1..=40 {
                timers.turn(tick(age + number * step), &mut ready);
                let due = distances.iter().filter(|&&distance| distance <= number * step).count();
                assert_eq!(ready.len(), due, "age {age}, after {number} steps of {step}");
            }
            for (waker, counter) in ready.iter().zip(&counters) {
                assert!(counter.waker().will_wake(waker));
            }
        }
    }
}

#[test]
fn the_longest_durations_never_come() {
    let clock = Clock::manual();
    let timers = Timers::new(clock.clone(), 1);
    for age in ages() {
        clock.advance_to(tick(age));
        timers.turn(clock.now(), &mut Vec::new());
        for duration in
            [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_secs(1 << 50)]
        {
            assert_eq!(clock.after(duration), Tick::NEVER);
            timers.register(0, clock.after(duration), Waker::noop()).expect("not closed");
        }
        assert_eq!(timers.until_next(clock.now()), None);
        assert_eq!(timers.begin_wait(clock.now(), None).limit(), None);
    }
    let mut ready = Vec::new();
    timers.turn(Tick::NEVER, &mut ready);
    assert!(ready.is_empty());
    timers.close(&mut ready);
    assert_eq!(ready.len(), 3 * ages().len());
}

#[test]
fn the_last_tick_comes() {
    let timers = Timers::new(Clock::manual(), 1);
    timers.register(0, Tick::LAST, Waker::noop()).expect("not closed");
    let mut ready = Vec::new();
    timers.turn(tick(Tick::LAST.as_micros() - 1), &mut ready);
    assert!(ready.is_empty());
    timers.turn(Tick::NEVER, &mut ready);
    assert_eq!(ready.len(), 1);
}

#[test]
fn a_real_clock_142_years_after_its_origin() {
    let origin = Instant::now().checked_sub(Duration::from_micros(142 * YEAR));
    let Some(origin) = origin else {
        // The system cannot name so early an instant; the tests above do without one.
        return;
    };
    let clock = Clock::since(origin);
    assert!(clock.now() >= tick(142 * YEAR));
    let timers = Timers::new(clock.clone(), 1);
    timers.turn(clock.now(), &mut Vec::new());
    let begin = Instant::now();
    let deadline = clock.after(Duration::from_millis(2));
    timers.register(0, deadline, Waker::noop()).expect("not closed");
    let mut ready = Vec::new();
    while ready.is_empty() {
        let wait = timers.begin_wait(clock.now(), None);
        std::thread::sleep(wait.limit().expect("there is a timer"));
        drop(wait);
        timers.turn(clock.now(), &mut ready);
    }
    assert!(begin.elapsed() >= Duration::from_millis(2), "it was early");
    assert!(clock.now() >= deadline);
}
