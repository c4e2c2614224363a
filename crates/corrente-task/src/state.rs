//! The state word of a task, and every step it can take.
//!
//! [`Snapshot`] is a plain value with the logic: each event is a function from a snapshot to the next
//! one and to what the caller must do now. [`State`] is the atomic word; it has one compare-and-swap
//! loop, in [`State::step`] (and one attempt before it, in [`State::let_go`]), and nothing else in the crate writes the
//! word.
//!
//! # The word
//!
//! ```text
//! bit   name        set while
//! 0     SCHEDULED   a Runnable exists, or is owed because the task was woken while RUNNING
//! 1     RUNNING     one thread holds the cell: it alone touches the future, the scope tree, the context
//! 2     COMPLETE    the future is gone and the outcome stored; never cleared
//! 3     STARTED     the future was polled, or a first poll has begun
//! 4     ABORTED     the holder must drop the future instead of polling it, or after this poll
//! 5     POSTED      the inbox holds messages that the holder must read before it lets go
//! 6     ASKED       the scope tree holds a request nobody has taken (only the holder writes this bit)
//! 7     BOUNCED     a Runnable met a seized cell and gave up; the seizer must make a new one
//! 8     HANDLE      the `Task<T>` exists: the outcome is its own
//! 9     JOIN_WAKER  the join slot holds a waker and belongs to whoever completes the task
//! 10    OBSERVERS   the notes hold wakers of further observers
//! 11    CALLBACK    the task is a callback: it runs with no current task
//! 12    SHARED      its context is shared with other tasks: look at the shared one before each poll
//! 13    LOCAL       its future may be dropped on one thread only: the scheduler must bring it there
//! 16..  references  Runnable, Task, TaskRefs and Wakers, one each
//! ```
//!
//! Holding RUNNING is holding the cell. Two kinds of holder exist: a *poller* came with a Runnable and
//! polls; a *seizer* came without one (a cancel, a shutdown), looks at the tree or drops the future, and
//! lets go at once. While a cell is seized its Runnable may still lie in some queue.
//!
//! # The table
//!
//! Every event in every state, printed from the code by `tests/state_table.rs` and compared with this
//! text. `-` means: nothing changes and there is nothing to do.
//!
//! ```text
//! state                | wake           | start           | give up         | let go          | let go (seizer) | announce        | seize           | abort           | complete
//! idle                 | scheduled, submit | ! | ! | ! | ! | seized, seized | seized, seized | scheduled+ABORTED, submit | !
//! scheduled            | - | running, poll | running, end | ! | ! | seized+SCHEDULED, seized | seized+SCHEDULED, seized | scheduled+ABORTED, noted | !
//! running              | running+SCHEDULED | ! | ! | idle, parked | idle, quiet | running+POSTED, posted | running+ABORTED, busy | running+ABORTED, noted | complete
//! running+SCHEDULED    | - | running+SCHEDULED+BOUNCED, bounced | running+SCHEDULED+ABORTED+BOUNCED, bounced | scheduled, submit | scheduled, quiet | running+SCHEDULED+POSTED, posted | running+SCHEDULED+ABORTED, busy | running+SCHEDULED+ABORTED, noted | complete
//! running+POSTED       | running+SCHEDULED+POSTED | ! | ! | running, look | running, look | - posted | running+ABORTED+POSTED, busy | running+ABORTED+POSTED, noted | complete
//! running+ABORTED      | running+SCHEDULED+ABORTED | ! | ! | running+ABORTED, drop | scheduled+ABORTED, submit | running+ABORTED+POSTED, posted | - busy | - noted | complete+ABORTED
//! complete             | - | complete, discard | complete, discard | ! | ! | - done | - done | - done | !
//! ```

use corrente_shim::atomic::{AtomicUsize, Ordering};

const SCHEDULED: usize = 1 << 0;
const RUNNING: usize = 1 << 1;
const COMPLETE: usize = 1 << 2;
const STARTED: usize = 1 << 3;
const ABORTED: usize = 1 << 4;
const POSTED: usize = 1 << 5;
const ASKED: usize = 1 << 6;
const BOUNCED: usize = 1 << 7;
const HANDLE: usize = 1 << 8;
const JOIN_WAKER: usize = 1 << 9;
const OBSERVERS: usize = 1 << 10;
const CALLBACK: usize = 1 << 11;
const SHARED: usize = 1 << 12;
const LOCAL: usize = 1 << 13;
const REF_ONE: usize = 1 << 16;

/// What the word said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot(usize);

