//! The wheel beside a BTreeMap that must agree with it. For tests and fuzzing: a list of operations
//! is run on both, and the first difference panics.
//!
//! What always holds: the map knows nothing of levels, slots or cursors but the wheel's public
//! cursor, which says what counts as the present.

use std::collections::BTreeMap;

use corrente_timer::{Key, Tick, Wheel};

/// What can be done to a wheel. Numbers may be anything.
#[derive(Clone, Debug)]
pub enum Op {
    /// Puts a value in.
    Insert(At),
    /// Takes out one of the values that were ever put in, chosen by number.
    Remove(usize),
    /// Gives one of them another deadline.
    Reset(usize, At),
    /// Turns the wheel, by at most so many steps.
    Advance(At, usize),
    /// Turns the wheel as far as nothing is due, by at most so many steps.
    CatchUp(At, usize),
    /// Turns the wheel to what it says is next.
    AdvanceToNext(usize),
    /// Turns the wheel to its present until nothing is left to do.
    Finish,
}

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// So many ticks after the origin.
    Tick(u64),
    /// So many ticks after the cursor.
    Ahead(u64),
    /// So many ticks before the cursor.
    Behind(u64),
    /// The last tick that has all digits but the lowest so many in common with the cursor.
    Edge(u32),
}

/// Runs `ops` on a new wheel and a new map.
pub fn run(ops: &[Op]) {
    let mut oracle = Oracle::new();
    for op in ops {
        oracle.step(op);
        oracle.compare();
    }
    oracle.empty();
}

struct Oracle {
    wheel: Wheel<u64>,
    /// By deadline, then by insertion.
    map: BTreeMap<(Tick, u64), ()>,
    /// All that was ever put in: its key, and where it is in the map if it is there.
    all: Vec<(Key, Option<(Tick, u64)>)>,
    sequence: u64,
    /// Value to its place in `all`, as a reset changes its sequence number: by sequence number.
    owner: BTreeMap<u64, usize>,
    /// Whether the last turn was not cut off by its limit.
    finished: bool,
}

impl Oracle {
    fn new() -> Self {
        Self {
            wheel: Wheel::new(),
            map: BTreeMap::new(),
            all: Vec::new(),
            sequence: 0,
            owner: BTreeMap::new(),
            finished: true,
        }
    }

    fn tick(&self, at: At) -> Tick {
        let cursor = self.wheel.cursor().as_micros();
        Tick::from_micros(match at {
            At::Tick(tick) => tick,
            At::Ahead(ticks) => cursor.saturating_add(ticks),
            At::Behind(ticks) => cursor.saturating_sub(ticks),
            At::Edge(digits) => {
                cursor | 1u64.checked_shl(6 * digits).map_or(u64::MAX, |bit| bit - 1)
            }
        })
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Insert(at) => {
                let deadline = self.tick(at);
                let name = self.all.len();
                let key = self.wheel.insert(deadline, name as u64);
                self.all.push((key, None));
                self.place(name, deadline);
            }
            Op::Remove(number) => {
                let Some(name) = number.checked_rem(self.all.len()) else {
                    return;
                };
                let (key, here) = self.all[name];
                assert_eq!(self.wheel.remove(key), here.map(|_| name as u64));
                self.displace(name);
            }
            Op::Reset(number, at) => {
                let Some(name) = number.checked_rem(self.all.len()) else {
                    return;
                };
                let deadline = self.tick(at);
                let (key, here) = self.all[name];
                assert_eq!(self.wheel.reset(key, deadline), here.is_some());
                if here.is_some() {
                    self.displace(name);
                    self.place(name, deadline);
                }
            }
            Op::Advance(at, limit) => {
                let now = self.tick(at);
                self.advance(now, limit);
            }
            Op::CatchUp(at, limit) => {
                let (before, to) = (self.wheel.cursor(), self.tick(at).min(Tick::LAST));
                self.wheel.catch_up(to, limit);
                let cursor = self.wheel.cursor();
                assert!(before <= cursor && cursor <= to.max(before));
                self.finished = false;
            }
            Op::AdvanceToNext(limit) => {
                if let Some(next) = self.wheel.next_due() {
                    self.advance(next, limit);
                }
            }
            Op::Finish => self.advance(self.wheel.cursor(), usize::MAX),
        }
    }

    fn place(&mut self, name: usize, deadline: Tick) {
        self.sequence += 1;
        self.map.insert((deadline, self.sequence), ());
        self.owner.insert(self.sequence, name);
        self.all[name].1 = Some((deadline, self.sequence));
    }

    fn displace(&mut self, name: usize) {
        if let Some(here) = self.all[name].1.take() {
            self.map.remove(&here);
            self.owner.remove(&here.1);
        }
    }

    fn advance(&mut self, now: Tick, limit: usize) {
        let present = now.max(self.wheel.cursor());
        let mut given = Vec::new();
        let steps = self.wheel.advance(now, limit, |deadline, name| given.push((deadline, name)));
        assert!(steps <= limit, "{steps} steps, {limit} allowed");
        assert!(given.len() <= steps);
        for (deadline, name) in given {
            assert!(deadline <= present, "{deadline:?} is early at {present:?}");
            assert!(!deadline.is_never(), "never has come");
            let (&first, ()) = self.map.first_key_value().expect("nothing should be left");
            let name = usize::try_from(name).expect("a name");
            assert_eq!(self.all[name].1, Some(first), "another one is before it");
            self.displace(name);
        }
        self.finished = steps < limit;
        if self.finished {
            assert!(self.first().is_none_or(|first| first > present), "something due is left");
            assert_eq!(self.wheel.cursor(), present.min(Tick::LAST));
        }
    }

    /// The earliest deadline that will ever come.
    fn first(&self) -> Option<Tick> {
        let (&(deadline, _), ()) = self.map.first_key_value()?;
        (!deadline.is_never()).then_some(deadline)
    }

    fn compare(&mut self) {
        assert_eq!(self.wheel.len(), self.map.len());
        let (next, first) = (self.wheel.next_due(), self.first());
        assert_eq!(next.is_some(), first.is_some());
        assert!(next <= first, "{next:?} is after the earliest, {first:?}");
        if self.finished && self.map.len() <= 32 {
            assert_eq!(next, first, "with few values it is exact");
        }
        for (name, &(key, here)) in self.all.iter().enumerate().rev().take(40) {
            assert_eq!(self.wheel.get_mut(key), here.map(|_| name as u64).as_mut());
        }
    }

    /// Waits for everything that ever comes, as a driver would: it never comes for nothing but to
    /// move values to lower levels.
    fn empty(&mut self) {
        let mut turns = 0;
        let most = 12 * self.map.len() + 12;
        while let Some(next) = self.wheel.next_due() {
            self.advance(next, usize::MAX);
            turns += 1;
            assert!(turns <= most, "{turns} turns, and still waiting for {next:?}");
        }
        assert_eq!(self.first(), None);
        self.compare();
        let mut left = 0;
        self.wheel.drain(|deadline, _| {
            assert!(deadline.is_never());
            left += 1;
        });
        assert_eq!(left, self.map.len());
        assert!(self.wheel.is_empty() && self.wheel.next_due().is_none());
    }
}
