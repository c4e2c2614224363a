//! Who is worker 0: the thread of a `block_on`, for as long as it lasts.
//!
//! The first caller takes worker 0's seat, with its queue, and hands it back when its main task has ended.
//! Others who call meanwhile are guests: they drive nothing but their own local tasks, and one of them
//! takes over the seat when it gets free. A section that blocks hands the seat to a stand-in, who leaves it
//! when a section of theirs is over, but not while all of them are in sections (`section.rs`). What always holds:
//! the seat's [`Core`] is here, or with exactly one thread.

use crate::local::{Local, Place};
use crate::shared::Shared;
use crate::stand_in;
use crate::worker::Core;
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::Mutex;
use std::sync::Arc;

/// See the module.
pub(crate) struct Lending {
    state: Mutex<State>,
    /// Who stands in for worker 0 is to leave. Written under the lock.
    recalled: AtomicBool,
}

struct State {
    core: Option<Core>,
    locals: Vec<Arc<Local>>,
    next_number: u32,
    /// How many of their threads are in a section that blocks.
    in_sections: usize,
}

impl State {
    /// None of the threads that could be worker 0 has time.
    fn all_in_sections(&self) -> bool {
        !self.locals.is_empty() && self.in_sections == self.locals.len()
    }
}

impl Lending {
    pub(crate) fn new() -> Self {
        let state = State { core: None, locals: Vec::new(), next_number: 0, in_sections: 0 };
        Self { state: Mutex::new(state), recalled: AtomicBool::new(false) }
    }

    /// A `block_on` begins.
    pub(crate) fn admit(&self, runtime: u32) -> Arc<Local> {
        let mut state = self.state.lock();
        state.next_number = state.next_number.wrapping_add(1);
        let local = Arc::new(Local::new(runtime, state.next_number));
        state.locals.push(local.clone());
        local
    }

    /// It is over. If the seat is free, another guest may have it, or somebody who stands in for all of them.
    pub(crate) fn dismiss(&self, shared: &Arc<Shared>, local: &Local) {
        let mut state = self.state.lock();
        let position = state.locals.iter().position(|other| other.number == local.number);
        let gone = position.map(|position| state.locals.swap_remove(position));
        let core = self.core_for_a_stand_in(&mut state);
        let guest = if state.core.is_some() { state.locals.first().cloned() } else { None };
        drop(state);
        drop(gone);
        self.hand_on(shared, core);
        if let Some(guest) = guest {
            guest.ring(shared, Place::Guest);
        }
    }

    /// The thread of a `block_on` begins a section. `seated`: it hands the seat on itself.
    pub(crate) fn begin_section(&self, shared: &Arc<Shared>, seated: bool) {
        let mut state = self.state.lock();
        state.in_sections += 1;
        let core = self.core_for_a_stand_in(&mut state);
        if seated {
            self.recalled.store(false, Ordering::Release);
        }
        drop(state);
        self.hand_on(shared, core);
    }

    /// The section is over. Whoever stands in is recalled, and has to be unparked after this.
    pub(crate) fn end_section(&self) {
        let mut state = self.state.lock();
        state.in_sections -= 1;
        self.recalled.store(true, Ordering::Release);
    }

    /// When nobody else has time to be worker 0: who stands in has to stay, and if nobody does, somebody must.
    fn core_for_a_stand_in(&self, state: &mut State) -> Option<Core> {
        if !state.all_in_sections() {
            return None;
        }
        self.recalled.store(false, Ordering::Release);
        state.core.take()
    }

    fn hand_on(&self, shared: &Arc<Shared>, core: Option<Core>) {
        if let Some(core) = core.and_then(|core| stand_in::hand_on(shared, 0, core)) {
            self.put_back(core);
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

    /// A section has handed the seat on. The `block_on` is a guest until it has it again.
    pub(crate) fn lose_seat(&self, local: &Local) {
        local.set_place(Place::Guest);
    }

    /// True if who stands in for worker 0 has to leave. Acquire and Release: for promptness only, since it is
    /// decided under the lock, and an unpark follows a recall.
    pub(crate) fn is_recalled(&self) -> bool {
        self.recalled.load(Ordering::Acquire)
    }

    /// Who stood in for worker 0 leaves, or the pool is over. All guests are told; whoever comes first is worker
    /// 0. Gives the core back if it has to stay after all.
    pub(crate) fn vacate(&self, shared: &Shared, core: Core) -> Option<Core> {
        shared.depart(0);
        let mut state = self.state.lock();
        if state.all_in_sections() && !shared.is_stopping() {
            return Some(core);
        }
        state.core = Some(core);
        let guests = state.locals.clone();
        drop(state);
        guests.iter().for_each(|guest| guest.ring(shared, Place::Guest));
        None
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