/// After a wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Wake {
    /// Somebody else sees to it, or the task is over.
    Nothing,
    /// A Runnable was made out of the word: hand it to the scheduler.
    Submit,
    /// The reference given up was the last one.
    Dealloc,
}

/// After a Runnable asked to poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Start {
    /// The caller holds the cell; the snapshot is what stood before.
    Poll(Snapshot),
    /// The cell is seized. The Runnable is void; the seizer makes a new one.
    Bounced,
    /// The task is over. The Runnable's reference is given up; was it the last one?
    Discard {
        /// The caller must free the cell.
        last: bool,
    },
}

/// After a holder wants to let go of a task that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LetGo {
    /// Not let go: read the inbox, then ask again.
    Look,
    /// Not let go (by a poller): drop the future and complete.
    Drop,
    /// Let go, and a Runnable was made: hand it to the scheduler.
    Submit,
    /// Let go by a poller; nobody will poll until a wake. Its reference is given up; was it the last?
    Parked {
        /// The caller must drop the future and free the cell.
        last: bool,
    },
    /// Let go by a seizer; whatever Runnable there was is still there.
    Quiet,
}

/// After a message was put into the inbox, or a seizure was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Seize {
    /// The caller holds the cell; the snapshot is what stood before.
    Seized(Snapshot),
    /// Somebody holds it, and will read the inbox before letting go, or end the task afterwards.
    Busy,
    /// The task is over.
    Done,
}

/// After an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Abort {
    /// Whoever polls or will poll the task sees to it.
    Noted,
    /// A Runnable was made: hand it to the scheduler, running it drops the future.
    Submit,
    /// The task is over already.
    Done,
}

impl Snapshot {
    /// A task just spawned: scheduled, with its handle, and `references` references.
    pub fn spawned(references: usize, callback: bool, shared: bool, local: bool) -> Self {
        Self(SCHEDULED | HANDLE | (references * REF_ONE))
            .set(CALLBACK, callback)
            .set(SHARED, shared)
            .set(LOCAL, local)
    }
    fn has(self, bits: usize) -> bool {
        self.0 & bits != 0
    }
    fn with(self, bits: usize) -> Self {
        Self(self.0 | bits)
    }
    fn without(self, bits: usize) -> Self {
        Self(self.0 & !bits)
    }
    fn ref_inc(self) -> Self {
        // Half the range can never be reached by honest clones; stop long before it wraps.
        if self.0 > usize::MAX / 2 {
            std::process::abort();
        }
        Self(self.0 + REF_ONE)
    }
    fn ref_dec(self) -> Self {
        debug_assert!(self.references() > 0);
        Self(self.0 - REF_ONE)
    }
    /// How many references there are.
    pub fn references(self) -> usize {
        self.0 / REF_ONE
    }
    pub fn is_complete(self) -> bool {
        self.has(COMPLETE)
    }
    pub fn is_running(self) -> bool {
        self.has(RUNNING)
    }
    pub fn is_started(self) -> bool {
        self.has(STARTED)
    }
    pub fn is_aborted(self) -> bool {
        self.has(ABORTED)
    }
    pub fn is_posted(self) -> bool {
        self.has(POSTED)
    }
    pub fn is_asked(self) -> bool {
        self.has(ASKED)
    }
    pub fn is_callback(self) -> bool {
        self.has(CALLBACK)
    }
    pub fn is_shared(self) -> bool {
        self.has(SHARED)
    }
    pub fn is_local(self) -> bool {
        self.has(LOCAL)
    }
    pub fn has_handle(self) -> bool {
        self.has(HANDLE)
    }
    pub fn has_join_waker(self) -> bool {
        self.has(JOIN_WAKER)
    }
    pub fn has_observers(self) -> bool {
        self.has(OBSERVERS)
    }

    /// A waker was used and stays.
    pub fn wake_by_ref(self) -> (Self, Wake) {
        if self.has(COMPLETE | SCHEDULED) {
            (self, Wake::Nothing)
        } else if self.has(RUNNING) {
            (self.with(SCHEDULED), Wake::Nothing)
        } else {
            (self.with(SCHEDULED).ref_inc(), Wake::Submit)
        }
    }

    /// A waker was used up: its reference becomes the Runnable's, or is given up.
    pub fn wake(self) -> (Self, Wake) {
        match self.wake_by_ref() {
            (next, Wake::Submit) => (next.ref_dec(), Wake::Submit),
            (next, _) => next.drop_ref_action(),
        }
    }

    fn drop_ref_action(self) -> (Self, Wake) {
        let next = self.ref_dec();
        (next, if next.references() == 0 { Wake::Dealloc } else { Wake::Nothing })
    }

