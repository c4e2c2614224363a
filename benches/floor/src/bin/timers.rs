//! The floor of `timers`: 100,000 boxed futures that end between 1 ms and 1 s from now, a heap, and the kernel's sleep.
//!
//! The thread sleeps until the next deadline, but at least for `COLLECT` after it last got up: a sleep costs more than
//! all else, so who may be later needs less. Every future is polled when it is made and again when its time has come, by
//! a clock that is read once for all that are due. Prints `cpu_ns` for a timer, and how late half of them were.
#![forbid(unsafe_code)]

use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

const TASKS: usize = 100_000;
/// As late as corrente is at most while many timers are due: see `corrente_timer::Pace`.
const COLLECT: Duration = Duration::from_micros(300);

thread_local! {
    /// The time of the current look at the heap, since the start.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Ready when its time has come, with how late that is.
struct Sleep(Duration);

impl Future for Sleep {
    type Output = Duration;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Duration> {
        match NOW.get().checked_sub(self.0) {
            Some(late) => Poll::Ready(late),
            None => Poll::Pending,
        }
    }
}

fn main() {
    set_current_timer_slack(NonZeroU64::new(1)).expect("a thread may choose its timer slack");
    let cpu = process_cpu();
    let start = Instant::now();
    let mut cx = Context::from_waker(Waker::noop());
    let mut tasks: Vec<Option<Pin<Box<dyn Future<Output = Duration>>>>> = Vec::with_capacity(TASKS);
    let mut heap = BinaryHeap::with_capacity(TASKS);
    let mut random = 7u64.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for index in 0..TASKS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let now = start.elapsed();
        NOW.set(now);
        let deadline = now + Duration::from_micros(1_000 + (random >> 11) % 999_000);
        let mut task: Pin<Box<dyn Future<Output = Duration>>> = Box::pin(Sleep(deadline));
        assert!(task.as_mut().poll(&mut cx).is_pending(), "it is not due yet");
        tasks.push(Some(task));
        heap.push(Reverse((deadline, index)));
    }
    let mut lates = Vec::with_capacity(TASKS);
    while let Some(Reverse((next, _))) = heap.peek() {
        let until = (*next).max(NOW.get() + COLLECT);
        if let Some(pause) = until.checked_sub(start.elapsed()) {
            thread::sleep(pause);
        }
        NOW.set(start.elapsed());
        while let Some(Reverse((deadline, index))) = heap.peek().copied() {
            if deadline > NOW.get() {
                break;
            }
            heap.pop();
            let mut task = tasks[index].take().expect("no timer comes twice");
            match task.as_mut().poll(&mut cx) {
                Poll::Ready(late) => lates.push(late),
                Poll::Pending => panic!("its time has come"),
            }
        }
    }
    let cpu = process_cpu() - cpu;
    assert_eq!(lates.len(), TASKS);
    lates.sort_unstable();
    let late = lates[TASKS / 2].as_nanos() as f64 / 1000.0;
    println!("cpu_ns={:.3} p50_us={late:.3}", cpu.as_nanos() as f64 / TASKS as f64);
}

fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("below a second"))
}
