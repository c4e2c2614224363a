//! Tasks that may not leave their thread: those of one `block_on`, its main task among them.
//!
//! On their own thread they wait in a plain queue. A wake from elsewhere puts the `Runnable` into the
//! mailbox and unparks that one thread: nobody is claimed, nobody else is asked. What always holds: the
//! mailbox is emptied before its owner sleeps, and mail that comes later ends the sleep. All of these
//! tasks have ended, on their own thread, when their `block_on` returns.

use crate::home::LocalHome;
use crate::parker::Parker;
use crate::registry::{PLACES, Slots};
use crate::shake::Shake;
use crate::shared::Shared;
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::sync::Mutex;
use corrente_task::{Runnable, TaskRef};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

/// What every thread may see of a `block_on`.
pub(crate) struct Local {
    pub(crate) runtime: u32,
    pub(crate) number: u32,
    mail: Mutex<Mail>,
    /// The mailbox may hold something. Written under its lock.
    has_mail: AtomicBool,
    /// Where its thread sleeps while it has no seat.
    pub(crate) parker: Parker,
    tasks: Slots<TaskRef>,
}

struct Mail {
    items: Vec<Runnable>,
    place: Place,
}

/// Where the thread of a `block_on` sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its own parker: another `block_on` has worker 0's seat.
    Guest,
    /// At worker 0's.
    Seated,
}

impl Local {
    pub(crate) fn new(runtime: u32, number: u32) -> Self {
        Self {
            runtime,
            number,
            mail: Mutex::new(Mail { items: Vec::new(), place: Place::Guest }),
            has_mail: AtomicBool::new(false),
            parker: Parker::new(),
            tasks: Slots::new(),
        }
    }

    /// The owner sleeps elsewhere from now on. It must look into the mailbox once more after this: who
    /// posted earlier may have rung the wrong bell.
    pub(crate) fn set_place(&self, place: Place) {
        self.mail.lock().place = place;
    }

    /// For any thread: leaves a `Runnable` here and wakes the owner.
    pub(crate) fn post(&self, shared: &Shared, runnable: Runnable) {
        let mut mail = self.mail.lock();
        mail.items.push(runnable);
        // Whoever posted first rings, and the owner empties the box before it sleeps again.
        let first = mail.items.len() == 1;
        // Release: see `has_mail`.
        self.has_mail.store(true, Ordering::Release);
        let place = mail.place;
        drop(mail);
        if first {
            self.ring(shared, place);
        }
    }

    /// Wakes the owner wherever it sleeps.
    pub(crate) fn ring(&self, shared: &Shared, place: Place) {
        match place {
            Place::Guest => {
                let _ = self.parker.unpark(shared.baton.interrupter());
            }
            Place::Seated => shared.unpark(0),
        }
    }

    /// True if somebody has posted something. Acquire, but that is only for promptness: an owner that
    /// misses it and goes to sleep is unparked by whoever posted.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    fn take_mail(&self) -> Vec<Runnable> {
        let mut mail = self.mail.lock();
        self.has_mail.store(false, Ordering::Relaxed);
        std::mem::take(&mut mail.items)
    }

    /// A place for a task of this `block_on`. `None`: it is over.
    pub(crate) fn reserve(&self) -> Option<u32> {
        self.tasks.reserve(PLACES)
    }

    /// Enters a task. False: the `block_on` is over, and the task must not run.
    #[must_use]
    pub(crate) fn enter(&self, slot: u32, task: TaskRef, callback: bool) -> bool {
        self.tasks.enter(slot, task, callback).is_ok()
    }

    /// A task has ended.
    pub(crate) fn forget(&self, slot: u32) {
        drop(self.tasks.leave(slot));
    }

    /// The living tasks, main among them, without callbacks.
    pub(crate) fn tasks(&self) -> Vec<TaskRef> {
        self.list(|callback| !callback)
    }

    /// The living task with this number.
    pub(crate) fn find_task(&self, number: u64) -> Option<TaskRef> {
        self.tasks.find(|task, _| (task.id().get() == number).then(|| task.clone()))
    }

    pub(crate) fn living(&self) -> usize {
        self.tasks.taken()
    }

    fn close(&self) -> Vec<TaskRef> {
        self.tasks.close();
        self.list(|_| true)
    }

    fn list(&self, which: impl Fn(bool) -> bool) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        let _: Option<()> = self.tasks.find(|task, callback| {
            tasks.extend(which(callback).then(|| task.clone()));
            None
        });
        tasks
    }
}

/// What only the thread itself sees.
pub(crate) struct LocalQueue {
    pub(crate) local: Arc<Local>,
    pub(crate) shared: Arc<Shared>,
    ready: RefCell<VecDeque<Runnable>>,
    /// In FIFO order there is one queue for all.
    fifo: bool,
    /// A local task was taken last. When both kinds are ready they take turns, so that a task that yields
    /// has let one of the other kind run before it goes on.
    was_last: Cell<bool>,
    /// Its thread is in a section that blocks.
    in_section: Cell<bool>,
}

impl LocalQueue {
    pub(crate) fn new(local: Arc<Local>, shared: Arc<Shared>) -> Self {
        let fifo = shared.fifo.is_some();
        let (ready, was_last, in_section) = Default::default();
        Self { local, shared, ready, fifo, was_last, in_section }
    }

    /// True if tasks with this home are ours.
    #[inline]
    pub(crate) fn is(&self, home: &LocalHome) -> bool {
        self.local.number == home.local && self.local.runtime == home.runtime
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.fifo
    }

    /// Notes whether its thread is in a section; gives back whether it was.
    pub(crate) fn set_in_section(&self, in_section: bool) -> bool {
        self.in_section.replace(in_section)
    }

    #[inline]
    pub(crate) fn push(&self, runnable: Runnable) {
        self.push_some(Some(runnable));
    }

    #[inline]
    pub(crate) fn push_some(&self, runnable: Option<Runnable>) {
        self.ready.borrow_mut().extend(runnable);
    }

    /// True if nothing waits here.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.local.has_mail() && self.ready.borrow().is_empty()
    }

    /// Takes the task that waits longest, mail included.
    #[inline]
    pub(crate) fn pop(&self, shake: Option<&Shake>) -> Option<Runnable> {
        if self.local.has_mail() {
            self.ready.borrow_mut().extend(self.local.take_mail());
        }
        let mut ready = self.ready.borrow_mut();
        if let Some(shake) = shake {
            let drawn = shake.draw(ready.len());
            if drawn < ready.len() {
                ready.swap(0, drawn);
            }
        }
        ready.pop_front()
    }

    /// True if it is the turn of a local task.
    #[inline]
    pub(crate) fn goes_first(&self) -> bool {
        !self.was_last.get()
    }

    /// A task was taken: a local one?
    #[inline]
    pub(crate) fn had_its_turn(&self, local: bool) {
        self.was_last.set(local);
    }

    /// Ends every task of this `block_on`, here on their thread, and refuses new ones.
    pub(crate) fn end_all(&self) {
        for task in self.local.close() {
            // Somebody may hold the cell for a moment, to cancel it. Nobody polls it but this thread.
            while !task.end_now() {
                corrente_shim::thread::yield_now();
            }
        }
        // What is left is of tasks that have ended, and does nothing. Dropped one by one: not while the
        // queue is borrowed.
        while let Some(runnable) = self.pop(None) {
            drop(runnable);
        }
    }
}