    /// A Runnable wants to poll.
    pub fn start(self) -> (Self, Start) {
        debug_assert!(self.has(SCHEDULED | COMPLETE), "a Runnable without SCHEDULED");
        if self.has(COMPLETE) {
            let next = self.ref_dec();
            (next, Start::Discard { last: next.references() == 0 })
        } else if self.has(RUNNING) {
            (self.with(BOUNCED).ref_dec(), Start::Bounced)
        } else {
            (self.without(SCHEDULED).with(RUNNING | STARTED), Start::Poll(self))
        }
    }

    /// A Runnable was dropped unrun: as `start`, to end the task instead of polling it.
    pub fn give_up(self) -> (Self, Start) {
        match self.start() {
            // The Runnable that the seizer will make carries the abort on.
            (next, Start::Bounced) => (next.with(ABORTED), Start::Bounced),
            other => other,
        }
    }

    /// A poller, after `Pending`, wants to let go. `asked`: the tree still holds an untaken request.
    pub fn let_go(self, asked: bool) -> (Self, LetGo) {
        debug_assert!(self.has(RUNNING));
        if self.has(POSTED) {
            return (self.without(POSTED), LetGo::Look);
        }
        if self.has(ABORTED) {
            return (self, LetGo::Drop);
        }
        let next = self.without(RUNNING).set(ASKED, asked);
        if self.has(SCHEDULED) {
            (next, LetGo::Submit)
        } else {
            let next = next.ref_dec();
            (next, LetGo::Parked { last: next.references() == 0 })
        }
    }

    /// A seizer wants to let go. `was` is what it seized; `unread` leaves the inbox to the first poll.
    ///
    /// It never drops the future for an abort that came meanwhile, since it may be on any thread and in
    /// the middle of somebody's `cancel`: like an abort of an idle task, that goes through the scheduler.
    pub fn let_go_seized(self, was: Snapshot, asked: bool, unread: bool) -> (Self, LetGo) {
        debug_assert!(self.has(RUNNING));
        if self.has(POSTED) && !unread {
            return (self.without(POSTED), LetGo::Look);
        }
        let next = self.without(RUNNING | BOUNCED).set(ASKED, asked);
        let next = if unread { next.with(POSTED) } else { next };
        if self.has(BOUNCED) || (self.has(SCHEDULED | ABORTED) && !was.has(SCHEDULED)) {
            (next.with(SCHEDULED).ref_inc(), LetGo::Submit)
        } else {
            (next, LetGo::Quiet)
        }
    }

    fn set(self, bits: usize, on: bool) -> Self {
        if on { self.with(bits) } else { self.without(bits) }
    }

    /// Somebody without a Runnable wants the cell, to end the task; if it is held, it is aborted.
    pub fn seize(self) -> (Self, Seize) {
        if self.has(COMPLETE) {
            (self, Seize::Done)
        } else if self.has(RUNNING) {
            (self.with(ABORTED), Seize::Busy)
        } else {
            (self.with(RUNNING), Seize::Seized(self))
        }
    }

    /// A message was put into the inbox: seize the cell and read it, or make the holder read it.
    pub fn announce(self) -> (Self, Seize) {
        match self.seize() {
            (_, Seize::Busy) => (self.with(POSTED), Seize::Busy),
            other => other,
        }
    }

    /// The future is to be dropped, wherever it is.
    pub fn abort(self) -> (Self, Abort) {
        if self.has(COMPLETE) {
            (self, Abort::Done)
        } else if self.has(RUNNING | SCHEDULED) {
            (self.with(ABORTED), Abort::Noted)
        } else {
            (self.with(ABORTED | SCHEDULED).ref_inc(), Abort::Submit)
        }
    }

    /// The holder has stored the outcome.
    pub fn complete(self) -> (Self, Snapshot) {
        debug_assert!(self.has(RUNNING) && !self.has(COMPLETE));
        (self.with(COMPLETE).without(RUNNING | SCHEDULED | BOUNCED | POSTED | ASKED), self)
    }

    /// The handle has put a waker into the join slot. False: too late, the task is over.
    pub fn set_join_waker(self) -> (Self, bool) {
        debug_assert!(self.has(HANDLE) && !self.has(JOIN_WAKER));
        if self.has(COMPLETE) { (self, false) } else { (self.with(JOIN_WAKER), true) }
    }

    /// The handle wants the join slot back. False: too late, the task is over and the slot gone.
    pub fn unset_join_waker(self) -> (Self, bool) {
        if self.has(COMPLETE) { (self, false) } else { (self.without(JOIN_WAKER), true) }
    }

