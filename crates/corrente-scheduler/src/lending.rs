//! Who is worker 0: the thread of a `block_on`, for as long as it lasts.
//!
//! The first caller takes worker 0's seat, with its queue, and hands it back when its main task has ended.
//! Others who call meanwhile are guests: they drive nothing but their own local tasks, and one of them
//! takes over the seat when it gets free. What always holds: the seat's [`Core`] is here, or with exactly
//! one thread.

use crate::local::{Local, Place};
use crate::shared::Shared;
use crate::worker::Core;
use corrente_shim::sync::Mutex;
use std::sync::Arc;

/// See the module.
pub(crate) struct Lending {
    state: Mutex<State>,
}

struct State {
    core: Option<Core>,
    locals: Vec<Arc<Local>>,
    next_number: u32,
}

impl Lending {
    pub(crate) fn new() -> Self {
        let state = State { core: None, locals: Vec::new(), next_number: 0 };
        Self { state: Mutex::new(state) }
    }

    /// A `block_on` begins.
    pub(crate) fn admit(&self, runtime: u32) -> Arc<Local> {
        let mut state = self.state.lock();
        state.next_number = state.next_number.wrapping_add(1);
        let local = Arc::new(Local::new(runtime, state.next_number));
        state.locals.push(local.clone());
        local
    }

    /// It is over. If the seat is free, another guest may have it.
    pub(crate) fn dismiss(&self, shared: &Shared, local: &Local) {
        let mut state = self.state.lock();
        let position = state.locals.iter().position(|other| other.number == local.number);
        let gone = position.map(|position| state.locals.swap_remove(position));
        let guest = if state.core.is_some() { state.locals.first().cloned() } else { None };
        drop(state);
        drop(gone);
        if let Some(guest) = guest {
            guest.ring(shared, Place::Guest);
        }
    }

    /// The seat, if it is free.
    pub(crate) fn take_seat(&self, local: &Local) -> Option<Core> {
        let core = self.state.lock().core.take();
        if core.is_some() {
            local.set_place(Place::Seated);
        }
        core
    }

    /// Hands the seat back. Guests are told when the `block_on` that had it is dismissed.
    pub(crate) fn return_seat(&self, local: &Local, core: Core) {
        local.set_place(Place::Guest);
        self.put_back(core);
    }

    /// The seat is free.
    pub(crate) fn put_back(&self, core: Core) {
        self.state.lock().core = Some(core);
    }

    /// The `block_on` with this number, if it is not over.
    pub(crate) fn find(&self, number: u32) -> Option<Arc<Local>> {
        self.state.lock().locals.iter().find(|local| local.number == number).cloned()
    }

    /// All that are not over.
    pub(crate) fn locals(&self) -> Vec<Arc<Local>> {
        self.state.lock().locals.clone()
    }

    /// True if a `block_on` is under way.
    pub(crate) fn is_lent(&self) -> bool {
        !self.state.lock().locals.is_empty()
    }

    /// True if something was posted to any of them.
    pub(crate) fn has_mail(&self) -> bool {
        self.state.lock().locals.iter().any(|local| local.has_mail())
    }
}
