//! Timers as a driver and many tasks use them: order, bounds, keys, closing, foreign wakers.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use common::{Counter, tick};
use corrente_timer::{Clock, Closed, Sleep, Tick, TimerKey, Timers};

fn timers(shards: usize) -> Timers {
    Timers::new(Clock::manual(), shards)
}

/// Timers whose wakers have names.
struct Named {
    timers: Timers,
    names: Vec<(Arc<Counter>, u64)>,
}

impl Named {
    fn new(timers: &Timers) -> Named {
        Named { timers: timers.clone(), names: Vec::new() }
    }

    fn register(&mut self, shard: usize, deadline: u64, name: u64) -> TimerKey {
        let counter = Counter::new();
        let key = self.timers.register(shard, tick(deadline), &counter.waker());
        self.names.push((counter, name));
        key.expect("not closed")
    }

    /// The names of what a turn gives out, in its order.
    fn turn(&self, now: u64) -> Vec<u64> {
        let mut ready = Vec::new();
        self.timers.turn(tick(now), &mut ready);
        self.named(ready)
    }

    fn named(&self, ready: Vec<Waker>) -> Vec<u64> {
        let name = |waker: &Waker| {
            let named = self.names.iter().find(|(counter, _)| counter.waker().will_wake(waker));
            named.expect("it is one of ours").1
        };
        ready.iter().map(name).collect()
    }
}

#[test]
fn a_shard_gives_out_by_deadline_and_then_by_registration() {
    let mut named = Named::new(&timers(1));
    for (deadline, name) in [(700, 4), (5, 1), (700, 5), (64, 3), (5, 2), (900, 7), (701, 6)] {
        named.register(0, deadline, name);
    }
    assert_eq!(named.turn(4), []);
    assert_eq!(named.turn(899), [1, 2, 3, 4, 5, 6]);
    // What is past when it is registered is still in the order of its deadline.
    named.register(0, 899, 9);
    named.register(0, 20, 8);
    assert_eq!(named.turn(900), [8, 9, 7]);
    assert!(named.timers.is_empty());
}

#[test]
fn a_reset_timer_is_the_newest_of_its_deadline() {
    let mut named = Named::new(&timers(1));
    let first = named.register(0, 50, 1);
    named.register(0, 50, 2);
    assert!(named.timers.reset(first, tick(50)));
    assert_eq!(named.turn(50), [2, 1]);
    assert!(!named.timers.reset(first, tick(60)), "it has gone");
    assert!(named.timers.is_empty());
}

#[test]
fn a_turn_is_bounded_and_the_next_goes_on_in_order() {
    const MANY: usize = 20_000;
    let timers = timers(1);
    let counters: Vec<_> = (0..MANY).map(|_| Counter::new()).collect();
    for counter in &counters {
        timers.register(0, tick(5_000), &counter.waker()).expect("not closed");
    }
    let mut given = 0;
    let mut turns = 0;
    while given < MANY {
        let mut ready = Vec::new();
        timers.turn(tick(5_000), &mut ready);
        assert!(ready.len() <= 1024, "{} at once", ready.len());
        for waker in ready {
            assert!(counters[given].waker().will_wake(&waker), "number {given} is another");
            given += 1;
        }
        turns += 1;
        assert_eq!(timers.until_next(tick(5_000)), (given < MANY).then_some(Duration::ZERO));
    }
    // Each is moved down twice, and given out.
    assert!(turns <= 3 * MANY / 1024 + 2, "{turns} turns");
}

#[test]
fn turn_all_gives_out_everything_due() {
    let timers = timers(3);
    for number in 0..30_000 {
        timers.register(number, tick(5_000), Waker::noop()).expect("not closed");
    }
    let mut ready = Vec::new();
    timers.turn_all(tick(5_000), &mut ready);
    assert_eq!(ready.len(), 30_000);
    assert_eq!(timers.until_next(tick(5_000)), None);
}

#[test]
fn a_crowded_shard_does_not_starve_the_others() {
    let timers = timers(3);
    let rare = Counter::new();
    for _ in 0..50_000 {
        timers.register(0, tick(9), Waker::noop()).expect("not closed");
    }
    for shard in [1, 2] {
        timers.register(shard, tick(9), &rare.waker()).expect("not closed");
    }
    for _ in 0..2 {
        let mut ready = Vec::new();
        timers.turn(tick(9), &mut ready);
        ready.into_iter().for_each(Waker::wake);
    }
    assert_eq!(rare.count(), 2);
}

