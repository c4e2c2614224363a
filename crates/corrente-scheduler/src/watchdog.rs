//! Finds workers that sit in one poll, and has others take what waits behind them.
//!
//! "No task waits behind another's poll" rests on this thread: up to a threshold of short tasks wake
//! nobody, an item in a next slot wakes nobody, and a worker that leaves the driver for a long poll leaves
//! nobody there. A tick looks at each worker's pulse. The same look tells whether its polls are short or
//! long, and so sets the thresholds that the workers go by, for nothing.
//!
//! What always holds: while a worker is up, this thread ticks, or its next look at the parker's state
//! sees that worker. While all sleep, it sleeps, too, without a time limit.

use crate::idle::full_fence;
use crate::metrics::SharedCount;
use crate::parker::Parker;
use crate::seat::{Pulse, Seat};
use crate::shared::Shared;
use corrente_shim::atomic::{AtomicBool, AtomicU64, Ordering};
use corrente_task::{TaskId, TaskRef, memory};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::task::Waker;
use std::time::{Duration, Instant};

/// The time from one look to the next, at first and while something waits behind long polls.
const TICK: Duration = Duration::from_micros(200);
/// The shortest time from one look to the next while no worker sleeps: then there is nobody to send to the rescue, and
/// on a machine whose cores are all at work the looks themselves take time from it.
const TICK_BUSY: Duration = Duration::from_micros(800);
/// So many times the interval of glances is made where polls are known to be so short that it takes no longer than
/// `GLANCE`.
const SHORT_POLLS: u32 = 4;
/// The longest time from one look to the next.
const TICK_MAX: Duration = Duration::from_micros(1600);
/// After so many ticks in which nothing waited behind long polls the next ones take twice as long.
const CALM_TICKS: u32 = 50;
/// After so long without any work it goes to sleep. Waking it costs a system call, so work that comes and goes
/// should find it awake.
const IDLE: Duration = Duration::from_micros(1200);
/// A worker with fewer polls in a [`TICK`] has long ones.
const FEW_POLLS: u64 = 20;
/// How often a busy worker should look at sockets and timers.
const GLANCE: Duration = Duration::from_micros(100);

/// A poll that has lasted too long, and still does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LongPoll {
    /// Which worker is blocked by it.
    pub worker: usize,
    /// The task, unless it ended just now.
    pub task: Option<TaskId>,
    /// The task's name, or its number.
    pub name: String,
    /// Where it was spawned.
    pub location: Option<&'static Location<'static>>,
    /// How long the poll has lasted at least.
    pub so_far: Duration,
}

/// The watchdog as others see it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    parker: Parker,
    stop: AtomicBool,
    /// A word for the fence, as the idle set has one.
    order: AtomicU64,
    pub(crate) rescues: SharedCount,
    pub(crate) long_polls: SharedCount,
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self {
            parker: Parker::new(),
            stop: AtomicBool::new(false),
            order: AtomicU64::new(0),
            rescues: SharedCount::new(),
            long_polls: SharedCount::new(),
        }
    }

    /// Somebody has begun to work. To be called after a full fence: see [`Parker::park_if`].
    #[inline]
    pub(crate) fn rouse(&self) {
        if self.parker.is_taken() {
            self.wake();
        }
    }

    /// The same for who has passed no fence yet.
    pub(crate) fn rouse_fenced(&self) {
        full_fence(&self.order);
        self.rouse();
    }

    #[cold]
    fn wake(&self) {
        let _ = self.parker.unpark(Waker::noop());
    }

    /// Ends the thread at its next look.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// The thread.
    pub(crate) fn watch(&self, shared: &Shared) {
        self.parker.belong_here();
        let mut watch = Watch::new(shared.seats.len());
        while !self.stop.load(Ordering::Acquire) {
            if watch.idle >= IDLE {
                memory::give_back();
                self.parker.park_if(|| {
                    shared.idle.all_asleep()
                        && !shared.blocking.has_queue()
                        && !self.stop.load(Ordering::Acquire)
                });
                watch.begin_again();
            } else {
                let busy = shared.idle.sleepers() == 0;
                std::thread::sleep(if busy { watch.period.max(TICK_BUSY) } else { watch.period });
                watch.tick(shared);
            }
        }
    }

    fn rescue(&self, shared: &Shared) {
        if shared.wake_sleeper() {
            self.rescues.bump();
        }
    }

    fn report(&self, shared: &Shared, worker: usize, number: u64, so_far: Duration) {
        self.long_polls.bump();
        let Some(hook) = &shared.hooks.long_poll else { return };
        let report = LongPoll::new(worker, shared.find_task(number).as_ref(), number, so_far);
        // The hook is the user's. It has nothing of ours in its hands, so a panic ends here.
        let _ = catch_unwind(AssertUnwindSafe(|| hook(&report)));
    }
}

