//! A test hook: every wake goes to a worker drawn by lot, and no order can be relied on.
//!
//! With a seed in the configuration the pool's tasks wait in one box per worker instead of the queues, and
//! a worker draws from its own box. Nothing is stolen. So a program that works under this hook does not
//! depend on where its tasks run, nor on their order. What always holds: what is put into an open box is
//! taken by its worker; a box is closed while no thread is that worker, and nothing is put into it.

use crate::shared::Shared;
use corrente_shim::atomic::{AtomicU64, Ordering};
use corrente_shim::sync::Mutex;
use corrente_task::Runnable;

/// See the module.
pub(crate) struct Shake {
    boxes: Box<[Mutex<Inbox>]>,
    draws: AtomicU64,
}

struct Inbox {
    open: bool,
    items: Vec<Runnable>,
}

impl Shake {
    pub(crate) fn new(workers: usize, seed: u64) -> Self {
        // The threads of the others will come; only worker 0 is lent.
        let inbox = |worker| Mutex::new(Inbox { open: worker > 0, items: Vec::new() });
        let boxes = (0..workers).map(inbox).collect();
        Self { boxes, draws: AtomicU64::new(seed) }
    }

    /// A number below `limit`, or 0 (splitmix64 over a common counter).
    pub(crate) fn draw(&self, limit: usize) -> usize {
        // Relaxed: each draw only needs a number of its own.
        let mut z = self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    /// Puts the task into some open box and wakes its worker; into the injector if none is open.
    pub(crate) fn scatter(&self, shared: &Shared, runnable: Runnable) {
        let first = self.draw(self.boxes.len());
        for step in 0..self.boxes.len() {
            let index = (first + step) % self.boxes.len();
            let mut inbox = self.boxes[index].lock();
            if inbox.open {
                inbox.items.push(runnable);
                drop(inbox);
                return shared.unpark(index);
            }
        }
        shared.inject(runnable);
    }

    /// Takes any of the tasks that lie with this worker.
    pub(crate) fn take(&self, worker: usize) -> Option<Runnable> {
        let mut inbox = self.boxes[worker].lock();
        let many = inbox.items.len();
        if many == 0 {
            return None;
        }
        let drawn = self.draw(many);
        Some(inbox.items.swap_remove(drawn))
    }

    /// True if something lies with this worker.
    pub(crate) fn has_mail(&self, worker: usize) -> bool {
        !self.boxes[worker].lock().items.is_empty()
    }

    /// Drops whatever lies anywhere.
    pub(crate) fn clear(&self) {
        for inbox in &self.boxes {
            let items = std::mem::take(&mut inbox.lock().items);
            drop(items);
        }
    }

    /// A thread is this worker from now on.
    pub(crate) fn open(&self, worker: usize) {
        self.boxes[worker].lock().open = true;
    }

    /// No thread is this worker any more: what lies here goes to others.
    pub(crate) fn close(&self, shared: &Shared, worker: usize) {
        let mut inbox = self.boxes[worker].lock();
        inbox.open = false;
        let items = std::mem::take(&mut inbox.items);
        drop(inbox);
        items.into_iter().for_each(|runnable| self.scatter(shared, runnable));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_and_repeat_with_the_seed() {
        let (one, two) = (Shake::new(2, 7), Shake::new(2, 7));
        let mut counts = [0; 4];
        for _ in 0..4000 {
            let drawn = one.draw(4);
            assert_eq!(drawn, two.draw(4));
            counts[drawn] += 1;
        }
        assert!(counts.iter().all(|count| *count > 800), "{counts:?}");
        assert_eq!(one.draw(0), 0);
    }
}
