//! How close together timers may wake their driver.
//!
//! Waking a thread costs as much as firing a hundred timers. A driver that sleeps until the next of many
//! timers a few microseconds apart does little but wake up. So where timers come in crowds, it collects
//! for a moment what is due. One driver owns a `Pace` and asks it before each sleep. What always holds:
//! * Nothing is early, and nothing is late by more than the gap on account of this.
//! * It never delays who has not been woken often in short succession, and stops where it gains nothing:
//!   a lone sleeper of short times is woken on time but for one in seventeen.

use std::time::Duration;

use crate::Tick;

/// While it collects, timers wake the driver once in this time.
const GAP: Duration = Duration::from_micros(300);
/// After so many wakes in a row that came closer than that, it collects.
const CLOSE: u32 = 16;
/// It goes on as long as it collects so many at a time.
const WORTHWHILE: usize = 5;

/// See the module's introduction: when next to sleep until, for a driver of [`Timers`](crate::Timers).
///
/// ```
/// use corrente_timer::{Pace, Tick};
///
/// let mut pace = Pace::new();
/// for n in 1..=17 {
///     pace.turned(Tick::from_micros(1000 + 20 * n), 1);
/// }
/// // A timer every 20 µs: the next turn may wait, and collect some.
/// assert_eq!(pace.not_before(), Tick::from_micros(1000 + 20 * 17 + 300));
/// ```
#[derive(Debug)]
pub struct Pace {
    /// When timers were last given out.
    last: Tick,
    /// How many times in a row they were soon after the time before.
    close: u32,
}

impl Pace {
    /// The pace of a driver that has not been woken yet.
    pub const fn new() -> Pace {
        Pace { last: Tick::ZERO, close: 0 }
    }

    /// The driver need not be woken by a timer before this: see
    /// [`Timers::begin_wait_until`](crate::Timers::begin_wait_until).
    pub fn not_before(&self) -> Tick {
        if self.collects() { self.last.saturating_add(GAP) } else { Tick::ZERO }
    }

    /// A turn at `now`, after a sleep, gave out so many timers.
    pub fn turned(&mut self, now: Tick, timers: usize) {
        if timers == 0 {
            return;
        }
        let goes_on =
            if self.collects() { timers >= WORTHWHILE } else { now.since(self.last) < GAP };
        self.close = if goes_on { (self.close + 1).min(CLOSE) } else { 0 };
        self.last = now;
    }

    fn collects(&self) -> bool {
        self.close == CLOSE
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns a driver that wakes `latency` after the time it slept for, with timers `apart` from each
    /// other; how often it was woken and how late the latest was, in microseconds.
    fn drive(timers: u64, apart: u64, latency: u64) -> (u64, u64) {
        let (mut pace, mut wakes, mut latest, mut fired) = (Pace::new(), 0, 0, 0);
        let due = |n: u64| 1_000_000 + n * apart;
        while fired < timers {
            let now = due(fired).max(pace.not_before().as_micros()) + latency;
            let before = fired;
            latest = latest.max(now - due(fired));
            while fired < timers && due(fired) <= now {
                fired += 1;
            }
            pace.turned(Tick::from_micros(now), (fired - before) as usize);
            wakes += 1;
        }
        (wakes, latest)
    }

    #[test]
    fn a_crowd_is_collected_and_nobody_waits_longer_than_the_gap() {
        let (wakes, latest) = drive(10_000, 10, 20);
        assert!(wakes < 400, "{wakes} wakes");
        assert!(latest <= 300 + 20, "{latest} us late");
    }

    #[test]
    fn who_is_alone_is_woken_on_time_but_for_one_in_seventeen() {
        let (wakes, _) = drive(1_700, 250, 20);
        assert!(wakes >= 1_600, "{wakes} wakes of 1700");
    }

    #[test]
    fn who_comes_seldom_is_never_delayed() {
        for timers_at_once in [1, 50] {
            let mut pace = Pace::new();
            for n in 1..1_000 {
                pace.turned(Tick::from_micros(n * 1_000), timers_at_once);
                assert!(pace.not_before() <= Tick::from_micros((n + 1) * 1_000));
            }
        }
    }
}