    /// An observer was put on the list. False: too late, the task is over.
    pub fn set_observers(self) -> (Self, bool) {
        if self.has(COMPLETE) { (self, false) } else { (self.with(OBSERVERS), true) }
    }

    /// The handle is going away. It keeps its reference until it has cleaned up.
    pub fn drop_handle(self) -> (Self, Snapshot) {
        debug_assert!(self.has(HANDLE));
        let next = self.without(HANDLE);
        (if self.has(COMPLETE) { next } else { next.without(JOIN_WAKER) }, self)
    }
}

/// The word itself.
pub(crate) struct State(AtomicUsize);

impl State {
    pub fn new(snapshot: Snapshot) -> Self {
        Self(AtomicUsize::new(snapshot.0))
    }

    /// Acquire: whoever sees COMPLETE here sees the outcome, too.
    #[inline]
    pub fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// The one loop. AcqRel on every step, also on those that change nothing: a wake that finds
    /// SCHEDULED set must still publish what the waker wrote before it to the coming poll, and a poll
    /// must see it (the step that clears SCHEDULED reads this write or a later one).
    #[inline]
    fn step<R>(&self, transition: impl Fn(Snapshot) -> (Snapshot, R)) -> R {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let (next, action) = transition(Snapshot(current));
            match self.0.compare_exchange_weak(current, next.0, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return action,
                Err(actual) => current = actual,
            }
        }
    }

    #[inline]
    pub fn wake_by_ref(&self) -> Wake {
        self.step(Snapshot::wake_by_ref)
    }
    #[inline]
    pub fn wake(&self) -> Wake {
        self.step(Snapshot::wake)
    }
    #[inline]
    pub fn start(&self) -> Start {
        self.step(Snapshot::start)
    }
    pub fn give_up(&self) -> Start {
        self.step(Snapshot::give_up)
    }
    /// `woken`: the task has woken itself in this poll.
    #[inline]
    pub fn let_go(&self, asked: bool, woken: bool) -> LetGo {
        let now = Snapshot(self.0.load(Ordering::Relaxed));
        // The usual case by itself: what follows it is then known here, and need not be found out.
        if !woken && !now.has(SCHEDULED | ABORTED | POSTED) {
            let (next, action) = now.let_go(asked);
            if self.0.compare_exchange(now.0, next.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return action;
            }
        }
        self.step(|snapshot| {
            snapshot.set(SCHEDULED, woken || snapshot.has(SCHEDULED)).let_go(asked)
        })
    }
    pub fn let_go_seized(&self, was: Snapshot, asked: bool, unread: bool) -> LetGo {
        self.step(|snapshot| snapshot.let_go_seized(was, asked, unread))
    }
    pub fn seize(&self) -> Seize {
        self.step(Snapshot::seize)
    }
    pub fn announce(&self) -> Seize {
        self.step(Snapshot::announce)
    }
    pub fn abort(&self) -> Abort {
        self.step(Snapshot::abort)
    }
    #[inline]
    pub fn complete(&self) -> Snapshot {
        self.step(Snapshot::complete)
    }
    pub fn set_join_waker(&self) -> bool {
        self.step(Snapshot::set_join_waker)
    }
    pub fn unset_join_waker(&self) -> bool {
        self.step(Snapshot::unset_join_waker)
    }
    pub fn set_observers(&self) -> bool {
        self.step(Snapshot::set_observers)
    }
    pub fn drop_handle(&self) -> Snapshot {
        self.step(Snapshot::drop_handle)
    }
    /// Relaxed: a new reference is made from an existing one, which keeps the cell alive meanwhile.
    #[inline]
    pub fn ref_inc(&self) {
        if self.0.fetch_add(REF_ONE, Ordering::Relaxed) > usize::MAX / 2 {
            std::process::abort();
        }
    }
    /// True if it was the last one. AcqRel: the last one sees what all others did to the cell.
    #[inline]
    pub fn ref_dec(&self) -> bool {
        Snapshot(self.0.fetch_sub(REF_ONE, Ordering::AcqRel)).references() == 1
    }
}

/// Prints the table of the module docs from the code. For `tests/state_table.rs`.
#[doc(hidden)]
pub mod table {
    use super::*;

    const BITS: [(usize, &str); 5] = [
        (SCHEDULED, "SCHEDULED"),
        (ABORTED, "ABORTED"),
        (POSTED, "POSTED"),
        (ASKED, "ASKED"),
        (BOUNCED, "BOUNCED"),
    ];