#[test]
fn a_shard_may_be_any_number() {
    let timers = timers(3);
    for shard in [0, 3, usize::MAX] {
        let key = timers.register(shard, tick(9), Waker::noop()).expect("not closed");
        assert!(timers.cancel(key));
    }
}

#[test]
fn a_key_finds_its_timer_or_nothing() {
    let timers = timers(2);
    let key = timers.register(1, tick(9), Waker::noop()).expect("not closed");
    assert!(timers.update_waker(key, Waker::noop()));
    assert!(timers.cancel(key));
    let again = timers.register(1, tick(9), Waker::noop()).expect("not closed");
    assert_ne!(key, again);
    assert!(!timers.cancel(key) && !timers.update_waker(key, Waker::noop()));
    assert!(!timers.reset(key, tick(3)));
    assert_eq!(timers.len(), 1);
    // The shard of this key does not exist there.
    let others = Timers::new(Clock::manual(), 1);
    assert!(!others.cancel(again) && !others.update_waker(again, Waker::noop()));
}

#[test]
fn an_updated_waker_is_given_out_in_place_of_the_old() {
    let timers = timers(1);
    let (old, new) = (Counter::new(), Counter::new());
    let key = timers.register(0, tick(9), &old.waker()).expect("not closed");
    assert!(timers.update_waker(key, &new.waker()));
    assert_eq!(Arc::strong_count(&old), 1);
    let mut ready = Vec::new();
    timers.turn(tick(9), &mut ready);
    ready.into_iter().for_each(Waker::wake);
    assert_eq!((old.count(), new.count()), (0, 1));
}

#[test]
fn until_next_is_the_time_to_the_earliest_in_any_shard() {
    let timers = timers(2);
    assert_eq!(timers.until_next(Tick::ZERO), None);
    timers.register(0, Tick::NEVER, Waker::noop()).expect("not closed");
    assert_eq!(timers.until_next(Tick::ZERO), None);
    timers.register(0, tick(5_000_000), Waker::noop()).expect("not closed");
    let early = timers.register(1, tick(700_001), Waker::noop()).expect("not closed");
    assert_eq!(timers.until_next(tick(1)), Some(Duration::from_millis(700)));
    assert_eq!(timers.until_next(tick(700_001)), Some(Duration::ZERO));
    assert_eq!(timers.until_next(tick(800_000)), Some(Duration::ZERO));
    // A cancel may leave it, until a turn at that time finds out.
    assert!(timers.cancel(early));
    timers.turn(tick(700_001), &mut Vec::new());
    assert_eq!(timers.until_next(tick(700_001)), Some(Duration::from_micros(4_299_999)));
}

#[test]
fn a_virtual_clock_is_moved_from_deadline_to_deadline_and_past_no_cancelled_one() {
    let timers = timers(2);
    let mut expected = vec![tick(700), tick(60_000), tick(9_000_000)];
    for (number, &deadline) in expected.iter().enumerate() {
        timers.register(number, deadline, Waker::noop()).expect("not closed");
    }
    for number in 0..100 {
        // Too many to look at each.
        let deadline = tick(50_000_000 + number);
        timers.register(1, deadline, Waker::noop()).expect("not closed");
        expected.push(deadline);
    }
    for deadline in [300, 90_000_000] {
        let key = timers.register(0, tick(deadline), Waker::noop()).expect("not closed");
        assert!(timers.cancel(key));
    }
    let clock = timers.clock();
    let mut came = Vec::new();
    while let Some(next) = timers.next_due() {
        clock.advance_to(next);
        let mut ready = Vec::new();
        timers.turn_all(next, &mut ready);
        came.extend(ready.iter().map(|_| next));
    }
    assert_eq!(came, expected);
    assert_eq!(clock.now(), tick(50_000_099));
}

