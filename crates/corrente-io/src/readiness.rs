//! Readiness of one direction of one descriptor: a word, and the list of those who wait for it.
//!
//! The reactor tells it about events ([`Readiness::set`]); tasks look at it before they try an
//! operation, clear it when the operation would block, and wait. Any thread may call anything here, but one
//! at a time tells of events and settles doubts: the one that has the reactor. Nothing in this file knows an
//! operating system, so `tests/loom.rs` explores it as it is.
//!
//! # The word
//!
//! ```text
//! | tick                        | DOUBT | UNARMED | TWICE | IN_VAIN | FAILED | BEHIND | WAITED | READY |
//! | all the other bits, wrapping|  128  |   64    |  32   |   16    |   8    |   4    |   2    |   1   |
//! ```
//!
//! | bit     | set by                      | cleared by                       | means                                            |
//! |---------|-----------------------------|----------------------------------|--------------------------------------------------|
//! | READY   | `set`                       | `clear`, `clear_short`           | an operation may succeed: try it                 |
//! | WAITED  | `poll` under the lock       | an event, under the lock         | somebody may be in the list                      |
//! | BEHIND  | `set`, `new`                | never                            | a short transfer does not prove that nothing is left |
//! | FAILED  | `fail`                      | never                            | no event will come any more                      |
//! | IN_VAIN | `set`                       | `set`, `disarm`                  | the last event found READY set without DOUBT, and nobody waiting |
//! | TWICE   | `set`                       | `set`, `disarm`                  | and so did the one before                        |
//! | UNARMED | `disarm`                    | `armed`                          | the poller reports nothing until a waiter arms it: `source.rs` |
//! | DOUBT   | `transferred`               | `set`, `settle`, with READY      | beside READY: there is probably nothing left     |
//! | tick    | `set` adds one              | never                            | how many events there were                       |
//!
//! # Why no readiness is lost
//!
//! *Event against clear.* The descriptor is watched edge-triggered, so an event that is forgotten never
//! comes again. A task that finds READY remembers the tick it saw, tries the operation, and clears READY
//! only if the tick is still the same. Say the operation would have blocked. What makes it possible again
//! happens after that attempt, so the event about it is reported after the attempt. If that report is
//! applied before the clear, the tick has moved, the clear does nothing and the task tries again. If it is
//! applied after the clear, it sets READY again. An event that was applied before the task looked is older
//! than the attempt and may be forgotten.
//!
//! *Event against waiting.* Both sides change the same word by a read-modify-write, and those have one
//! order. The waiter puts its waker into the list and then sets WAITED; the event sets READY and then looks
//! at WAITED. If the waiter's change comes first, the event sees WAITED, takes the lock and finds the waker,
//! which was put there under the lock. If the event's change comes first, the waiter sees READY in the old
//! value, takes its waker back and does not wait. `fail` is an event in this sense. No fence is needed: one
//! word, no second one to compare with.
//!
//! *WAITED cleared too early?* It is cleared under the lock by whoever empties the list in the same section,
//! and set under the lock by whoever has just put a waker in. So it is never clear while a waker is in the
//! list and the lock is free. (Cleared just before the lock is taken it would lose nobody either: whoever
//! clears it also takes and wakes all that are in the list then. But it could stay set over an empty list.)
//!
//! # Doubt
//!
//! A read that exactly fills its buffer does not say whether more is there. Where such reads have been followed by
//! [`TRUST`] tries in vain and by no other, the next one puts the direction in doubt: it stays READY, so that whoever
//! asks the system may go on asking, but a read of a stream waits for an event without trying first. What comes
//! after the read is an event; it ends the doubt, or does not let it begin if it was quicker. What was there
//! before would not be reported. So no doubt is left alone: if no event comes soon, the thread that turns the
//! reactor asks the system in the waiter's place (`doubts.rs`) and ends the doubt by [`settle`](Readiness::settle),
//! either as an attempt that would have blocked, or as an event; then trust begins anew.
//!
//! A waiter names the doubt in which it waits. If that one has ended, it does not wait, though there may be another
//! one: that need not be in the list of those that will be settled. Whatever makes a direction ready moves the tick, so
//! no two doubts have the same name.
use std::fmt;
use std::task::{Poll, Waker};

