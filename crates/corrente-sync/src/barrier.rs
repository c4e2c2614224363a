//! A meeting point: nobody goes on before all have come.
//!
//! ```text
//!            the last one comes                    all have left
//!  filling ────────────────────> draining ──────────────────────> filling
//!     │ abort                        │ abort
//!     └───────────> broken <─────────┘       reset: broken, filling -> filling
//! ```
//!
//! What always holds:
//! * While it is filling, those in the line are the ones who have come, fewer than `parties`.
//! * While it is draining, `leaving` of those who met have not gone on yet; those in the line have come
//!   too early for the next round and wait until nobody is leaving. Then they fill it.
//! * While it is broken, nobody waits.
//! * Whoever was let through with an index goes on with it, whatever happens to the barrier after.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait, Wakers};
use corrente_shim::sync::Mutex;
use std::fmt;

/// A meeting point for a fixed number of tasks.
///
/// Each round ends when all `parties` have come; all of them go on then, each with an index of its own.
/// Who comes for the next round while the last one is still leaving has to wait until it has left. A
/// waiter that is cancelled gives up its place without breaking the barrier.
///
/// ```
/// use corrente_sync::Barrier;
/// # futures_lite::future::block_on(async {
/// let barrier = Barrier::new(2);
/// let (one, other) = futures_lite::future::zip(barrier.wait(), barrier.wait()).await;
/// assert_eq!((one, other), (Ok(0), Ok(1)));
/// # });
/// ```
///
/// asyncio: `asyncio.Barrier`.
#[doc(alias = "asyncio.Barrier")]
#[derive(Debug)]
pub struct Barrier {
    parties: usize,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    line: List<Outcome>,
    /// Let through, and not gone on yet.
    leaving: usize,
    broken: bool,
}

/// What a waiter is granted.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Nothing yet.
    Unknown,
    /// All have come; this is its index.
    Met(usize),
    /// Thrown out.
    Thrown,
}

/// The barrier was aborted, or it was reset while the task waited.
#[doc(alias = "asyncio.BrokenBarrierError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrier;

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier was aborted, or reset while the task waited")
    }
}

impl std::error::Error for BrokenBarrier {}

impl Barrier {
    /// A barrier for so many tasks.
    ///
    /// # Panics
    /// If `parties` is zero.
    pub fn new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier for nobody: parties must be at least 1");
        let shared = Shared { line: List::new(), leaving: 0, broken: false };
        Self { parties, shared: Mutex::new(shared) }
    }

    /// Waits until all have come. Gives each task of a round another index, from 0 in the order of
    /// coming.
    ///
    /// # Errors
    /// [`BrokenBarrier`] if the barrier is broken, or is aborted or reset meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place, so that another one has to come. Once all have come, the
    /// others go on, whether or not this one does.
    pub async fn wait(&self) -> Result<usize, BrokenBarrier> {
        Wait::new(self, Meet).await
    }

    /// Breaks the barrier: all who wait, and all who come before [`reset`](Self::reset), get
    /// [`BrokenBarrier`].
    pub fn abort(&self) {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.broken = true;
        shared.throw_out(wakers);
    }

    /// Makes the barrier new, also a broken one. Who waits for others to come gets [`BrokenBarrier`];
    /// who waits for the last round to leave goes on waiting for the next one.
    pub fn reset(&self) {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.broken = false;
        if shared.leaving == 0 {
            shared.throw_out(wakers);
        }
    }

    /// How many must come.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many have come and wait for the rest; 0 while the last round is leaving.
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> usize {
        let shared = self.shared.lock();
        if shared.leaving == 0 { shared.line.waiting() } else { 0 }
    }

    /// True if the barrier was aborted and not reset.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.shared.lock().broken
    }
}

impl Shared {
    fn throw_out(&mut self, wakers: &mut Wakers) {
        while let Some(outcome) = self.line.first() {
            *outcome = Outcome::Thrown;
            self.line.grant_first(wakers);
        }
    }

    /// If all have come, and nobody of the last round is here any more: lets them through.
    fn meet(&mut self, parties: usize, wakers: &mut Wakers) {
        if self.leaving > 0 || self.line.waiting() < parties {
            return;
        }
        for index in 0..parties {
            if let Some(outcome) = self.line.first() {
                *outcome = Outcome::Met(index);
                self.line.grant_first(wakers);
                self.leaving += 1;
            }
        }
    }
}

/// Waits for the others.
struct Meet;

impl Act<Barrier> for Meet {
    type Shared = Shared;
    type Want = Outcome;
    type Output = Result<usize, BrokenBarrier>;

    fn mutex(home: &Barrier) -> &Mutex<Shared> {
        &home.shared
    }

    fn what(_: &Barrier) -> What {
        What::Barrier
    }

    fn line(shared: &mut Shared) -> &mut List<Outcome> {
        &mut shared.line
    }

    fn enter(
        &mut self,
        home: &Barrier,
        held: &mut Held<'_, Shared>,
    ) -> Entered<Self::Output, Outcome> {
        let (shared, wakers) = held.parts();
        if shared.broken {
            return Entered::Done(Err(BrokenBarrier));
        }
        let last = home.parties - 1;
        if shared.leaving > 0 || shared.line.waiting() < last {
            return Entered::Wait(Outcome::Unknown);
        }
        // The last one: it goes on at once and need not leave.
        shared.meet(last, wakers);
        Entered::Done(Ok(last))
    }

    fn claim(
        &mut self,
        _: &Barrier,
        held: &mut Held<'_, Shared>,
        outcome: Outcome,
    ) -> Option<Self::Output> {
        match outcome {
            Outcome::Met(index) => {
                held.parts().0.leaving -= 1;
                Some(Ok(index))
            }
            Outcome::Thrown => Some(Err(BrokenBarrier)),
            Outcome::Unknown => None,
        }
    }

    fn give_back(_: &Barrier, held: &mut Held<'_, Shared>, outcome: Outcome) {
        if let Outcome::Met(_) = outcome {
            held.parts().0.leaving -= 1;
        }
    }

    fn settle(home: &Barrier, held: &mut Held<'_, Shared>) {
        let (shared, wakers) = held.parts();
        shared.meet(home.parties, wakers);
    }
}
