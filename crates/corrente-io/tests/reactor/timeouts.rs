//! A turn keeps its limit: a short one is never cut short, and a long one costs few turns.

use std::time::{Duration, Instant};

use crate::common::Loop;

/// Turns as a runtime does: the limit is what is left until the deadline. Returns how many turns it took.
fn wait_until_due(run: &mut Loop, wait: Duration) -> usize {
    let deadline = Instant::now() + wait;
    let before = run.turns;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return run.turns - before;
        }
        run.turn(Some(left));
    }
}

in_every_mode! {
    fn short_limits_are_not_cut(run: &mut Loop) {
        for micros in [1, 50, 150, 999, 1000, 1001, 5000, 15_999] {
            let limit = Duration::from_micros(micros);
            let start = Instant::now();
            run.turn(Some(limit));
            assert!(start.elapsed() >= limit, "{limit:?} ended after {:?}", start.elapsed());
        }
    }

    fn a_long_limit_takes_few_turns(run: &mut Loop) {
        for millis in [16, 17, 40, 150, 400] {
            let turns = wait_until_due(run, Duration::from_millis(millis));
            assert!(turns <= 4, "{millis} ms took {turns} turns");
        }
    }

    fn zero_only_looks(run: &mut Loop) {
        for _ in 0..1000 {
            assert_eq!(run.turn(Some(Duration::ZERO)), 0);
        }
    }

    fn the_longest_limit_is_accepted(run: &mut Loop) {
        for limit in [Duration::MAX, Duration::from_secs(u64::from(u32::MAX) * 100)] {
            run.reactor.interrupter().wake();
            run.turn(Some(limit));
        }
    }

    fn an_event_ends_a_short_limit_and_the_timer_is_harmless(run: &mut Loop) {
        // The timer of the first turn is still set when the second begins.
        run.reactor.interrupter().wake();
        run.turn(Some(Duration::from_millis(5)));
        let turns = wait_until_due(run, Duration::from_millis(60));
        assert!(turns <= 5, "60 ms took {turns} turns");
        // And a later short limit replaces an earlier shorter one.
        run.reactor.interrupter().wake();
        run.turn(Some(Duration::from_millis(1)));
        let limit = Duration::from_millis(10);
        let start = Instant::now();
        run.turn(Some(limit));
        assert!(start.elapsed() >= limit);
    }
}