use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::Mutex;

const READY: usize = 1;
const WAITED: usize = 1 << 1;
const BEHIND: usize = 1 << 2;
const FAILED: usize = 1 << 3;
const IN_VAIN: usize = 1 << 4;
const TWICE: usize = IN_VAIN << 1;
const UNARMED: usize = 1 << 6;
const DOUBT: usize = 1 << 7;
/// One event; the tick is everything from this bit on.
const TICK: usize = 1 << 8;

/// So many tries in vain, each after a read that filled its buffer, and the next is not made.
const TRUST: usize = 8;
/// In the habit: the last read has filled its buffer, and nothing was tried since.
const FILLED: usize = 1 << 8;

/// What is known about one direction of a descriptor, and who waits for more.
pub struct Readiness {
    // Acquire and release on every access. The word guards only one thing outside itself: the error that
    // was stored before `fail`. The list of waiters is guarded by its lock.
    word: AtomicUsize,
    /// How many tries were in vain after a read that had filled its buffer; and `FILLED`. Relaxed, and not exact
    /// where several tasks read: it is advice.
    habit: AtomicUsize,
    waiters: Mutex<Waiters>,
}

/// A look that found the direction ready; needed to clear it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    word: usize,
}

impl Seen {
    /// The last two events told nobody anything: who operates on the descriptor does not wait for it.
    pub fn needs_no_events(self) -> bool {
        self.word & TWICE != 0
    }
}

/// A doubt, named by the events that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    tick: usize,
}

/// The driver is gone: no event will come any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// The name under which a waiter's waker stands in the list.
#[derive(Debug)]
pub struct Slot {
    id: u64,
}

impl Slot {
    const UNUSED: u64 = 0;
    const COMMON: u64 = 1;

    /// A place of its own, taken at the first wait.
    pub fn new() -> Self {
        Self { id: Self::UNUSED }
    }