impl LongPoll {
    pub(crate) fn new(
        worker: usize,
        task: Option<&TaskRef>,
        number: u64,
        so_far: Duration,
    ) -> Self {
        Self {
            worker,
            name: task.map_or_else(|| format!("Task-{number}"), TaskRef::name),
            location: task.map(TaskRef::location),
            task: task.map(TaskRef::id),
            so_far,
        }
    }
}

/// What the watchdog remembers from tick to tick.
struct Watch {
    workers: Vec<Watched>,
    last: Instant,
    period: Duration,
    /// How long nobody has done anything.
    idle: Duration,
    calm_ticks: u32,
}

#[derive(Clone, Copy, Default)]
struct Watched {
    pulse: Pulse,
    parks: u64,
    stuck: Option<Stuck>,
}

/// A worker was found twice in the same poll.
#[derive(Clone, Copy)]
struct Stuck {
    since: Instant,
    reported: bool,
}

/// What two looks at one worker say.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It did nothing, or slept in between: that says nothing about its polls.
    Resting,
    /// It was up all the time and began so many polls.
    Moving(u64),
    /// It sits in the poll in which it was seen before.
    Stuck,
}

fn judge(before: Pulse, now: Pulse, slept: bool) -> Verdict {
    match (before == now, now.is_polling()) {
        (true, true) => Verdict::Stuck,
        (true, false) => Verdict::Resting,
        (false, _) if slept => Verdict::Resting,
        (false, _) => Verdict::Moving(now.polls() - before.polls()),
    }
}

/// How many polls a worker makes in `GLANCE`, if it made `polls` in `elapsed`; at most `limit`.
fn polls_per_glance(polls: u64, elapsed: Duration, limit: u32) -> u32 {
    let per_glance = u128::from(polls) * GLANCE.as_nanos() / elapsed.as_nanos().max(1);
    u32::try_from(per_glance).unwrap_or(u32::MAX).clamp(1, limit.max(1))
}

/// True if `polls` in `elapsed` is few.
pub(crate) fn are_long(polls: u64, elapsed: Duration) -> bool {
    u128::from(polls) * TICK.as_nanos() < u128::from(FEW_POLLS) * elapsed.as_nanos()
}

impl Watch {
    fn new(workers: usize) -> Self {
        Self {
            workers: vec![Watched::default(); workers],
            last: Instant::now(),
            period: TICK,
            idle: Duration::ZERO,
            calm_ticks: 0,
        }
    }

    fn tick(&mut self, shared: &Shared) {
        let now = Instant::now();
        let last = std::mem::replace(&mut self.last, now);
        let (mut all_idle, mut calm) = (true, true);
        for (index, seat) in shared.seats.iter().enumerate() {
            let watched = &mut self.workers[index];
            let (pulse, parks) = (seat.own.pulse(), seat.own.counters.parks.get());
            let before = std::mem::replace(&mut watched.pulse, pulse);
            let slept = std::mem::replace(&mut watched.parks, parks) != parks;
            all_idle &= before == pulse && !pulse.is_polling();
            match judge(before, pulse, slept) {
                Verdict::Resting => {
                    watched.stuck = None;
                    // Nothing is known, and after each sleep it is fresh: advice from before is out of date.
                    seat.advice.set_slow(false);
                    seat.advice.set_glance_every(shared.config.driver_interval);
                }
                Verdict::Moving(polls) => {
                    watched.stuck = None;
                    let limit = shared.config.driver_interval.saturating_mul(SHORT_POLLS);
                    let long = advise(seat, polls, now - last, limit);
                    calm &= !(long && something_waits(shared, seat));
                }
                Verdict::Stuck => {
                    calm &= !free_what_waits(shared, index, seat);
                    let stuck = watched.stuck.get_or_insert(Stuck { since: last, reported: false });
                    let so_far = now - stuck.since;
                    if !stuck.reported && so_far >= shared.config.long_poll {
                        stuck.reported = true;
                        shared.watchdog.report(shared, index, seat.own.task(), so_far);
                    }
                }
            }
        }
        let queued = shared.blocking.tick(shared, now);
        self.idle = if all_idle && !queued { self.idle + (now - last) } else { Duration::ZERO };
        self.pace(calm);
    }

