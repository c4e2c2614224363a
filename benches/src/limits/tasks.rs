//! Tasks without a runtime: boxes in a VecDeque, polled by one thread.

use crate::Figures;
use crate::measure::{Meter, Passes, resident_bytes, scaled};
use std::collections::VecDeque;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future that is ready after so many polls and as big as a small task.
struct Countdown {
    polls: usize,
    _body: [u64; 14],
}

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.polls == 0 {
            return Poll::Ready(());
        }
        self.polls -= 1;
        Poll::Pending
    }
}

type Queue = VecDeque<Pin<Box<dyn Future<Output = ()>>>>;

fn task(polls: usize) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(Countdown { polls, _body: [0; 14] })
}

/// Polls in turn until all have ended; how often it polled.
fn run_to_end(queue: &mut Queue) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut polls = 0;
    while let Some(mut task) = queue.pop_front() {
        polls += 1;
        if task.as_mut().poll(&mut cx).is_pending() {
            queue.push_back(task);
        }
    }
    polls
}

/// 100,000 tasks born, polled once and freed, a thousand at a time.
pub fn cycle(scale: f64) -> Figures {
    const AT_ONCE: usize = 1000;
    let batches = scaled(100, scale);
    let mut passes = Passes::new(5, batches * AT_ONCE);
    let mut queue = Queue::with_capacity(AT_ONCE);
    while passes.start() {
        let mut polls = 0;
        for _ in 0..batches {
            queue.extend((0..AT_ONCE).map(|_| black_box(task(0))));
            polls += run_to_end(&mut queue);
        }
        passes.stop();
        assert_eq!(polls, batches * AT_ONCE);
    }
    passes.figures()
}

/// So many `tasks` that are always ready, a million polls.
pub fn rotate(tasks: usize, scale: f64) -> Figures {
    let yields = scaled(1_000_000, scale) / tasks;
    let mut passes = Passes::new(5, tasks * yields);
    while passes.start() {
        let mut queue: Queue = (0..tasks).map(|_| black_box(task(yields))).collect();
        let polls = run_to_end(&mut queue);
        passes.stop();
        assert_eq!(polls, tasks * (yields + 1));
    }
    passes.figures()
}

/// Resident memory of a boxed future of `SIZE` bytes and its place in a list.
pub fn boxes<const SIZE: usize>(scale: f64) -> Figures {
    let count = scaled(200_000, scale);
    let before = resident_bytes();
    let meter = Meter::start();
    let boxes: Vec<Box<[u8; SIZE]>> = (0..count).map(|_| Box::new([1; SIZE])).collect();
    let lap = meter.stop();
    let bytes = resident_bytes().saturating_sub(before);
    black_box(&boxes);
    let each = count as f64;
    Figures::new().with("bytes", bytes as f64 / each).with("ns", lap.wall.as_nanos() as f64 / each)
}
