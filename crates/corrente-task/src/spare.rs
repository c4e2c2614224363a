//! Notes of tasks that are gone, for those to come: a task that waits in a scope needs some, and most tasks do so once
//! in a short life.
//!
//! As with the memory of cells (`memory.rs`) each thread has a stack, and the threads share a depot of batches. What is
//! kept is empty, but for the memory of its tree.

use crate::header::Notes;
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many go to the depot at once. A thread keeps fewer than twice as many.
const BATCH: usize = 64;
/// How many batches the depot holds at most; a few hundred bytes for each of the notes.
const MOST: usize = 512;
/// How many batches are left there by [`give_back`].
const FEW: usize = 32;

#[allow(clippy::vec_box)] // The boxes are what is kept.
type Stack = Vec<Box<Notes>>;

corrente_shim::local! {
    static MINE: RefCell<Stack> = RefCell::new(Vec::new());
}

/// Not the shim's lock, as in `memory.rs`. A model, whose notes must not outlive it, has too few to fill a batch.
static DEPOT: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

fn depot() -> MutexGuard<'static, Vec<Stack>> {
    DEPOT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Empty notes.
pub(crate) fn take() -> Box<Notes> {
    let mine = MINE.try_with(|mine| mine.borrow_mut().pop()).unwrap_or(None);
    mine.unwrap_or_else(refill)
}

#[cold]
fn refill() -> Box<Notes> {
    let Some(mut batch) = depot().pop() else { return Box::default() };
    let notes = batch.pop();
    let mut rest = Some(batch);
    let old = MINE.try_with(|mine| mine.replace(rest.take().unwrap_or_default()));
    drop((old, rest));
    notes.unwrap_or_default()
}

/// Empties the notes and keeps them.
pub(crate) fn keep(mut notes: Box<Notes>) {
    // What the notes held is dropped here, outside of every borrow: it may be user code.
    notes.empty();
    let full = MINE.try_with(|mine| {
        let mut mine = mine.borrow_mut();
        mine.push(notes);
        (mine.len() >= 2 * BATCH).then(|| mine.split_off(BATCH))
    });
    if let Ok(Some(batch)) = full {
        let mut depot = depot();
        if depot.len() < MOST {
            depot.push(batch);
        }
    }
}

/// Frees most of what is in the depot.
pub(crate) fn give_back() {
    loop {
        let mut depot = depot();
        if depot.len() <= FEW {
            return;
        }
        let batch = depot.pop();
        drop(depot);
        drop(batch);
    }
}