    /// After a sleep. It goes on at the pace at which it went to sleep: workers that wake up for a moment again and
    /// again, with nothing left waiting by what they do, are to be looked at no more often than busy ones.
    fn begin_again(&mut self) {
        self.workers.fill(Watched::default());
        self.last = Instant::now();
        self.idle = Duration::ZERO;
    }

    fn pace(&mut self, calm: bool) {
        if !calm {
            (self.calm_ticks, self.period) = (0, TICK);
        } else if self.calm_ticks < CALM_TICKS {
            self.calm_ticks += 1;
        } else {
            (self.calm_ticks, self.period) = (0, (self.period * 2).min(TICK_MAX));
        }
    }
}

/// Tells a worker how long its polls are. True if they are long.
fn advise(seat: &Seat, polls: u64, elapsed: Duration, limit: u32) -> bool {
    let long = are_long(polls, elapsed);
    seat.advice.set_slow(long);
    seat.advice.set_glance_every(polls_per_glance(polls, elapsed, limit));
    long
}

/// A worker sits in a poll: opens its queue and its next slot to all, and wakes somebody if something is
/// there or in the back row, or if nobody watches the driver. True if so.
fn free_what_waits(shared: &Shared, worker: usize, seat: &Seat) -> bool {
    seat.advice.set_slow(true);
    seat.advice.set_glance_every(1);
    shared.idle.set_stuck(worker);
    let unwatched = shared.idle.sleepers() != 0 && shared.baton.is_free();
    let waited_for = unwatched || something_waits(shared, seat);
    if waited_for {
        shared.watchdog.rescue(shared);
    }
    waited_for
}

/// Something waits behind this worker, or for any.
fn something_waits(shared: &Shared, seat: &Seat) -> bool {
    seat.has_something() || !shared.back_row.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Core;

    #[test]
    fn a_poll_seen_twice_is_stuck() {
        let seat = Seat::new(&Core::new(0), true, 61);
        let idle = seat.own.pulse();
        seat.own.begin_poll(7);
        let first = seat.own.pulse();
        assert_eq!(judge(idle, idle, false), Verdict::Resting);
        assert_eq!(judge(idle, first, false), Verdict::Moving(1));
        assert_eq!(judge(idle, first, true), Verdict::Resting, "it slept for a part of the time");
        assert_eq!(judge(first, first, false), Verdict::Stuck);
        seat.own.end_poll();
        seat.own.begin_poll(8);
        assert_eq!(judge(first, seat.own.pulse(), false), Verdict::Moving(1));
        seat.own.end_poll();
        assert_eq!(judge(seat.own.pulse(), seat.own.pulse(), false), Verdict::Resting);
    }

    #[test]
    fn advice_follows_the_length_of_polls() {
        assert!(are_long(19, TICK));
        assert!(!are_long(20, TICK));
        assert!(are_long(39, TICK * 2));
        assert_eq!(polls_per_glance(1, TICK, 61), 1);
        assert_eq!(polls_per_glance(40, TICK, 61), 20);
        assert_eq!(polls_per_glance(1_000_000, TICK, 61), 61);
    }

    #[test]
    fn a_quiet_watch_slows_down_and_a_busy_one_does_not() {
        let mut watch = Watch::new(1);
        (0..10 * CALM_TICKS).for_each(|_| watch.pace(true));
        assert_eq!(watch.period, TICK_MAX);
        watch.pace(false);
        assert_eq!(watch.period, TICK);
    }

    #[test]
    fn it_goes_on_at_its_pace_after_a_sleep() {
        let mut watch = Watch::new(1);
        (0..10 * CALM_TICKS).for_each(|_| watch.pace(true));
        watch.idle = IDLE;
        watch.begin_again();
        assert_eq!((watch.period, watch.idle), (TICK_MAX, Duration::ZERO));
    }

    #[test]
    fn a_worker_without_a_watchdog_has_no_patience() {
        let seat = |watched| Seat::new(&Core::new(0), watched, 61);
        for (watched, threshold) in [(true, 4), (false, 0)] {
            let seat = seat(watched);
            assert_eq!(seat.threshold(), 0, "fresh");
            seat.own.set_fresh(false);
            assert_eq!(seat.threshold(), threshold);
        }
    }
}
