//! A queue for all workers, in shards, so that many workers do not meet at one word.
//!
//! There are two: the injector, for tasks that no worker has made ready, and the back row, for those that
//! let all others go first (`Worker::step_back`). Any thread may push, any worker may take. What always
//! holds: a push wakes nobody, that is the business of whoever pushes.

use crate::queue::Injector;
use corrente_task::Runnable;
use crossbeam_utils::CachePadded;

/// So many workers share a shard.
const WORKERS_PER_SHARD: usize = 8;

/// See the module.
pub(crate) struct Commons {
    shards: Box<[CachePadded<Injector<Runnable>>]>,
}

impl Commons {
    /// Empty, for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let shards = workers.div_ceil(WORKERS_PER_SHARD);
        Self { shards: (0..shards).map(|_| CachePadded::default()).collect() }
    }

    /// Appends the task to some shard, always the same for the same number.
    pub(crate) fn push(&self, number: usize, runnable: Runnable) {
        self.shards[number % self.shards.len()].push(runnable);
    }

    /// The shard of this worker.
    #[inline]
    pub(crate) fn near(&self, worker: usize) -> &Injector<Runnable> {
        &self.shards[worker / WORKERS_PER_SHARD]
    }

    /// What `take` gets out of the first shard that has something, this worker's own before the others.
    pub(crate) fn find(
        &self,
        worker: usize,
        take: impl Fn(&Injector<Runnable>) -> Option<Runnable>,
    ) -> Option<Runnable> {
        let first = worker / WORKERS_PER_SHARD;
        (first..self.shards.len())
            .chain(0..first)
            .map(|number| &*self.shards[number])
            .filter(|shard| !shard.is_empty())
            .find_map(take)
    }

    /// True if nothing is in it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.is_empty())
    }

    /// Drops what is in it.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            while let Some(runnable) = shard.take() {
                drop(runnable);
            }
        }
    }
}
