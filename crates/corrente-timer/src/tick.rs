//! A point in time as a count of microseconds, and how it is rounded.
//!
//! Anybody may make one. What always holds: a deadline is rounded up and a reading of the clock is
//! rounded down, so a timer whose tick has come is never early; sums saturate at [`Tick::NEVER`],
//! which no clock ever shows.

use std::fmt;
use std::time::Duration;

const MICROS_PER_SEC: u64 = 1_000_000;
const NANOS_PER_MICRO: u32 = 1_000;

/// A point in time: whole microseconds since the origin of a [`Clock`](crate::Clock).
///
/// ```
/// use corrente_timer::Tick;
/// use std::time::Duration;
///
/// let now = Tick::floor(Duration::from_nanos(10_900));
/// assert_eq!(now, Tick::from_micros(10));
/// assert_eq!(Tick::ceil(Duration::from_nanos(10_900)), Tick::from_micros(11));
/// assert_eq!(now.saturating_add(Duration::MAX), Tick::NEVER);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(u64);

impl Tick {
    /// The origin of the clock.
    pub const ZERO: Tick = Tick(0);
    /// Later than everything. A timer with this deadline is kept and never given out.
    pub const NEVER: Tick = Tick(u64::MAX);
    /// The last point in time a clock can show, 584,542 years after its origin.
    pub const LAST: Tick = Tick(u64::MAX - 1);
    /// From one tick to the next: a microsecond.
    pub const RESOLUTION: Duration = Duration::from_micros(1);

    /// The point `micros` microseconds after the origin; `u64::MAX` is [`Tick::NEVER`].
    pub const fn from_micros(micros: u64) -> Tick {
        Tick(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The first tick not before `since_origin`: the rounding for deadlines.
    /// What is out of range is [`Tick::NEVER`].
    pub fn ceil(since_origin: Duration) -> Tick {
        let micros = since_origin.subsec_nanos().div_ceil(NANOS_PER_MICRO);
        Tick(whole(since_origin).saturating_add(u64::from(micros)))
    }

    /// The last tick not after `since_origin`: the rounding for readings of a clock.
    /// What is out of range is [`Tick::LAST`].
    pub fn floor(since_origin: Duration) -> Tick {
        let micros = since_origin.subsec_micros();
        Tick(whole(since_origin).saturating_add(u64::from(micros))).min(Tick::LAST)
    }

    /// This point and `duration`, rounded up to a tick; [`Tick::NEVER`] if that is out of range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Tick {
        Tick(self.0.saturating_add(Tick::ceil(duration).0))
    }

    /// How long after `earlier` this is: zero if it is not after it, [`Duration::MAX`] if this
    /// is [`Tick::NEVER`].
    pub fn since(self, earlier: Tick) -> Duration {
        if self.is_never() {
            return Duration::MAX;
        }
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The time from the origin to here; [`Duration::MAX`] for [`Tick::NEVER`].
    pub fn since_origin(self) -> Duration {
        self.since(Tick::ZERO)
    }

    /// Whether this is [`Tick::NEVER`].
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }
}

/// The microseconds in the whole seconds of `duration`.
fn whole(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(MICROS_PER_SEC)
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() { f.write_str("never") } else { write!(f, "{}us", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_round_up_and_readings_round_down() {
        for (nanos, down, up) in [(0, 0, 0), (1, 0, 1), (999, 0, 1), (1_000, 1, 1), (1_001, 1, 2)] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(Tick::floor(duration), Tick(down), "{nanos} ns down");
            assert_eq!(Tick::ceil(duration), Tick(up), "{nanos} ns up");
        }
        let carry = Duration::new(7, 999_999_001);
        assert_eq!(Tick::floor(carry), Tick(7_999_999));
        assert_eq!(Tick::ceil(carry), Tick(8_000_000));
    }

    #[test]
    fn the_ends_saturate() {
        assert_eq!(Tick::ceil(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick::floor(Duration::MAX), Tick::LAST);
        assert_eq!(Tick::ZERO.saturating_add(Duration::from_millis(u64::MAX)), Tick::NEVER);
        assert_eq!(Tick::LAST.saturating_add(Duration::from_nanos(1)), Tick::NEVER);
        assert_eq!(Tick::NEVER.saturating_add(Duration::ZERO), Tick::NEVER);
        assert_eq!(Tick::NEVER.since(Tick::LAST), Duration::MAX);
        assert_eq!(Tick::ZERO.since(Tick::LAST), Duration::ZERO);
        assert_eq!(Tick::LAST.since(Tick::ZERO), Duration::from_micros(u64::MAX - 1));
    }

    #[test]
    fn an_uptime_of_142_years_is_far_from_the_end() {
        let uptime = Duration::from_secs(142 * 366 * 86_400);
        assert_eq!(Tick::floor(uptime).since_origin(), uptime);
        assert!(Tick::ceil(uptime).saturating_add(uptime) < Tick::LAST);
    }
}
