//! The timer wheel beside a sorted map. Deadlines and jumps are near, or next to where a level wraps, or anywhere.

use crate::bytes::Bytes;
use crate::wheel_oracle::{At, Op, run as compare};

pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let age = tick(&mut bytes).min(u64::MAX - 1);
    let mut ops = vec![Op::Advance(At::Tick(age), usize::MAX)];
    while let Some(kind) = bytes.next() {
        ops.push(match kind {
            0..100 => Op::Insert(at(&mut bytes)),
            100..130 => Op::Remove(bytes.size()),
            130..160 => Op::Reset(bytes.size(), at(&mut bytes)),
            160..200 => Op::Advance(at(&mut bytes), limit(&mut bytes)),
            200..215 => Op::CatchUp(at(&mut bytes), limit(&mut bytes)),
            215..245 => Op::AdvanceToNext(limit(&mut bytes)),
            245.. => Op::Finish,
        });
    }
    compare(&ops);
}

fn at(bytes: &mut Bytes) -> At {
    match bytes.byte() {
        0..150 => At::Ahead(tick(bytes)),
        150..190 => At::Tick(tick(bytes)),
        190..220 => At::Behind(tick(bytes)),
        220.. => At::Edge(u32::from(bytes.byte() % 12)),
    }
}

fn tick(bytes: &mut Bytes) -> u64 {
    match bytes.byte() {
        kind @ 0..100 => u64::from(kind),
        100..170 => bytes.word() % 10_000_000,
        // Some slots of some level, and one tick more or less.
        kind @ 170..245 => {
            let slots = u64::from(bytes.byte() % 64) << (6 * u32::from(kind % 11));
            slots.saturating_add(u64::from(bytes.byte() % 3)).saturating_sub(1)
        }
        245.. => bytes.word(),
    }
}

fn limit(bytes: &mut Bytes) -> usize {
    match bytes.byte() {
        limit @ 0..100 => usize::from(limit % 10),
        limit @ 100..150 => usize::from(limit),
        150.. => usize::MAX,
    }
}
