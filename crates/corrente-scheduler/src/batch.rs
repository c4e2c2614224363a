//! Whether what the driver gave at once is worth waking another worker.
//!
//! A wake across cores costs tens of microseconds, on both. A dozen timers that each take half of one are
//! done before anybody comes; a dozen requests are not. So a worker measures how long its polls are after
//! a batch: one reading of the clock when a batch of some size comes, one when it is done with. The worker
//! owns it. What always holds: it is advice. A batch that turns out longer than the last one is the
//! watchdog's to find, as all that waits behind a long poll.

use std::time::{Duration, Instant};

/// A wake across cores, and what both caches lose by it.
const WAKE: Duration = Duration::from_micros(50);
/// Smaller batches are not measured: they teach little, and a clock costs as much as a poll.
const SOME: usize = 4;

/// What a worker knows about the polls after its driver's batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches {
    /// The batch that is being measured: when it came, and the worker's polls before it.
    current: Option<(Instant, u64)>,
    /// How long polls were after the last two that were measured; at first unknown, so as long as can be.
    per_poll: [Duration; 2],
}

impl Batches {
    pub(crate) const fn new() -> Self {
        Self { current: None, per_poll: [Duration::MAX; 2] }
    }

    /// A batch of so many wakes has come, after so many polls of this worker.
    #[inline]
    pub(crate) fn begin(&mut self, wakes: usize, polls: u64) {
        if wakes > SOME {
            self.current = Some((Instant::now(), polls));
        }
    }

    /// The worker has run dry, or asks the driver again.
    #[inline]
    pub(crate) fn end(&mut self, polls: u64) {
        if let Some((began, before)) = self.current.take() {
            self.learn(began.elapsed(), polls - before);
        }
    }

    fn learn(&mut self, elapsed: Duration, polls: u64) {
        if polls > 0 {
            let latest = elapsed / u32::try_from(polls).unwrap_or(u32::MAX);
            self.per_poll = [self.per_poll[1], latest];
        }
    }

    /// True if so many tasks that wait are worth another worker.
    #[inline]
    pub(crate) fn is_worth(&self, backlog: usize) -> bool {
        let backlog = u32::try_from(backlog).unwrap_or(u32::MAX);
        // The shorter one: whoever measures may have been preempted once.
        self.per_poll[0].min(self.per_poll[1]).saturating_mul(backlog) >= WAKE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_polls_in_small_numbers_are_not_worth_it() {
        let mut batches = Batches::new();
        assert!(batches.is_worth(1), "nothing is known");
        batches.learn(Duration::from_micros(10), 20);
        assert!(!batches.is_worth(50));
        assert!(batches.is_worth(100));
        batches.learn(Duration::from_millis(4), 4);
        assert!(!batches.is_worth(50), "long polls once may be anybody's fault");
        batches.learn(Duration::from_millis(4), 4);
        assert!(batches.is_worth(1), "polls have become long");
        batches.learn(Duration::ZERO, 0);
        assert!(batches.is_worth(1), "no poll says nothing");
    }

    #[test]
    fn only_batches_of_some_size_are_measured() {
        let mut batches = Batches::new();
        batches.begin(SOME, 100);
        batches.end(104);
        assert_eq!(batches.per_poll[1], Duration::MAX);
        batches.begin(SOME + 1, 100);
        batches.end(105);
        assert!(batches.per_poll[1] < Duration::MAX);
    }
}
