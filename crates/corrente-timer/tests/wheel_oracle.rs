//! Whatever is done to a wheel, at whatever age of it, it does what a sorted map would do.

mod oracle;

use oracle::{At, Op, run};
use proptest::prelude::*;

const MILLI: u64 = 1_000;
const DAY: u64 = 86_400_000 * MILLI;

/// Where timers have gone wrong, here or elsewhere: the ends, every wrap of a level, and uptimes at
/// which other wheels broke.
fn boundaries() -> Vec<u64> {
    let mut boundaries = vec![0, 1, u64::MAX, u64::MAX - 1, u64::MAX - 2, u64::MAX / 2];
    let wraps = (0..11).map(|level| 1u64 << (6 * level));
    let uptimes = [
        12 * DAY,
        MILLI << 30,
        MILLI << 36,
        MILLI << 42,
        142 * 365 * DAY + 35 * DAY,
        u64::MAX / 1_000,
    ];
    for middle in wraps.chain(uptimes) {
        boundaries.extend([middle - 1, middle, middle + 1, middle.saturating_mul(63)]);
    }
    boundaries
}

fn ticks() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => proptest::sample::select(boundaries()),
        4 => 0..200u64,
        2 => 0..10_000_000u64,
        1 => any::<u64>(),
    ]
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        8 => ticks().prop_map(At::Ahead),
        2 => ticks().prop_map(At::Tick),
        1 => ticks().prop_map(At::Behind),
    ]
}

/// Deadlines close together, so that slots fill and ties are common.
fn crowded() -> impl Strategy<Value = At> {
    prop_oneof![
        2 => (0..12u64).prop_map(At::Ahead),
        2 => (0..9000u64).prop_map(|tick| At::Ahead(tick / 500 * 500)),
        1 => (1..4u32).prop_map(At::Edge),
    ]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(usize::MAX), 2 => 0..8usize, 1 => 0..100usize]
}

fn op(deadline: impl Strategy<Value = At> + Clone + 'static) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => deadline.clone().prop_map(Op::Insert),
        2 => any::<usize>().prop_map(Op::Remove),
        2 => (any::<usize>(), deadline.clone()).prop_map(|(number, at)| Op::Reset(number, at)),
        3 => (deadline.clone(), limit()).prop_map(|(at, limit)| Op::Advance(at, limit)),
        1 => (deadline, limit()).prop_map(|(at, limit)| Op::CatchUp(at, limit)),
        2 => limit().prop_map(Op::AdvanceToNext),
        1 => Just(Op::Finish),
    ]
}

/// Operations on a wheel of any age.
fn history() -> impl Strategy<Value = Vec<Op>> {
    let start = ticks().prop_map(|age| Op::Advance(At::Tick(age.min(u64::MAX - 1)), usize::MAX));
    let rest = prop_oneof![
        proptest::collection::vec(op(at().boxed()), 1..120),
        proptest::collection::vec(op(crowded().boxed()), 1..200),
    ];
    (start, rest).prop_map(|(start, mut ops)| {
        ops.insert(0, start);
        ops
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn agrees_with_a_sorted_map(ops in history()) {
        run(&ops);
    }
}

#[test]
fn every_boundary_from_every_age() {
    let boundaries = boundaries();
    for &age in &boundaries {
        let mut ops = vec![Op::Advance(At::Tick(age), usize::MAX)];
        for &deadline in &boundaries {
            ops.push(Op::Insert(At::Ahead(deadline)));
            ops.push(Op::Insert(At::Tick(deadline)));
        }
        // All of them are waited for at the end.
        run(&ops);
    }
}

#[test]
fn every_boundary_as_a_jump() {
    let boundaries = boundaries();
    for &jump in &boundaries {
        for limit in [usize::MAX, 3] {
            let mut ops: Vec<Op> =
                boundaries.iter().map(|&deadline| Op::Insert(At::Tick(deadline))).collect();
            ops.push(Op::Advance(At::Tick(jump), limit));
            ops.push(Op::Insert(At::Tick(jump)));
            ops.push(Op::Insert(At::Behind(1)));
            run(&ops);
        }
    }
}
