//! Many detached tasks report their end to one place; whoever waits there learns of the last.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts tasks down to zero. Lives for ever, so that a task needs no counted reference of its own.
pub struct Countdown {
    left: AtomicUsize,
    done: async_channel::Sender<()>,
}

impl Countdown {
    /// For `count` tasks. The receiver gets its one message when all have ended.
    pub fn new(count: usize) -> (&'static Countdown, async_channel::Receiver<()>) {
        let (done, all_done) = async_channel::bounded(1);
        (Box::leak(Box::new(Countdown { left: AtomicUsize::new(count), done })), all_done)
    }

    /// One task has ended. A task too many is a panic.
    pub fn finish_one(&self) {
        // AcqRel: what the tasks did happens before the message that all are done.
        let before = self.left.fetch_sub(1, Ordering::AcqRel);
        assert!(before > 0, "no task runs twice");
        if before == 1 {
            self.done.try_send(()).expect("there is room for the one message");
        }
    }
}
