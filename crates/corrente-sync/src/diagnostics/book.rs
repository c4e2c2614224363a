//! The book of waits and holders.
//!
//! One lock for the whole process, the last that is ever taken: it may be taken under the lock of a
//! primitive, and nothing is called under it. It is no part of any protocol, and uses std throughout.

use super::{LongWait, Party, What, stuck};
use corrente_task::TaskId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

static ON: AtomicBool = AtomicBool::new(false);
static BOOK: Mutex<Book> =
    Mutex::new(Book { next: 1, waits: BTreeMap::new(), holders: BTreeMap::new() });

/// Tells one task or thread from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Task(TaskId),
    Thread(ThreadId),
}

struct Book {
    next: u64,
    waits: BTreeMap<u64, Wait>,
    /// By the address of what they hold.
    holders: BTreeMap<usize, Vec<Party>>,
}

struct Wait {
    what: What,
    address: usize,
    waiter: Party,
    since: Instant,
    granted: Option<Instant>,
}

impl Party {
    /// Whoever runs this.
    fn current() -> Self {
        corrente_task::with_current(|task| match task {
            Some(task) => Self { who: Who::Task(task.id()), name: task.name() },
            None => {
                let thread = thread::current();
                let name = thread.name().unwrap_or("a thread without a name").to_owned();
                Self { who: Who::Thread(thread.id()), name }
            }
        })
    }
}

fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if the book is kept.
#[inline]
pub(crate) fn is_on() -> bool {
    // Relaxed: the book itself is under its lock; who sees the switch late misses a line.
    ON.load(Ordering::Relaxed)
}

pub(super) fn enable(on: bool) {
    ON.store(on, Ordering::Relaxed);
    if !on {
        let mut book = book();
        book.waits.clear();
        book.holders.clear();
    }
}

/// The current task begins to wait. The number is for [`granted`] and [`end`]; 0 if the book is not kept.
#[inline]
pub(crate) fn begin(what: What, address: usize) -> u64 {
    if is_on() { write_down(what, address) } else { 0 }
}

#[cold]
fn write_down(what: What, address: usize) -> u64 {
    let waiter = Party::current();
    let mut book = book();
    let number = book.next;
    book.next += 1;
    let wait = Wait { what, address, waiter, since: Instant::now(), granted: None };
    book.waits.insert(number, wait);
    number
}

/// The waiter was granted what it waits for.
#[cold]
pub(crate) fn granted(number: u64) {
    if let Some(wait) = book().waits.get_mut(&number) {
        wait.granted = Some(Instant::now());
    }
}

/// The waiter took note of the grant, or left.
#[cold]
pub(crate) fn end(number: u64) {
    book().waits.remove(&number);
}

/// The current task has it now.
#[cold]
pub(crate) fn took(address: usize) {
    let holder = Party::current();
    book().holders.entry(address).or_default().push(holder);
}

/// Somebody, most likely the current task, has it no more.
#[cold]
pub(crate) fn gave(address: usize) {
    let giver = Party::current();
    let mut book = book();
    let Some(holders) = book.holders.get_mut(&address) else { return };
    let own = holders.iter().position(|holder| *holder == giver).unwrap_or(0);
    if own < holders.len() {
        holders.remove(own);
    }
    if holders.is_empty() {
        book.holders.remove(&address);
    }
}

pub(super) fn waits(longer_than: Duration) -> Vec<LongWait> {
    let now = Instant::now();
    let book = book();
    let since = |instant| now.saturating_duration_since(instant);
    let mut waits: Vec<_> = book
        .waits
        .iter()
        .filter(|(_, wait)| since(wait.since) >= longer_than)
        .map(|(number, wait)| LongWait {
            number: *number,
            what: wait.what,
            address: wait.address,
            waiter: wait.waiter.clone(),
            waited: since(wait.since),
            granted: wait.granted.map(since),
            holders: book.holders(wait),
            is_stuck: false,
            moving: book.granted(wait).any(|grant| since(grant) < longer_than),
        })
        .collect();
    waits.sort_by_key(|wait| std::cmp::Reverse(wait.waited));
    stuck::mark(&mut waits);
    waits
}

impl Book {
    /// Who has what `wait` waits for.
    fn holders(&self, wait: &Wait) -> Vec<Party> {
        let holders = self.holders.get(&wait.address).into_iter().flatten();
        let promised = self.promised(wait).map(|other| &other.waiter);
        holders.chain(promised).cloned().collect()
    }

    /// Since when others have been granted what `wait` waits for, without taking note of it.
    fn granted(&self, wait: &Wait) -> impl Iterator<Item = Instant> {
        self.promised(wait).filter_map(|other| other.granted)
    }

    fn promised(&self, wait: &Wait) -> impl Iterator<Item = &Wait> {
        let (what, address) = (wait.what, wait.address);
        let is_held = matches!(what, What::Lock | What::RwLock | What::Semaphore);
        self.waits
            .values()
            .filter(move |other| is_held && other.address == address && other.granted.is_some())
    }
}
