//! For tests of programs: time and order that do not depend on the machine.
//!
//! [`Builder::virtual_time`](crate::Builder::virtual_time) makes time jump when everything waits, and
//! [`Builder::fifo`](crate::Builder::fifo) runs tasks in asyncio's order. What is left to chance are threads;
//! a [`Gate`] holds one until the test lets it go.

use corrente_scheduler::{Parked, blocking_parked};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Holds blocking functions until it is opened.
///
/// A function that waits at the gate does not keep virtual time from moving.
///
/// # Examples
///
/// ```
/// use corrente::testing::Gate;
/// use corrente::{Builder, create_task, sleep, to_thread};
/// use std::time::Duration;
///
/// Builder::new().fifo().virtual_time().run(async {
///     let gate = Gate::new();
///     let inside = gate.clone();
///     let task = create_task(to_thread(move || { inside.pass_through(); 7 }));
///     sleep(Duration::from_secs(3600)).await;
///     assert!(!task.done());
///     gate.open();
///     assert_eq!(task.await, 7);
/// }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    waiting: Vec<Parked>,
}

impl Gate {
    /// A gate that is closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits, blocking the thread, until the gate is open.
    pub fn pass_through(&self) {
        blocking_parked(|parked| {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.open {
                parked.park();
                state.waiting.push(parked.clone());
            }
            while !state.open {
                state = self.shared.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        });
    }

    /// Opens the gate for good.
    pub fn open(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.open = true;
        // Before they can wake: from here on virtual time stands still for them.
        state.waiting.drain(..).for_each(|parked| parked.resume());
        drop(state);
        self.shared.opened.notify_all();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
