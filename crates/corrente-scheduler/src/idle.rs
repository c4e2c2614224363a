//! Who is asleep, who is searching, and whom a new item of work wakes.
//!
//! Two words, changed only by read-modify-writes and never under a lock. While every worker is busy a
//! producer reads both and writes neither, so their lines stay shared. The protocol and why it loses no
//! wake stand in the following text; the methods use its words.
//!
#![doc = include_str!("idle.md")]

use corrente_shim::atomic::{AtomicU64, Ordering, fence};
use crossbeam_utils::CachePadded;

/// As many workers as the word of sleepers has bits.
pub const MAX_WORKERS: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Idle {
    /// Bit i: worker i has lain down, and nobody has claimed it.
    sleepers: AtomicU64,
    /// How many workers are searching, or were claimed and are on their way to a search.
    searching: AtomicU64,
    /// One more than the worker that waits in the driver, or 0. Only advice: see `choose`.
    lookout: AtomicU64,
    /// On a line of its own: it is read at every poll and seldom written.
    open: CachePadded<Open>,
    /// All workers' bits.
    everybody: u64,
    /// More searchers than this would only tread on each other.
    searchers_max: u64,
}

/// The workers from whom anybody may take anything.
#[derive(Debug)]
struct Open {
    /// Bit i: no thread is worker i at the moment, or it stands still.
    absent: AtomicU64,
    /// Bit i: worker i sits in a poll that does not end. Set by the watchdog, cleared by the worker.
    stuck: AtomicU64,
}

