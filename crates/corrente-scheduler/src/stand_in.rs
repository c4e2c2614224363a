//! Threads that take over the seats of workers that block, and the place where these seats are on offer.
//!
//! A worker's thread is not bound to its seat. A section (`section.rs`) puts the seat on offer; a *spare*
//! thread takes it and is that worker from then on. Whoever has lost a seat finishes its poll, comes here, and
//! is spare itself. So every seat has one thread at most, and what goes beyond is in a section, in the rest of
//! the poll around it, or asleep here.
//!
//! What always holds: the core of a seat is with exactly one thread or on offer, and whatever is on offer has a
//! spare thread coming for it, or its owner takes it back. The one exception is a thread that the system
//! refuses while another takes its offer: then one offer waits for the end of any section, open to thieves.

use crate::context::{self, Occupied};
use crate::pool::{sit_down, stand_up, start_thread};
use crate::shared::Shared;
use crate::worker::{self, Core, Worker};
use corrente_shim::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The seats on offer. `T` is what is handed on with one.
pub struct Offers<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    seats: VecDeque<(usize, T)>,
    /// Threads that wait here, or are on their way and will look.
    spare: usize,
    /// Threads that are or were a worker, callers of `block_on` not counted.
    threads: usize,
    limit: usize,
    closed: bool,
}

/// What became of an offer.
#[derive(Debug)]
pub enum Offer<T> {
    /// A spare thread comes for it.
    Made,
    /// It is made, and the caller has to start a thread, or to say that it was [refused](Offers::refused).
    Start,
    /// There can be no more threads, or the pool is over.
    Declined(T),
}

impl<T> Offers<T> {
    /// Nothing is on offer, and `threads` of at most `limit` threads have seats.
    pub fn new(threads: usize, limit: usize) -> Self {
        let state = State { seats: VecDeque::new(), spare: 0, threads, limit, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts a seat on offer.
    pub fn offer(&self, seat: usize, with: T) -> Offer<T> {
        let mut state = self.state.lock();
        let start = state.seats.len() >= state.spare;
        if state.closed || (start && state.threads >= state.limit) {
            return Offer::Declined(with);
        }
        state.seats.push_back((seat, with));
        if start {
            state.threads += 1;
            state.spare += 1;
            return Offer::Start;
        }
        self.changed.notify_one();
        Offer::Made
    }

    /// Takes an offer back, unless somebody has taken it.
    pub fn take_back(&self, seat: usize) -> Option<T> {
        self.state.lock().take_back(seat)
    }

    /// The thread could not be started. Gives the offer back, unless somebody has taken it.
    pub fn refused(&self, seat: usize) -> Option<T> {
        let mut state = self.state.lock();
        state.threads -= 1;
        state.spare -= 1;
        state.take_back(seat)
    }

    /// Waits for an offer. `None`: the thread may end. `counted`: it was started for an offer.
    pub fn take(&self, counted: bool, keep_alive: Duration) -> Option<(usize, T)> {
        let mut state = self.state.lock();
        state.spare += usize::from(!counted);
        let mut timed_out = false;
        loop {
            let over = state.closed || (timed_out && state.seats.is_empty());
            let offer = if over { None } else { state.seats.pop_front() };
            if over || offer.is_some() {
                state.spare -= 1;
                state.threads -= usize::from(over);
                return offer;
            }
            (state, timed_out) = self.changed.wait_timeout(state, keep_alive);
        }
    }

    /// Sends spare threads home. What is on offer is left to those who offered it.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many threads there are that are or were a worker.
    pub fn threads(&self) -> usize {
        self.state.lock().threads
    }
}

impl<T> State<T> {
    fn take_back(&mut self, seat: usize) -> Option<T> {
        let position = self.seats.iter().position(|(offered, _)| *offered == seat)?;
        self.seats.remove(position).map(|(_, with)| with)
    }
}

/// Puts a seat on offer that nobody is at any more, and sees to it that somebody comes. Gives the core back if
/// nobody can.
pub(crate) fn hand_on(shared: &Arc<Shared>, index: usize, core: Core) -> Option<Core> {
    // For the thread that will come.
    shared.standstill.get_up();
    shared.pause.one_more();
    let name = || format!("{}-stand-in", shared.config.name);
    let core = match shared.offers.offer(index, core) {
        Offer::Made => None,
        Offer::Start => match start_thread(shared, &name(), |shared| serve(shared, None)) {
            Ok(()) => None,
            Err(_) => shared.offers.refused(index),
        },
        Offer::Declined(core) => Some(core),
    };
    core.inspect(|_| nobody_comes(shared))
}

/// The core, if nobody has come for it yet.
pub(crate) fn take_back(shared: &Shared, index: usize) -> Option<Core> {
    shared.offers.take_back(index).inspect(|_| nobody_comes(shared))
}

fn nobody_comes(shared: &Shared) {
    shared.standstill.lie_down(shared);
    shared.pause.one_less();
}

/// What the thread of a worker does as long as the pool lives: it works where there is a seat.
pub(crate) fn serve(shared: &Arc<Shared>, first: Option<(usize, Core)>) {
    let mut counted = first.is_none();
    let mut seat = first;
    loop {
        let wait = || shared.offers.take(counted, shared.config.blocking_keep_alive);
        let Some((index, core)) = seat.take().or_else(wait) else { return };
        counted = false;
        seat = sit(shared, index, core).map(|core| (0, core));
    }
}

/// Works as this worker until the pool stops or the seat is lost; as worker 0 also until it is recalled. Then it
/// may turn out that it has to go on, with the core that is given back.
fn sit(shared: &Arc<Shared>, index: usize, core: Core) -> Option<Core> {
    let _entered = context::enter(shared.clone(), Some(Occupied::Worker(index)));
    sit_down(Worker::new(shared.clone(), index, core, None));
    if index == 0 {
        worker::work(|| shared.is_stopping() || shared.lending.is_recalled());
    } else {
        worker::work(|| shared.is_stopping());
    }
    let core = stand_up(shared, index);
    let extra = core.is_none() || index == 0;
    if index == 0 {
        let core = core.and_then(|core| shared.lending.vacate(shared, core));
        if core.is_some() {
            return core;
        }
    }
    shared.standstill.lie_down(shared);
    if extra {
        shared.pause.one_less();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn an_offer_is_taken_once_or_taken_back() {
        let offers = Offers::new(1, 3);
        assert!(matches!(offers.offer(0, 'a'), Offer::Start));
        assert_eq!(offers.take_back(0), Some('a'));
        assert!(matches!(offers.offer(0, 'b'), Offer::Made), "the thread is still coming");
        assert_eq!(offers.take(true, NOW), Some((0, 'b')));
        assert_eq!(offers.take_back(0), None);
    }

    #[test]
    fn no_more_threads_than_the_limit() {
        let offers = Offers::new(1, 2);
        assert!(matches!(offers.offer(0, 'a'), Offer::Start));
        assert!(matches!(offers.offer(1, 'b'), Offer::Declined('b')));
        assert_eq!(offers.refused(0), Some('a'));
        assert!(matches!(offers.offer(1, 'b'), Offer::Start), "a refused one does not count");
        assert_eq!(offers.threads(), 2);
    }

    #[test]
    fn a_spare_thread_goes_when_nobody_needs_it() {
        let offers = Offers::<char>::new(2, 2);
        assert_eq!(offers.take(false, NOW), None);
        assert_eq!(offers.threads(), 1);
        offers.close();
        assert!(matches!(offers.offer(0, 'a'), Offer::Declined('a')));
    }
}