    fn name(snapshot: Snapshot, seized: bool) -> String {
        let (base, shown) = match snapshot.0 & (SCHEDULED | RUNNING | COMPLETE) {
            0 => ("idle", 0),
            SCHEDULED => ("scheduled", SCHEDULED),
            bits if bits & COMPLETE != 0 => ("complete", SCHEDULED | RUNNING | COMPLETE),
            _ => (if seized { "seized" } else { "running" }, RUNNING),
        };
        let mut text = base.to_owned();
        for (bit, word) in BITS {
            if snapshot.0 & bit & !shown != 0 {
                text = format!("{text}+{word}");
            }
        }
        text
    }

    fn cell(from: Snapshot, next: Snapshot, action: &str, seized: bool) -> String {
        // References and STARTED are not part of the table.
        let same = (from.0 ^ next.0) & (REF_ONE - 1) & !STARTED == 0;
        match (same, action) {
            (true, "") => "-".to_owned(),
            (true, "look" | "drop" | "discard") => format!("{}, {action}", name(next, seized)),
            (true, action) => format!("- {action}"),
            (false, "") => name(next, seized),
            (false, action) => format!("{}, {action}", name(next, seized)),
        }
    }

    /// The table's lines.
    pub fn lines() -> Vec<String> {
        let states = [
            0,
            SCHEDULED,
            RUNNING,
            RUNNING | SCHEDULED,
            RUNNING | POSTED,
            RUNNING | ABORTED,
            COMPLETE,
        ];
        states.iter().map(|&bits| line(Snapshot(bits | STARTED | (4 * REF_ONE)))).collect()
    }

    fn line(s: Snapshot) -> String {
        let refused = || "!".to_owned();
        let wake = {
            let (next, action) = s.wake_by_ref();
            cell(s, next, if action == Wake::Submit { "submit" } else { "" }, false)
        };
        let starting = |event: fn(Snapshot) -> (Snapshot, Start), poll: &str| {
            if !s.has(SCHEDULED | COMPLETE) {
                return refused();
            }
            let (next, action) = event(s);
            let word = match action {
                Start::Poll(_) => poll,
                Start::Bounced => "bounced",
                Start::Discard { .. } => "discard",
            };
            cell(s, next, word, false)
        };
        let letting = |(next, action): (Snapshot, LetGo)| {
            let word = match action {
                LetGo::Look => "look",
                LetGo::Drop => "drop",
                LetGo::Submit => "submit",
                LetGo::Parked { .. } => "parked",
                LetGo::Quiet => "quiet",
            };
            cell(s, next, word, false)
        };
        let (let_go, let_go_seized) = if s.has(RUNNING) {
            let was = s.without(RUNNING | POSTED | ABORTED);
            (letting(s.let_go(false)), letting(s.let_go_seized(was, false, false)))
        } else {
            (refused(), refused())
        };
        let seizing = |(next, action): (Snapshot, Seize), busy: &str| {
            let word = match action {
                Seize::Seized(_) => "seized",
                Seize::Busy => busy,
                Seize::Done => "done",
            };
            cell(s, next, word, word == "seized")
        };
        let abort = {
            let (next, action) = s.abort();
            let word = match action {
                Abort::Noted => "noted",
                Abort::Submit => "submit",
                Abort::Done => "done",
            };
            cell(s, next, word, false)
        };
        let complete = if s.has(RUNNING) { cell(s, s.complete().0, "", false) } else { refused() };
        [
            format!("{:20}", name(s, false)),
            wake,
            starting(Snapshot::start, "poll"),
            starting(Snapshot::give_up, "end"),
            let_go,
            let_go_seized,
            seizing(s.announce(), "posted"),
            seizing(s.seize(), "busy"),
            abort,
            complete,
        ]
        .join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// A count can only be brought near its end by forging it.
    #[test]
    fn too_many_references_abort_the_process() {
        let name = "state::tests::too_many_references_abort_the_process";
        let many = 1 << (usize::BITS - 1 - 16);
        let state = State::new(Snapshot::spawned(many - 1, false, false, false));
        match std::env::var("CORRENTE_FORGED").as_deref() {
            Ok("clone") => (0..2).for_each(|_| state.ref_inc()),
            Ok("wake") => {
                let resting = Snapshot(state.load().0 & !SCHEDULED);
                let state = State::new(resting.ref_inc());
                let _ = state.wake_by_ref();
            }
            _ => {
                for way in ["clone", "wake"] {
                    let mut child = Command::new(std::env::current_exe().unwrap());
                    child.args(["--exact", name]).env("CORRENTE_FORGED", way);
                    let output = child.output().unwrap();
                    assert_eq!(output.status.signal(), Some(6), "{way}: {output:?}");
                }
            }
        }
    }
}