#[test]
fn the_cached_time_is_that_of_the_last_turn_and_does_not_go_back() {
    let timers = timers(1);
    for (now, cached) in [(7, 7), (3, 7), (8, 8)] {
        timers.turn(tick(now), &mut Vec::new());
        assert_eq!(timers.now_cached(), tick(cached));
    }
    timers.turn(Tick::NEVER, &mut Vec::new());
    assert_eq!(timers.now_cached(), Tick::LAST);
}

#[test]
fn closing_gives_out_everything_once_and_refuses_more() {
    let timers = timers(2);
    let counter = Counter::new();
    let mut keys = Vec::new();
    for (shard, deadline) in [(0, tick(5)), (0, Tick::NEVER), (1, tick(90_000_000))] {
        keys.push(timers.register(shard, deadline, &counter.waker()).expect("not closed"));
    }
    let mut ready = Vec::new();
    timers.close(&mut ready);
    timers.close(&mut ready);
    assert_eq!(ready.len(), 3);
    assert!(timers.is_empty());
    assert_eq!(timers.until_next(Tick::ZERO), None);
    assert_eq!(timers.register(0, tick(5), &counter.waker()), Err(Closed));
    for key in keys {
        assert!(!timers.cancel(key) && !timers.reset(key, tick(1)));
    }
    timers.turn(Tick::LAST, &mut ready);
    assert_eq!(ready.len(), 3);
    drop(ready);
    assert_eq!(Arc::strong_count(&counter), 1);
    assert!(Closed.to_string().contains("shut down"));
}

#[test]
#[should_panic(expected = "at least one shard")]
fn no_shards_is_refused() {
    timers(0);
}

/// Calls a closure when its last waker is dropped.
struct OnDrop<F: Fn() + Send + Sync + 'static>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for OnDrop<F> {
    fn wake(self: Arc<Self>) {}
}

impl<F: Fn() + Send + Sync + 'static> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker's clone and drop are foreign code: it may use the timers, so no lock may be held.
#[test]
fn wakers_are_dropped_outside_the_locks() {
    let timers = timers(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let waker = || {
        let (timers, drops) = (timers.clone(), drops.clone());
        let uses_the_timers = move || {
            drops.fetch_add(1 + timers.len() - timers.len(), Ordering::SeqCst);
        };
        Waker::from(Arc::new(OnDrop(uses_the_timers)))
    };
    // Cancelled.
    let key = timers.register(0, tick(5), &waker()).expect("not closed");
    assert!(timers.cancel(key));
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    // Replaced.
    let key = timers.register(0, tick(5), &waker()).expect("not closed");
    assert!(timers.update_waker(key, Waker::noop()));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    // Not needed, as the timer has gone.
    assert!(timers.cancel(key));
    assert!(!timers.update_waker(key, &waker()));
    assert_eq!(drops.load(Ordering::SeqCst), 3);
    // Of a sleep.
    let mut sleep = Sleep::new(&timers, 0, tick(5_000));
    let polled =
        Future::poll(std::pin::Pin::new(&mut sleep), &mut std::task::Context::from_waker(&waker()));
    assert!(polled.is_pending());
    drop(sleep);
    assert_eq!(drops.load(Ordering::SeqCst), 4);
    // Refused.
    timers.close(&mut Vec::new());
    assert_eq!(timers.register(0, tick(5), &waker()), Err(Closed));
    assert_eq!(drops.load(Ordering::SeqCst), 5);
}

#[test]
fn a_waker_that_panics_when_dropped_leaves_the_timers_whole() {
    let timers = timers(1);
    let key = {
        let waker = Waker::from(Arc::new(OnDrop(|| panic!("dropped"))));
        timers.register(0, tick(5), &waker).expect("not closed")
    };
    let after = timers.register(0, tick(5), Waker::noop()).expect("not closed");
    let cancelled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| timers.cancel(key)));
    assert!(cancelled.is_err());
    assert!(!timers.cancel(key));
    assert_eq!(timers.len(), 1);
    assert!(timers.cancel(after));
}

#[test]
fn the_handles_may_go_anywhere() {
    fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<Timers>();
    anywhere::<TimerKey>();
    anywhere::<Clock>();
    anywhere::<Closed>();
    anywhere::<Sleep>();
    assert_eq!(size_of::<Option<TimerKey>>(), 12);
}