/// Everything this thread did before comes before everything it does after, in an order on which all
/// callers agree. `word` is one that both sides of the protocol touch.
#[inline]
pub(crate) fn full_fence(word: &AtomicU64) {
    if cfg!(corrente_sanitize) {
        // ThreadSanitizer does not know fences. A read-modify-write of a common word gives the same
        // order: the later of two reads the earlier's value, and synchronizes with it.
        word.fetch_or(0, Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

const fn bit(worker: usize) -> u64 {
    1 << worker
}

impl Idle {
    /// For `workers` workers, all of them up.
    pub fn new(workers: usize) -> Self {
        debug_assert!((1..=MAX_WORKERS).contains(&workers));
        Self {
            sleepers: AtomicU64::new(0),
            searching: AtomicU64::new(0),
            lookout: AtomicU64::new(0),
            open: CachePadded::new(Open { absent: AtomicU64::new(0), stuck: AtomicU64::new(0) }),
            everybody: u64::MAX >> (MAX_WORKERS - workers),
            searchers_max: (workers as u64 / 2).max(1),
        }
    }

    /// A producer has pushed something that a sleeper is owed. The sleeper that it must now unpark, if
    /// one is needed.
    #[inline]
    pub fn claim(&self) -> Option<usize> {
        // Either this fence comes before a sleeper's, which then sees what was pushed, or after, and
        // then the loads below see the sleeper.
        full_fence(&self.sleepers);
        if self.searching.load(Ordering::Relaxed) != 0 || self.sleepers.load(Ordering::Relaxed) == 0
        {
            return None;
        }
        self.claim_one()
    }

    #[cold]
    fn claim_one(&self) -> Option<usize> {
        loop {
            if self.searching.load(Ordering::Relaxed) != 0 {
                return None;
            }
            let chosen = self.choose(self.sleepers.load(Ordering::Relaxed))?;
            // The count goes up before the bit goes down: at no time is there neither.
            self.searching.fetch_add(1, Ordering::SeqCst);
            if self.sleepers.fetch_and(!bit(chosen), Ordering::SeqCst) & bit(chosen) != 0 {
                return Some(chosen);
            }
            // It got up by itself, or another producer was quicker. Our count may have excused a third
            // producer meanwhile, so its work is ours to care for: look again from the start.
            self.searching.fetch_sub(1, Ordering::SeqCst);
            full_fence(&self.sleepers);
        }
    }

    /// Rather a worker that sleeps on its futex than the one that watches sockets and timers.
    fn choose(&self, sleepers: u64) -> Option<usize> {
        let lookout = self.lookout.load(Ordering::Relaxed);
        let others = if lookout == 0 { sleepers } else { sleepers & !bit(lookout as usize - 1) };
        let among = if others != 0 { others } else { sleepers };
        (among != 0).then(|| among.trailing_zeros() as usize)
    }

    /// A worker that ran out of work begins to search. False: enough others do, and it should lie down.
    pub fn begin_search(&self) -> bool {
        if self.searching.load(Ordering::Relaxed) >= self.searchers_max {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// A searcher has found something. If it was the last one, producers were excused on its account: if
    /// `owed` says that something is still owed, gives the sleeper that the caller must now unpark.
    pub fn end_search(&self, owed: impl FnOnce() -> bool) -> Option<usize> {
        let before = self.searching.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "a search ended that never began");
        full_fence(&self.sleepers);
        if before == 1 && owed() { self.claim() } else { None }
    }

    /// `worker` has found nothing: lies down, looks once more with `owed`, sleeps with `rest` if that is
    /// still so, and gets up. `searching`: it is counted as a searcher, and stops being one.
    ///
    /// True if it counts as searching again: because a producer has claimed it meanwhile, or because its
    /// last look has found something. Then it must search and end that search.
    #[must_use]
    pub fn sleep(
        &self,
        worker: usize,
        searching: bool,
        owed: impl FnOnce() -> bool,
        rest: impl FnOnce(),
    ) -> bool {
        self.lie_down(worker, searching);
        let owed = owed();
        if !owed {
            rest();
        }
        let claimed = self.get_up(worker);
        if owed && !claimed {
            // Even if enough others search: they may be on their way from a sleep, and this one is here.
            self.searching.fetch_add(1, Ordering::SeqCst);
        }
        claimed || owed
    }

    fn lie_down(&self, worker: usize, searching: bool) {
        let before = self.sleepers.fetch_or(bit(worker), Ordering::SeqCst);
        debug_assert!(before & bit(worker) == 0, "worker {worker} lay down twice");
        if searching {
            let before = self.searching.fetch_sub(1, Ordering::SeqCst);
            debug_assert!(before > 0, "a search ended that never began");
        }
        full_fence(&self.sleepers);
    }

    fn get_up(&self, worker: usize) -> bool {
        let before = self.sleepers.fetch_and(!bit(worker), Ordering::SeqCst);
        // What a producer pushed before it was excused by our being claimed must be seen by our search.
        full_fence(&self.sleepers);
        before & bit(worker) == 0
    }

    /// `worker` is the one who waits in the driver; `None`: nobody is.
    pub fn set_lookout(&self, worker: Option<usize>) {
        // Relaxed: advice.
        self.lookout.store(worker.map_or(0, |worker| worker as u64 + 1), Ordering::Relaxed);
    }

    /// No thread is `worker` from now on. What it leaves behind is owed to the others: the caller must
    /// claim one of them if there is something.
    pub fn depart(&self, worker: usize) {
        self.open.absent.fetch_or(bit(worker), Ordering::SeqCst);
        full_fence(&self.sleepers);
    }

    /// A thread is `worker` again.
    pub fn arrive(&self, worker: usize) {
        self.open.absent.fetch_and(!bit(worker), Ordering::SeqCst);
        full_fence(&self.sleepers);
    }

    /// `worker` sits in a poll that does not end: whatever waits behind it may be taken by anybody.
    pub fn set_stuck(&self, worker: usize) {
        self.open.stuck.fetch_or(bit(worker), Ordering::SeqCst);
    }

    /// The poll has ended. For the worker itself, at the end of each poll. True if it was a stuck one.
    #[inline]
    pub fn clear_stuck(&self, worker: usize) -> bool {
        // Relaxed: at worst it is cleared one poll later.
        let was_stuck = self.open.stuck.load(Ordering::Relaxed) & bit(worker) != 0;
        if was_stuck {
            self.open.stuck.fetch_and(!bit(worker), Ordering::Relaxed);
        }
        was_stuck
    }

    /// The workers whose queue and next slot are open to all: nobody is there, or it is stuck.
    #[inline]
    pub fn open(&self) -> u64 {
        self.open.absent.load(Ordering::Relaxed) | self.open.stuck.load(Ordering::Relaxed)
    }

    /// True if every worker has lain down or is absent.
    pub fn all_asleep(&self) -> bool {
        self.sleepers() | self.open.absent.load(Ordering::Relaxed) == self.everybody
    }

    /// The workers that lie down, one bit each.
    pub fn sleepers(&self) -> u64 {
        self.sleepers.load(Ordering::Relaxed)
    }

    /// How many workers search, or are on their way.
    pub fn searching(&self) -> u64 {
        self.searching.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_woken_while_somebody_searches() {
        let idle = Idle::new(4);
        idle.lie_down(2, false);
        assert!(idle.begin_search());
        assert_eq!(idle.claim(), None);
        assert_eq!(idle.end_search(|| true), Some(2), "the last searcher hands the search on");
        assert_eq!(idle.claim(), None, "the claimed one counts as a searcher");
        assert!(idle.get_up(2), "it was claimed");
        assert_eq!(idle.end_search(|| false), None);
        assert_eq!((idle.sleepers(), idle.searching()), (0, 0));
    }

    #[test]
    fn the_lookout_is_woken_last() {
        let idle = Idle::new(3);
        (0..3).for_each(|worker| idle.lie_down(worker, false));
        idle.set_lookout(Some(0));
        let mut woken = Vec::new();
        while let Some(worker) = idle.claim() {
            assert!(idle.get_up(worker));
            assert_eq!(idle.end_search(|| false), None);
            woken.push(worker);
        }
        assert_eq!(woken, [1, 2, 0]);
    }

    #[test]
    fn whoever_sees_something_at_the_last_look_does_not_rest() {
        let idle = Idle::new(2);
        assert!(idle.sleep(1, false, || true, || panic!("it rested")));
        assert_eq!((idle.sleepers(), idle.searching()), (0, 1), "it has to search");
        assert!(!idle.sleep(1, true, || false, || ()));
        assert!(idle.sleep(1, false, || false, || assert_eq!(idle.claim(), Some(1))), "claimed");
    }

    #[test]
    fn half_of_the_workers_search_and_at_least_one() {
        for (workers, searchers) in [(1, 1), (2, 1), (4, 2), (64, 32)] {
            let idle = Idle::new(workers);
            let began = (0..workers).filter(|_| idle.begin_search()).count();
            assert_eq!(began, searchers);
        }
    }

    #[test]
    fn the_end_of_a_stuck_poll_says_so_once() {
        let idle = Idle::new(2);
        idle.set_stuck(1);
        assert_eq!(idle.open(), 0b10, "open to all");
        assert!(!idle.clear_stuck(0), "another worker's poll");
        assert!(idle.clear_stuck(1));
        assert!(!idle.clear_stuck(1));
        assert_eq!(idle.open(), 0);
    }

    #[test]
    fn whoever_gets_up_unclaimed_does_not_search() {
        let idle = Idle::new(64);
        assert!(idle.begin_search());
        idle.lie_down(63, true);
        assert_eq!((idle.sleepers(), idle.searching()), (1 << 63, 0));
        assert!(!idle.get_up(63));
    }
}
