//! Timers without a runtime: a slot of a wheel, a heap, the kernel's own sleep.

use crate::Figures;
use crate::latency::Latencies;
use crate::measure::{Passes, Random, process_cpu, scaled};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

/// A list of indices in one slot of a wheel: what a timeout that never fires needs, and no more.
struct Slots {
    heads: [u32; 64],
    links: Vec<Link>,
    free: u32,
}

#[derive(Clone)]
struct Link {
    next: u32,
    previous: u32,
}

const NONE: u32 = u32::MAX;

impl Slots {
    fn new(capacity: u32) -> Self {
        let next = |index| if index + 1 < capacity { index + 1 } else { NONE };
        let links = (0..capacity).map(|index| Link { next: next(index), previous: NONE }).collect();
        Slots { heads: [NONE; 64], links, free: 0 }
    }

    fn add(&mut self, slot: usize) -> u32 {
        let entry = self.free;
        self.free = self.links[entry as usize].next;
        let head = self.heads[slot];
        self.links[entry as usize] = Link { next: head, previous: NONE };
        if head != NONE {
            self.links[head as usize].previous = entry;
        }
        self.heads[slot] = entry;
        entry
    }

    fn remove(&mut self, slot: usize, entry: u32) {
        let Link { next, previous } = self.links[entry as usize].clone();
        match previous {
            NONE => self.heads[slot] = next,
            previous => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.links[entry as usize].next = self.free;
        self.free = entry;
    }
}

/// An entry added to a slot and removed again, beside a thousand others.
pub fn slots(scale: f64) -> Figures {
    let count = scaled(1_000_000, scale);
    let mut slots = Slots::new(2000);
    for index in 0..1000 {
        black_box(slots.add(index % 64));
    }
    let mut passes = Passes::new(4, count);
    while passes.start() {
        for index in 0..count {
            let slot = black_box(index % 64);
            let entry = black_box(slots.add(slot));
            slots.remove(slot, entry);
        }
        passes.stop();
    }
    assert!(slots.heads.iter().all(|head| *head != NONE), "the others are still there");
    passes.figures()
}

/// CPU time per deadline pushed on a heap of 100,000 and popped in order.
pub fn heap(scale: f64) -> Figures {
    let count = scaled(100_000, scale);
    let mut random = Random::new(7);
    let cpu = process_cpu();
    let mut heap: BinaryHeap<_> =
        (0..count).map(|index| Reverse((random.below(999_000), index))).collect();
    let mut last = 0;
    while let Some(Reverse((deadline, _))) = heap.pop() {
        assert!(deadline >= last, "deadlines come in order");
        last = deadline;
    }
    let cpu = process_cpu() - cpu;
    Figures::new().with("cpu_ns", cpu.as_nanos() as f64 / count as f64)
}

/// The kernel's sleep of 1 ms with the least slack that a thread may ask for.
pub fn nanosleep(scale: f64) -> Figures {
    const MILLISECOND: Duration = Duration::from_millis(1);
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
        .expect("a thread may choose its timer slack");
    let sleeps = scaled(250, scale);
    let cpu = process_cpu();
    let mut latencies = Latencies::new();
    for _ in 0..sleeps {
        let start = Instant::now();
        thread::sleep(MILLISECOND);
        latencies.add(start.elapsed().checked_sub(MILLISECOND).expect("no sleep ends early"));
    }
    let cpu = process_cpu() - cpu;
    latencies.figures().with("cpu_ns", cpu.as_nanos() as f64 / sleeps as f64)
}
