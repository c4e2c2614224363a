//! Real threads and real time: timers made, moved and dropped on several threads while a driver
//! sleeps and turns. None is lost, doubled or early.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use corrente_timer::{Clock, Sleep, Timers};

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A thread that does what a runtime's driver does, until it is told to stop. It sleeps without a
/// limit of its own, so a missed interrupt shows: nobody else would wake it.
struct Driver {
    thread: JoinHandle<usize>,
    stop: Arc<AtomicBool>,
}

impl Driver {
    fn start(timers: &Timers) -> Driver {
        let stop = Arc::new(AtomicBool::new(false));
        let (timers, stopped) = (timers.clone(), stop.clone());
        let thread = thread::spawn(move || {
            timers.set_interrupter(Waker::from(Arc::new(Unpark(thread::current()))));
            let mut given = 0;
            let mut ready = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                let wait = timers.begin_wait(timers.clock().now(), None);
                match wait.limit() {
                    Some(limit) => thread::park_timeout(limit),
                    None => thread::park(),
                }
                drop(wait);
                timers.turn(timers.clock().now(), &mut ready);
                given += ready.len();
                ready.drain(..).for_each(Waker::wake);
            }
            given
        });
        Driver { thread, stop }
    }

    /// Ends it; how many wakers it gave out.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        self.thread.join().expect("it does not panic")
    }
}

/// Ends the process with a message if the test does not end: a lost timer would hang it.
struct Guard(Arc<AtomicBool>);

impl Guard {
    fn new(test: &'static str) -> Guard {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        thread::spawn(move || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(50));
                if seen.load(Ordering::SeqCst) {
                    return;
                }
            }
            eprintln!("{test}: nothing has happened for a minute: a timer was lost");
            std::process::abort();
        });
        Guard(ended)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A small generator of numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Waits on this thread.
fn block_on(sleep: &mut Sleep) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while Pin::new(&mut *sleep).poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

#[test]
fn sleeps_on_many_threads_are_never_lost_or_early() {
    let _guard = Guard::new("sleeps_on_many_threads");
    let timers = Timers::new(Clock::system(), 3);
    let driver = Driver::start(&timers);
    let sleepers: Vec<_> = (0..4u64)
        .map(|number| {
            let timers = timers.clone();
            thread::spawn(move || {
                let mut random = Random(number + 1);
                for round in 0..150 {
                    let time = Duration::from_nanos(random.below(3_000_000));
                    let begin = Instant::now();
                    let deadline = timers.clock().after(time);
                    let mut sleep = Sleep::new(&timers, round, deadline);
                    if round % 5 == 0 {
                        // Begun with another deadline.
                        sleep.reset(timers.clock().after(Duration::from_secs(3_600)));
                        let noop =
                            Pin::new(&mut sleep).poll(&mut Context::from_waker(Waker::noop()));
                        assert!(noop.is_pending());
                        sleep.reset(deadline);
                    }
                    block_on(&mut sleep);
                    assert!(begin.elapsed() >= time, "early: {:?} of {time:?}", begin.elapsed());
                }
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.join().expect("it does not panic");
    }
    driver.end();
    assert!(timers.is_empty());
}

#[test]
fn timers_are_given_out_or_cancelled_once() {
    const TIMERS: usize = 20_000;
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _guard = Guard::new("timers_are_given_out_or_cancelled_once");
    let timers = Timers::new(Clock::system(), 2);
    let driver = Driver::start(&timers);
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let cancelled = Arc::new(AtomicUsize::new(0));
    let makers: Vec<_> = (0..3u64)
        .map(|number| {
            let (timers, wakes, cancelled) = (timers.clone(), wakes.clone(), cancelled.clone());
            thread::spawn(move || {
                let mut random = Random(number + 77);
                let waker = Waker::from(wakes);
                let mut keys = Vec::new();
                for _ in 0..TIMERS {
                    let time = Duration::from_micros(random.below(20_000));
                    // Everybody uses every shard.
                    let shard = random.below(2) as usize;
                    let deadline = timers.clock().after(time);
                    keys.push(timers.register(shard, deadline, &waker).expect("not closed"));
                    let key = keys[random.below(keys.len() as u64) as usize];
                    match random.below(4) {
                        0 | 1 => {
                            _ = cancelled
                                .fetch_add(usize::from(timers.cancel(key)), Ordering::SeqCst)
                        }
                        2 => _ = timers.reset(key, timers.clock().after(time)),
                        _ => _ = timers.update_waker(key, &waker),
                    }
                }
            })
        })
        .collect();
    for maker in makers {
        maker.join().expect("it does not panic");
    }
    while !timers.is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    let given = driver.end();
    assert_eq!(given + cancelled.load(Ordering::SeqCst), 3 * TIMERS);
    assert_eq!(wakes.0.load(Ordering::SeqCst), given);
    // All clones are gone but ours.
    assert_eq!(Arc::strong_count(&wakes), 1);
}

#[test]
fn closing_while_timers_are_made_leaves_none() {
    for round in 0..200 {
        let timers = Timers::new(Clock::system(), 1);
        let maker = {
            let timers = timers.clone();
            thread::spawn(move || {
                let mut made = 0;
                while timers.register(0, timers.clock().after(Duration::MAX), Waker::noop()).is_ok()
                {
                    made += 1;
                }
                made
            })
        };
        if round % 2 == 0 {
            thread::yield_now();
        }
        let mut ready = Vec::new();
        timers.close(&mut ready);
        assert_eq!(maker.join().expect("it does not panic"), ready.len());
        assert!(timers.is_empty());
    }
}
