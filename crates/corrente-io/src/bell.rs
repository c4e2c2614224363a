//! The interrupter's bookkeeping: ends the reactor's present or next turn, from any thread.
//!
//! Many rings before a turn hears one are a single one: `rung` says that a ring is on its way. What carries
//! it to a thread that waits in the kernel is the caller's, so that `tests/loom_bell.rs` can explore this file
//! as it is.
//!
//! # Why no ring is lost
//!
//! A ring swaps `rung` to true and sends a signal only if it was false. A turn that has received a signal
//! swaps it to false. A signal that is sent while nobody waits ends the next wait. So if a ring finds true,
//! an earlier ring has sent a signal, or is about to, that no turn has answered: it ends the present turn or
//! the next, and what the ringing thread did before is seen after that turn, because the turn's swap comes
//! later in the order of the word. If it finds false, it sends its own.
//!
//! After the driver has failed, nobody waits in the kernel any more; the turning thread sleeps here. It sets
//! `silent`, then swaps `rung` to true, so its first sleep returns at once, and takes every ring before that
//! with it. A ring that finds false later has read what a sleep wrote, so it sees `silent` and notifies under
//! the lock, under which the sleeper looks at `rung`.
use std::io;
use std::time::Duration;

use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::{Condvar, Mutex};

/// The interrupter of one reactor.
#[derive(Debug)]
pub struct Bell {
    // Read-modify-writes only: a ring and a turn must not miss each other's.
    rung: AtomicBool,
    /// The driver has failed: turns are spent in `sleep`.
    silent: AtomicBool,
    bed: Mutex<()>,
    woken: Condvar,
}

impl Bell {
    /// A bell that has not been rung.
    pub fn new() -> Self {
        Self {
            rung: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            bed: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// Ends the present or the next turn. `send` makes the kernel end a wait, now or when it begins.
    ///
    /// # Errors
    ///
    /// What `send` gives.
    pub fn ring(&self, send: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.rung.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if self.silent.load(Ordering::Acquire) {
            drop(self.bed.lock());
            self.woken.notify_one();
            return Ok(());
        }
        send()
    }

    /// A turn has received the signal.
    pub fn heard(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// From now on turns call [`sleep`](Self::sleep). The first one returns at once.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Release);
        self.rung.swap(true, Ordering::AcqRel);
    }

    /// A turn without a driver: sleeps until a ring comes or `limit` has passed. May end early.
    pub fn sleep(&self, limit: Option<Duration>) {
        let bed = self.bed.lock();
        if self.rung.swap(false, Ordering::AcqRel) {
            return;
        }
        match limit {
            None => drop(self.woken.wait(bed)),
            Some(limit) => drop(self.woken.wait_timeout(bed, limit)),
        }
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}
