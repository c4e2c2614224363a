//! Standing still between two runs, as asyncio's loop does.
//!
//! [`Pool::pause`](crate::Pool::pause) returns when every thread of the pool stands still, which each does
//! at the end of its poll. Tasks, timers and sockets wait meanwhile; nothing is lost. What always holds: a
//! thread that is counted as standing polls nothing until the pause is over.

use corrente_shim::sync::{Condvar, Mutex};

/// See the module.
#[derive(Default)]
pub(crate) struct Pause {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    paused: bool,
    standing: usize,
    /// Threads beyond the workers': those in a section, or in the poll around it.
    extra: usize,
}

impl Pause {
    /// From now on threads stand still.
    pub(crate) fn begin(&self) {
        self.state.lock().paused = true;
    }

    /// One more thread than workers is about to run.
    pub(crate) fn one_more(&self) {
        self.state.lock().extra += 1;
    }

    /// That is over.
    pub(crate) fn one_less(&self) {
        self.state.lock().extra -= 1;
        self.changed.notify_all();
    }

    /// Waits until so many do and no others run, or the pause is over.
    pub(crate) fn wait_for(&self, threads: usize) {
        let mut state = self.state.lock();
        while state.paused && (state.standing < threads || state.extra > 0) {
            state = self.changed.wait(state);
        }
    }

    /// The pause is over.
    pub(crate) fn end(&self) {
        self.state.lock().paused = false;
        self.changed.notify_all();
    }

    /// For the threads: stands still until the pause is over.
    pub(crate) fn stand_still(&self) {
        let mut state = self.state.lock();
        state.standing += 1;
        self.changed.notify_all();
        while state.paused {
            state = self.changed.wait(state);
        }
        state.standing -= 1;
    }
}
