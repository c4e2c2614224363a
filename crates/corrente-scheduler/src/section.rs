//! A section that blocks: the closure keeps the thread, and somebody else gets the seat.
//!
//! ```text
//! begin   the poll's pulse ends; the seat is absent, so anybody may steal from it; its core is on offer
//! middle  a spare thread takes the offer and is this worker; to the pool, this thread is no worker
//! end     the core is still on offer -> taken back, and all is as before
//!         it is gone                 -> the poll goes on without a seat; after it the thread is spare
//! ```
//!
//! **Why nothing waits behind a section.** What lay in the queue and the next slot is open from the moment of
//! the departure, and a sleeper is claimed for it, as for any departure (`idle.md`); the same goes for the
//! watch over the driver. What comes later, while no other worker has time, finds the thread that comes for the
//! offer: it arrives at the seat and works as any worker does. A wake that this thread causes meanwhile, or
//! after a lost seat, is one from outside: it goes to the injector and claims a sleeper.
//!
//! **Why there are never two.** The core moves under one lock: the end of the section and the spare thread
//! cannot both get it. The departure comes before the offer, and the arrival after the core was got, so
//! absent and present follow each other in the order in which the core moves; the owner's half of the seat
//! (pulse, counters) is written by who has the core, and the lock orders these writes, too.
//!
//! **Why there are not more workers than configured.** A seat has one core. A thread that lost its seat polls no
//! second task: `work` ends with the poll, since it finds no worker any more.
//!
//! Worker 0 belongs to the thread of a `block_on`, which has local tasks and must come back to them. The
//! stand-in is recalled when the section ends: it leaves the seat after its poll and rings for the owner,
//! who is a guest until then (`lending.rs`).
//!
//! What counts threads counts this one, too. Virtual time stands while a section runs and until the poll
//! around it is over; a pause waits for that.

use crate::context;
use crate::local::LocalQueue;
use crate::pool::seat_worker;
use crate::shared::Shared;
use crate::stand_in;
use crate::worker::{Core, Worker};
use std::rc::Rc;
use std::sync::Arc;

/// Calls `f` here and now, and lets another thread be this worker meanwhile.
///
/// On threads that are no worker, in FIFO order, and when no more threads may be had
/// ([`Config::blocking_max`](crate::Config::blocking_max)), it just calls `f`. A panic of `f` passes through.
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let _section = Section::begin();
    f()
}

/// A thread in a section: a worker that may have handed its seat on, or the guest of another `block_on`'s.
struct Section {
    shared: Arc<Shared>,
    /// The thread's `block_on`, if it is in one.
    local: Option<Rc<LocalQueue>>,
    /// The seat that it had, and whose poll goes on.
    seat: Option<(usize, u64)>,
    /// Nobody could be had to stand in.
    core: Option<Core>,
}

impl Section {
    /// `None`: the thread is nothing to anybody, or a worker that nobody can stand in for.
    fn begin() -> Option<Self> {
        let is_polling = |worker: &Worker| worker.seat().own.pulse().is_polling();
        match context::worker(is_polling) {
            Some(true) => Self::leave_seat(context::take_worker()?),
            Some(false) => None,
            None => Self::be_away(context::local(Rc::clone)?),
        }
    }

    /// A worker departs, and the seat is handed on.
    fn leave_seat(worker: Worker) -> Option<Self> {
        let Worker { shared, index, core, local, .. } = worker;
        let own = &shared.seats[index].own;
        let seat = Some((index, own.task()));
        let mut section = Self { shared: shared.clone(), local, seat, core: None };
        own.end_poll();
        shared.idle.clear_stuck(index);
        core.look_around_soon();
        if let Some(local) = &section.local {
            local.set_in_section(true);
            shared.lending.begin_section(&shared, true);
        }
        shared.depart(index);
        section.core = stand_in::hand_on(&shared, index, core);
        // If that failed, it ends here, before it has begun.
        section.core.is_none().then_some(section)
    }

    /// The thread of a `block_on` without a seat has no time for it, should it get free.
    fn be_away(local: Rc<LocalQueue>) -> Option<Self> {
        // In FIFO order nobody can help, and in a section within a section somebody does already.
        if local.is_fifo() || local.set_in_section(true) {
            return None;
        }
        let shared = local.shared.clone();
        shared.lending.begin_section(&shared, false);
        Some(Self { shared, local: Some(local), seat: None, core: None })
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        let shared = &self.shared;
        let index = self.seat.map_or(0, |(index, _)| index);
        let core = self.core.take().or_else(|| stand_in::take_back(shared, index));
        let mine = core.is_some();
        match (core, self.seat) {
            (Some(core), Some((index, task))) => {
                let local = self.local.clone();
                seat_worker(Worker::new(shared.clone(), index, core, local));
                shared.seats[index].own.begin_poll(task);
            }
            // Its `block_on` will take the seat when this poll is over.
            (Some(core), None) => shared.lending.put_back(core),
            (None, _) => {}
        }
        if let Some(local) = &self.local {
            local.set_in_section(false);
            shared.lending.end_section();
            if !mine {
                shared.unpark(0);
            }
        }
    }
}
