//! Values on their way down the levels: the work is bounded, can be cut off anywhere, and a crowd far
//! ahead does not keep a driver busy.

use corrente_timer::{Key, Tick, Wheel};

const MANY: u64 = 100_000;

fn tick(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

/// A crowd of values in one slot of level 4, 30 s ahead, in the order of their deadlines.
fn crowd() -> (Wheel<u64>, Vec<Key>) {
    let mut wheel = Wheel::new();
    let keys = (0..MANY).map(|name| wheel.insert(tick(30_000_000 + name * 20), name)).collect();
    (wheel, keys)
}

#[test]
fn every_call_keeps_to_its_limit_and_gets_on() {
    let (mut wheel, _) = crowd();
    let now = tick(33_000_000);
    let mut expected = 0;
    let mut calls = 0u64;
    loop {
        let steps = wheel.advance(now, 100, |_, name| {
            assert_eq!(name, expected);
            expected += 1;
        });
        calls += 1;
        assert!(steps <= 100);
        if steps < 100 {
            break;
        }
        assert!(wheel.next_due().is_none_or(|next| next <= now || expected == MANY));
    }
    assert_eq!(expected, MANY);
    // From level 4 four moves each, and one to give it out.
    assert!(calls <= 5 * MANY / 100 + 1, "{calls} calls");
}

#[test]
fn a_driver_that_waits_for_a_crowd_wakes_early_only_to_move_it() {
    let (mut wheel, _) = crowd();
    let mut for_nothing = 0;
    while let Some(next) = wheel.next_due() {
        let mut given = 0;
        wheel.advance(next, usize::MAX, |deadline, _| {
            assert!(deadline <= next);
            given += 1;
        });
        for_nothing += usize::from(given == 0);
    }
    // 2 s of values lie in one slot of level 4 or two, which are 8 of level 3 and 489 of level 2;
    // those of level 1 are few enough to look at.
    assert!(for_nothing <= 2 + 9 + 490, "woken {for_nothing} times for nothing");
}

#[test]
fn a_slot_that_is_half_moved_takes_cancels_and_inserts() {
    let (mut wheel, keys) = crowd();
    let mut given = Vec::new();
    let now = tick(30_500_000);
    // Some are moved, none is given out yet.
    assert_eq!(wheel.advance(now, 1_000, |_, name| given.push(name)), 1_000);
    assert_eq!(given, []);
    let gone = |name: u64| name % 3 == 0 || name > 60_000;
    for (name, &key) in (0..).zip(&keys) {
        if gone(name) {
            assert_eq!(wheel.remove(key), Some(name));
        }
    }
    // Each a newcomer with the deadline of an old one, and after it.
    for name in [1, 500, 10_000] {
        wheel.insert(tick(30_000_000 + name * 20), MANY + name);
    }
    wheel.advance(now, usize::MAX, |_, name| given.push(name));
    let mut expected = Vec::new();
    for name in 0..=25_000 {
        if !gone(name) {
            expected.push(name);
        }
        if [1, 500, 10_000].contains(&name) {
            expected.push(MANY + name);
        }
    }
    assert_eq!(given, expected);
}

#[test]
fn a_half_moved_slot_may_be_emptied_by_cancels() {
    let (mut wheel, keys) = crowd();
    wheel.advance(tick(40_000_000), 10, |_, _| ());
    for &key in &keys {
        assert!(wheel.remove(key).is_some());
    }
    assert_eq!(wheel.next_due(), None);
    let key = wheel.insert(tick(30_000_100), 7);
    assert_eq!(wheel.next_due(), Some(wheel.cursor()));
    assert!(wheel.reset(key, tick(90_000_000)));
    assert_eq!(wheel.next_due(), Some(tick(90_000_000)));
    wheel.advance(tick(89_999_999), usize::MAX, |_, _| panic!("it is early"));
    assert_eq!(wheel.remove(key), Some(7));
}

#[test]
fn memory_is_reused() {
    let mut wheel = Wheel::new();
    let mut seen = std::collections::HashSet::new();
    for round in 0..1_000u64 {
        let key = wheel.insert(tick(round + 5), round);
        assert!(seen.insert(key), "a key comes once");
        assert_eq!(wheel.remove(key), Some(round));
    }
    assert!(format!("{wheel:?}").contains("len: 0"));
}

/// A driver that waits for one far timer does not turn the wheel meanwhile.
#[test]
fn a_cursor_that_lags_behind_is_brought_up_by_small_steps() {
    let hour = 3_600_000_000;
    let mut wheel = Wheel::new();
    wheel.insert(tick(hour), 0);
    let now = tick(hour - 5_000_000);
    for name in 1..=1_000 {
        wheel.catch_up(now, 8);
        wheel.insert(tick(hour - 4_000_000 + name), name);
    }
    assert_eq!(wheel.cursor(), now);
    // Without it all of them would be in one slot of level 5, and be moved three times more.
    let mut given = 0;
    let steps = wheel.advance(tick(hour - 3_000_000), usize::MAX, |_, name| {
        given += 1;
        assert_eq!(name, given);
    });
    assert_eq!(given, 1_000);
    assert!(steps <= 4_000, "{steps} steps");

    // It stops at what is due, and leaves it there.
    wheel.catch_up(tick(hour + 9), usize::MAX);
    assert!(wheel.cursor() <= tick(hour));
    assert_eq!(wheel.next_due(), Some(tick(hour)));
    assert_eq!(wheel.len(), 1);
}

#[test]
fn what_was_moved_already_is_given_out_before_the_rest_of_its_slot() {
    let mut wheel = Wheel::new();
    for name in 0..6 {
        wheel.insert(tick(5_000), name);
    }
    let mut given = Vec::new();
    // Too few steps for the slot, so it is moved down; then enough for what is left of it.
    assert_eq!(wheel.advance(tick(4_999), 2, |_, name| given.push(name)), 2);
    wheel.insert(tick(5_000), 6);
    wheel.advance(tick(5_000), usize::MAX, |_, name| given.push(name));
    assert_eq!(given, [0, 1, 2, 3, 4, 5, 6]);
}
