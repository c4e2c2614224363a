//! A value that is made once, by whoever comes first.
//!
//! What always holds when nobody has the lock: at most one task has the turn to make the value; while
//! the value is missing, somebody has the turn if anybody waits; once it is there, nobody waits.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::sync::Mutex;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::OnceLock;

/// A cell whose value is made at the first use, by an async function.
///
/// One caller makes the value, the others wait for it. If the maker fails, panics or is cancelled, the
/// first of those who wait makes it instead. Reading a cell that has its value is one atomic load.
///
/// ```
/// use corrente_sync::OnceCell;
/// # futures_lite::future::block_on(async {
/// let settings = OnceCell::new();
/// let first = settings.get_or_init(|| async { "read from a file" }).await;
/// let later = settings.get_or_init(|| async { unreachable!() }).await;
/// assert_eq!(first, later);
/// # });
/// ```
///
/// asyncio has none.
#[doc(alias = "lazy")]
pub struct OnceCell<T> {
    value: OnceLock<T>,
    turns: Mutex<Turns>,
}

struct Turns {
    line: List<()>,
    /// Somebody makes the value, or has been granted the turn to.
    taken: bool,
    /// The value is there.
    made: bool,
}

/// Why [`OnceCell::set`] did not set the value. It is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell has a value.
    AlreadySet(T),
    /// Somebody is making the value.
    InTheMaking(T),
}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadySet(_) => "AlreadySet",
            Self::InTheMaking(_) => "InTheMaking",
        })
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadySet(_) => "the cell has a value",
            Self::InTheMaking(_) => "somebody is making the value of the cell",
        })
    }
}

impl<T> std::error::Error for SetError<T> {}

impl<T> OnceCell<T> {
    /// A cell without a value.
    pub fn new() -> Self {
        let turns = Turns { line: List::new(), taken: false, made: false };
        Self { value: OnceLock::new(), turns: Mutex::new(turns) }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Sets the value.
    ///
    /// # Errors
    /// [`SetError`], with the value, if the cell has one or somebody is making it.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        let mut held = Held::lock(&self.turns);
        let (turns, _) = held.parts();
        if turns.made {
            return Err(SetError::AlreadySet(value));
        }
        if turns.taken {
            return Err(SetError::InTheMaking(value));
        }
        turns.taken = true;
        drop(held);
        Turn { cell: self }.finish(value);
        Ok(())
    }

    /// The value; if it is missing, `make` makes it.
    ///
    /// A `make` that waits for the same cell waits for ever.
    ///
    /// # Cancel safety
    /// Dropping the future drops what `make` was doing, and hands the turn on to the first who waits.
    pub async fn get_or_init<F, M>(&self, make: F) -> &T
    where
        F: FnOnce() -> M,
        M: Future<Output = T>,
    {
        match self.get_or_try_init(|| async { Ok::<T, Infallible>(make().await) }).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; if it is missing, `make` makes it, or fails.
    ///
    /// # Errors
    /// That of `make`. The first who waits has its turn then.
    ///
    /// # Cancel safety
    /// That of [`get_or_init`](Self::get_or_init).
    pub async fn get_or_try_init<F, M, E>(&self, make: F) -> Result<&T, E>
    where
        F: FnOnce() -> M,
        M: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        if Wait::new(self, TakeTurn).await {
            let turn = Turn { cell: self };
            return Ok(turn.finish(make().await?));
        }
        match self.value.get() {
            Some(value) => Ok(value),
            None => unreachable!("who does not get the turn finds the value"),
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        let cell = Self::new();
        cell.turns.lock().taken = true;
        Turn { cell: &cell }.finish(value);
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell").field("value", &self.get()).finish_non_exhaustive()
    }
}

/// The turn to make the value; dropping it gives the turn back.
struct Turn<'a, T> {
    cell: &'a OnceCell<T>,
}

impl<'a, T> Turn<'a, T> {
    fn finish(self, value: T) -> &'a T {
        self.cell.value.get_or_init(|| value)
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut held = Held::lock(&self.cell.turns);
        let turns = held.parts().0;
        turns.taken = false;
        turns.made = self.cell.value.get().is_some();
        TakeTurn::settle(self.cell, &mut held);
    }
}

/// Waits for the turn (true), or for the value (false).
struct TakeTurn;

impl<T> Act<OnceCell<T>> for TakeTurn {
    type Shared = Turns;
    type Want = ();
    type Output = bool;

    fn mutex(home: &OnceCell<T>) -> &Mutex<Turns> {
        &home.turns
    }

    fn what(_: &OnceCell<T>) -> What {
        What::OnceCell
    }

    fn line(turns: &mut Turns) -> &mut List<()> {
        &mut turns.line
    }

    fn enter(&mut self, _: &OnceCell<T>, held: &mut Held<'_, Turns>) -> Entered<bool, ()> {
        let turns = held.parts().0;
        if turns.taken {
            return Entered::Wait(());
        }
        turns.taken = !turns.made;
        Entered::Done(turns.taken)
    }

    fn claim(&mut self, _: &OnceCell<T>, held: &mut Held<'_, Turns>, (): ()) -> Option<bool> {
        Some(!held.parts().0.made)
    }

    fn give_back(_: &OnceCell<T>, held: &mut Held<'_, Turns>, (): ()) {
        held.parts().0.taken = false;
    }

    fn settle(_: &OnceCell<T>, held: &mut Held<'_, Turns>) {
        let (turns, wakers) = held.parts();
        if turns.made {
            turns.line.grant_all(wakers);
        } else if !turns.taken {
            turns.taken = turns.line.grant_first(wakers);
        }
    }
}