    /// The one place that all `poll_…` functions of a direction share: the last waker given counts.
    pub fn common() -> Self {
        Self { id: Self::COMMON }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// A direction that is thought ready until an attempt shows otherwise. With `trust_short` a short
    /// transfer may clear it (see [`clear_short`](Self::clear_short)).
    pub fn new(trust_short: bool) -> Self {
        let behind = if trust_short { 0 } else { BEHIND };
        Self {
            word: AtomicUsize::new(READY | behind),
            habit: AtomicUsize::new(0),
            waiters: Mutex::new(Waiters::default()),
        }
    }

    /// Ready, as far as is known? Takes no lock.
    pub fn look(&self) -> Option<Seen> {
        let word = self.word.load(Ordering::Acquire);
        (word & READY != 0).then_some(Seen { word })
    }

    /// An operation tried after `seen` would have blocked. Does nothing if an event came meanwhile.
    pub fn clear(&self, seen: Seen) {
        self.clear_if(seen, 0);
    }

    /// An operation tried after `seen` transferred less than was asked. Does nothing if an event came
    /// meanwhile, or if something other than plain data was ever reported: the end of the stream can stand
    /// behind the data, announced by the same event, and would never be announced again.
    pub fn clear_short(&self, seen: Seen) {
        self.clear_if(seen, BEHIND);
    }

    fn clear_if(&self, seen: Seen, unless: usize) {
        // It does not matter whether it was cleared: the caller looks again in any case.
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            let same_tick = word / TICK == seen.word / TICK;
            (same_tick && word & unless == 0).then_some(word & !(READY | DOUBT))
        });
    }

    /// A read tried after `seen` has transferred something, and has `filled` its buffer or not.
    pub fn transferred(&self, seen: Seen, filled: bool) {
        let old = self.habit.load(Ordering::Relaxed);
        // It was tried again at once, and not in vain.
        let vain = if old & FILLED != 0 { 0 } else { old };
        let doubt = filled && vain >= TRUST;
        let new = if filled && !doubt { vain | FILLED } else { vain };
        if new != old {
            self.habit.store(new, Ordering::Relaxed);
        }
        if doubt {
            let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                let same_tick = word / TICK == seen.word / TICK;
                (same_tick && word & (BEHIND | FAILED) == 0 && word & READY != 0)
                    .then_some(word | DOUBT)
            });
        }
    }

    /// A read would have blocked.
    pub fn tried_in_vain(&self) {
        let old = self.habit.load(Ordering::Relaxed);
        if old & FILLED != 0 {
            self.habit.store(((old & !FILLED) + 1).min(TRUST), Ordering::Relaxed);
        }
    }

    /// The doubt in which it is.
    pub fn doubt(&self) -> Option<Doubt> {
        doubt_in(self.word.load(Ordering::Acquire))
    }

    /// The system was asked in a doubt. If there is something to read, that is an event; if not, it is an attempt that
    /// would have blocked, and no event has come since: the caller would have told of it.
    pub fn settle(&self, is_ready: bool, woken: &mut Vec<Waker>) {
        if is_ready {
            self.habit.store(0, Ordering::Relaxed);
            self.set(false, woken);
        } else {
            self.word.fetch_and(!(READY | DOUBT), Ordering::AcqRel);
        }
    }

    /// An event: operations may succeed now. `behind` if it told of anything but plain data or room.
    /// The wakers of all waiters are added to `woken`, the one that waited longest first.
    pub fn set(&self, behind: bool, woken: &mut Vec<Waker>) {
        let behind = if behind { BEHIND } else { 0 };
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            let in_vain = match old & (READY | WAITED | DOUBT) {
                READY => IN_VAIN | (old & IN_VAIN) << 1,
                _ => 0,
            };
            let told = old & !(IN_VAIN | TWICE | DOUBT);
            let new = told.wrapping_add(TICK) | READY | behind | in_vain;
            match self.word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        if old & WAITED != 0 {
            self.take_all(woken);
        }
    }

    /// Makes all waiters look again, though nothing is known to be ready.
    ///
    /// Finds every waiter whose wait happened before this call; see `source.rs` for what orders them.
    pub fn nudge(&self, woken: &mut Vec<Waker>) {
        if self.word.load(Ordering::Acquire) & WAITED != 0 {
            self.take_all(woken);
        }
    }

    /// No event will come any more: every wait, now and later, ends with [`Failed`].
    pub fn fail(&self, woken: &mut Vec<Waker>) {
        if self.word.fetch_or(FAILED, Ordering::AcqRel) & WAITED != 0 {
            self.take_all(woken);
        }
    }

    /// Notes that the poller will report nothing, unless somebody waits: then it is false, and nothing changes.
    pub fn disarm(&self) -> bool {
        let disarm = |word| (word & WAITED == 0).then_some((word & !(IN_VAIN | TWICE)) | UNARMED);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, disarm).is_ok()
    }

    /// Notes that the poller reports again.
    pub fn armed(&self) {
        self.word.fetch_and(!UNARMED, Ordering::AcqRel);
    }

    /// Must who waits have the poller armed first?
    pub fn is_unarmed(&self) -> bool {
        self.word.load(Ordering::Acquire) & UNARMED != 0
    }

    /// May somebody be in the list?
    pub fn is_waited(&self) -> bool {
        self.word.load(Ordering::Acquire) & WAITED != 0
    }

    fn take_all(&self, woken: &mut Vec<Waker>) {
        let mut waiters = self.waiters.lock();
        self.word.fetch_and(!WAITED, Ordering::AcqRel);
        woken.extend(waiters.first.take().map(|entry| entry.waker));
        woken.extend(waiters.more.drain(..).map(|entry| entry.waker));
    }

    /// Ready, or `waker` will be woken by the next event. Takes no lock if it is ready.
    pub fn poll(&self, slot: &mut Slot, waker: &Waker) -> Poll<Result<Seen, Failed>> {
        self.poll_unless(None, slot, waker)
    }

    /// The same, but readiness in this very doubt counts as none.
    pub fn poll_in_doubt(
        &self,
        doubt: Doubt,
        slot: &mut Slot,
        waker: &Waker,
    ) -> Poll<Result<Seen, Failed>> {
        self.poll_unless(Some(doubt), slot, waker)
    }

    fn poll_unless(
        &self,
        doubt: Option<Doubt>,
        slot: &mut Slot,
        waker: &Waker,
    ) -> Poll<Result<Seen, Failed>> {
        if let Some(result) = answer(self.word.load(Ordering::Acquire), doubt) {
            return Poll::Ready(result);
        }
        // Wakers are user code: cloned before the lock is taken, dropped after it is given back.
        let waker = waker.clone();
        let mut waiters = self.waiters.lock();
        let replaced = waiters.put(slot, waker);
        let word = self.word.fetch_or(WAITED, Ordering::AcqRel);
        let (result, taken_back) = match answer(word, doubt) {
            Some(result) => (Poll::Ready(result), waiters.take(slot)),
            None => (Poll::Pending, None),
        };
        drop(waiters);
        drop((replaced, taken_back));
        result
    }

    /// The owner of `slot` waits no more.
    pub fn forget(&self, slot: &mut Slot) {
        if slot.id != Slot::UNUSED {
            let taken = self.waiters.lock().take(slot);
            drop(taken);
        }
    }

    /// How many wakers are in the list. For tests.
    pub fn waiting(&self) -> usize {
        let waiters = self.waiters.lock();
        usize::from(waiters.first.is_some()) + waiters.more.len()
    }
}

