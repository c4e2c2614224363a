//! Where the time comes from: the system's monotonic clock, or a hand that tests move.
//!
//! Anybody may read it; a clone shows the same time. What always holds: it does not go back, and it
//! never shows [`Tick::NEVER`].

use std::fmt;
use std::time::{Duration, Instant};

use corrente_shim::atomic::{AtomicU64, Ordering};
use corrente_shim::sync::Arc;

use crate::Tick;

/// A monotonic clock that counts from its origin. asyncio calls its reading `loop.time()`.
///
/// The system's clock does not count the time a machine is suspended, on the systems where
/// [`Instant`] does not.
///
/// ```
/// use corrente_timer::{Clock, Tick};
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// clock.advance(Duration::from_millis(3));
/// assert_eq!(clock.now(), Tick::from_micros(3_000));
/// assert_eq!(clock.after(Duration::from_nanos(1)), Tick::from_micros(3_001));
/// ```
#[derive(Clone)]
pub struct Clock {
    origin: Instant,
    /// The microseconds shown, if they are set by hand.
    hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock, counting from now.
    pub fn system() -> Clock {
        Clock::since(Instant::now())
    }

    /// The system's clock, counting from `origin`; it shows zero until then.
    pub fn since(origin: Instant) -> Clock {
        Clock { origin, hand: None }
    }

    /// A clock that stands at [`Tick::ZERO`] until it is moved by [`advance`](Self::advance) or
    /// [`advance_to`](Self::advance_to), here or on a clone.
    pub fn manual() -> Clock {
        Clock { origin: Instant::now(), hand: Some(Arc::new(AtomicU64::new(0))) }
    }

    /// Whether it is moved by hand.
    pub fn is_manual(&self) -> bool {
        self.hand.is_some()
    }

    /// The time, rounded down to a tick.
    #[inline]
    pub fn now(&self) -> Tick {
        match &self.hand {
            None => Tick::floor(self.origin.elapsed()),
            Some(hand) => Tick::from_micros(read(hand)),
        }
    }

    /// The time since the origin, as exactly as the clock knows it.
    pub fn time(&self) -> Duration {
        match &self.hand {
            None => self.origin.elapsed(),
            Some(hand) => Duration::from_micros(read(hand)),
        }
    }

    /// The deadline that is `duration` from now, rounded up; [`Tick::NEVER`] if it is out of range.
    ///
    /// This is not `now()` plus `duration`: `now()` is rounded down, and the sum could be early by
    /// what it lost.
    #[inline]
    pub fn after(&self, duration: Duration) -> Tick {
        match self.time().checked_add(duration) {
            Some(time) => Tick::ceil(time),
            None => Tick::NEVER,
        }
    }

    /// The deadline at `instant`, rounded up; [`Tick::ZERO`] if it is before the origin.
    pub fn at(&self, instant: Instant) -> Tick {
        Tick::ceil(instant.saturating_duration_since(self.origin))
    }

    /// The instant of `tick`, if the system can name it. On a clock moved by hand it is as far from
    /// the clock's making as the tick is from zero.
    pub fn instant(&self, tick: Tick) -> Option<Instant> {
        self.origin.checked_add(tick.since_origin())
    }

    /// Moves a clock by hand to `tick`, at most to [`Tick::LAST`]. It does not go back.
    ///
    /// # Panics
    ///
    /// If this is the system's clock.
    pub fn advance_to(&self, tick: Tick) {
        let micros = tick.min(Tick::LAST).as_micros();
        // AcqRel: who sees the clock moved sees what its mover did before.
        self.hand("advance_to").fetch_max(micros, Ordering::AcqRel);
    }

    /// Moves a clock by hand on by `duration`, rounded up to a tick so that it does move; at most to
    /// [`Tick::LAST`]. Calls on several threads add up.
    ///
    /// # Panics
    ///
    /// If this is the system's clock.
    pub fn advance(&self, duration: Duration) {
        let hand = self.hand("advance");
        let mut shown = hand.load(Ordering::Relaxed);
        loop {
            let moved = Tick::from_micros(shown).saturating_add(duration).min(Tick::LAST);
            // AcqRel as in `advance_to`; a failure only tells what to try next.
            let tried = hand.compare_exchange_weak(
                shown,
                moved.as_micros(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match tried {
                Ok(_) => return,
                Err(other) => shown = other,
            }
        }
    }

    fn hand(&self, method: &str) -> &AtomicU64 {
        match &self.hand {
            Some(hand) => hand,
            None => panic!(
                "Clock::{method}: the system's clock cannot be moved; use a clock made by Clock::manual()"
            ),
        }
    }
}

/// Acquire: what the mover of the clock did before is seen by who sees it moved.
fn read(hand: &AtomicU64) -> u64 {
    hand.load(Ordering::Acquire)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_manual() { "manual" } else { "system" };
        f.debug_struct("Clock").field("kind", &kind).field("now", &self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_is_shared_and_does_not_go_back() {
        let clock = Clock::manual();
        let other = clock.clone();
        other.advance_to(Tick::from_micros(7));
        clock.advance_to(Tick::from_micros(3));
        assert_eq!(clock.now(), Tick::from_micros(7));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(other.now(), Tick::from_micros(8));
        assert_eq!(other.time(), Duration::from_micros(8));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Tick::LAST);
        assert_eq!(clock.after(Duration::from_micros(1)), Tick::NEVER);
    }

    #[test]
    fn a_deadline_of_the_system_clock_is_not_before_the_exact_time() {
        let clock = Clock::system();
        // Often enough to meet every fraction of a tick.
        for nanos in (0..5_000).map(|round| round * 1_001) {
            let before = clock.time();
            let deadline = clock.after(Duration::from_nanos(nanos));
            assert!(deadline.since_origin() >= before + Duration::from_nanos(nanos));
        }
        assert_eq!(clock.after(Duration::MAX), Tick::NEVER);
        assert!(clock.now().since_origin() <= clock.time());
    }

    #[test]
    fn instants_and_ticks_name_the_same_points() {
        let origin = Instant::now();
        let clock = Clock::since(origin);
        let tick = Tick::from_micros(1_234_567);
        let instant = clock.instant(tick).expect("it is near");
        assert_eq!(clock.at(instant), tick);
        assert_eq!(clock.at(instant + Duration::from_nanos(1)), Tick::from_micros(1_234_568));
        assert_eq!(clock.at(origin), Tick::ZERO);
        assert_eq!(Clock::since(instant).at(origin), Tick::ZERO);
    }

    #[test]
    #[should_panic(expected = "use a clock made by Clock::manual()")]
    fn the_system_clock_cannot_be_moved() {
        Clock::system().advance(Duration::from_secs(1));
    }
}
