//! Models of [`Bell`]: a ring ends the turn or the sleep that it is meant for, in every interleaving, by loom.
#![cfg(corrente_loom)]

use corrente_io::model::Bell;
use corrente_shim::atomic::{AtomicBool, AtomicUsize, Ordering};
use corrente_shim::sync::{Arc, Condvar, Mutex};
use corrente_shim::thread;

/// A kernel that remembers a signal until a wait takes it.
#[derive(Default)]
struct Kernel {
    signal: Mutex<bool>,
    sent: Condvar,
}

impl Kernel {
    fn send(&self) -> std::io::Result<()> {
        *self.signal.lock() = true;
        self.sent.notify_one();
        Ok(())
    }

    fn wait(&self) {
        let mut signal = self.signal.lock();
        while !*signal {
            signal = self.sent.wait(signal);
        }
        *signal = false;
    }
}

#[test]
fn a_ring_ends_a_turn_that_sees_what_was_done_before() {
    loom::model(|| {
        let (bell, kernel) = (Arc::new(Bell::new()), Arc::new(Kernel::default()));
        let done = Arc::new(AtomicUsize::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, kernel, done) = (bell.clone(), kernel.clone(), done.clone());
                thread::spawn(move || {
                    done.fetch_add(1, Ordering::Relaxed);
                    bell.ring(|| kernel.send()).unwrap();
                })
            })
            .collect();
        while done.load(Ordering::Relaxed) < 2 {
            kernel.wait();
            bell.heard();
        }
        ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    });
}

#[test]
fn a_ring_ends_a_sleep_after_the_failure() {
    loom::model(|| {
        let bell = Arc::new(Bell::new());
        let done = Arc::new(AtomicBool::new(false));
        let ringer = {
            let (bell, done) = (bell.clone(), done.clone());
            thread::spawn(move || {
                done.store(true, Ordering::Relaxed);
                // The kernel is no help any more.
                bell.ring(|| Ok(())).unwrap();
            })
        };
        // A ring between the look and the failure went to the kernel, for the next turn.
        if !done.load(Ordering::Relaxed) {
            bell.silence();
            bell.sleep(None);
        }
        while !done.load(Ordering::Relaxed) {
            bell.sleep(None);
        }
        ringer.join().unwrap();
    });
}