fn doubt_in(word: usize) -> Option<Doubt> {
    debug_assert!(word & (DOUBT | READY) != DOUBT, "in doubt, but not ready");
    (word & DOUBT != 0).then_some(Doubt { tick: word / TICK })
}

/// What `word` answers to somebody who would wait; `None`: he must. Readiness in this `doubt` does not count, as long
/// as an event can come.
fn answer(word: usize, doubt: Option<Doubt>) -> Option<Result<Seen, Failed>> {
    let in_doubt = doubt.is_some() && doubt_in(word) == doubt && word & FAILED == 0;
    if word & READY != 0 && !in_doubt {
        Some(Ok(Seen { word }))
    } else if word & FAILED != 0 {
        Some(Err(Failed))
    } else {
        None
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Readiness")
            .field("ready", &(word & READY != 0))
            .field("waited", &(word & WAITED != 0))
            .field("behind", &(word & BEHIND != 0))
            .field("failed", &(word & FAILED != 0))
            .field("unarmed", &(word & UNARMED != 0))
            .field("doubt", &(word & DOUBT != 0))
            .field("tick", &(word / TICK))
            .finish()
    }
}

/// The list: nearly always one waiter, so the first one needs no allocation.
/// `more` is empty whenever `first` is.
#[derive(Default)]
struct Waiters {
    first: Option<Entry>,
    more: Vec<Entry>,
    last_id: u64,
}

struct Entry {
    id: u64,
    waker: Waker,
}

impl Waiters {
    /// Puts `waker` in under the name of `slot`; gives back the one that stood there.
    fn put(&mut self, slot: &mut Slot, waker: Waker) -> Option<Waker> {
        if slot.id == Slot::UNUSED {
            self.last_id = self.last_id.max(Slot::COMMON) + 1;
            slot.id = self.last_id;
        } else if let Some(entry) =
            self.first.iter_mut().chain(&mut self.more).find(|entry| entry.id == slot.id)
        {
            return Some(std::mem::replace(&mut entry.waker, waker));
        }
        let entry = Entry { id: slot.id, waker };
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.more.push(entry),
        }
        None
    }

    /// Takes the waker of `slot` out, if it is still there.
    fn take(&mut self, slot: &mut Slot) -> Option<Waker> {
        if self.first.as_ref().is_some_and(|entry| entry.id == slot.id) {
            let next = (!self.more.is_empty()).then(|| self.more.remove(0));
            return std::mem::replace(&mut self.first, next).map(|entry| entry.waker);
        }
        let place = self.more.iter().position(|entry| entry.id == slot.id)?;
        Some(self.more.remove(place).waker)
    }
}
