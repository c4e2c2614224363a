//! Task ids: unique in the process, handed out from a block per thread.
//!
//! A spawn touches no shared memory for its id: each thread takes [`BLOCK`] ids at once from the one
//! global counter. So ids say nothing about the order of spawns on different threads.

use corrente_shim::atomic::Counter;
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;

const BLOCK: u64 = 1024;

/// Names one task of this process, for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(NonZeroU64);

static NEXT_BLOCK: Counter = Counter::new(1);

corrente_shim::local! {
    /// The next id and the end of this thread's block.
    static MINE: Cell<(u64, u64)> = Cell::new((0, 0));
}

impl TaskId {
    #[inline]
    pub(crate) fn next() -> Self {
        let take = |cell: &Cell<(u64, u64)>| {
            let (mut next, mut end) = cell.get();
            if next == end {
                next = NEXT_BLOCK.take(BLOCK);
                end = next + BLOCK;
            }
            cell.set((next + 1, end));
            next
        };
        let id = MINE.try_with(take).unwrap_or_else(|_| NEXT_BLOCK.take(BLOCK));
        Self(NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN))
    }

    /// The id as a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}
