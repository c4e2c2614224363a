//! A flag that tasks wait for.
//!
//! One word: is it set, and does anybody wait. Who may touch what: `SET` is set without the lock while
//! nobody waits, otherwise under it; `WAITED` changes only under the lock.
//!
//! What always holds when nobody has the lock: `SET` and `WAITED` are not both set, and `WAITED` is set
//! exactly if the line has somebody waiting. So setting an event that somebody waits for, letting all
//! of them through, and having it set are one step: who comes to wait after a `clear` is not let
//! through by a `set` before it.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::Mutex;

/// The event is set.
const SET: usize = 1;
/// Somebody waits.
const WAITED: usize = 2;

/// A flag that tasks wait for: once it is set, all of them go on.
///
/// Those who wait when [`set`](Self::set) is called go on, even if [`clear`](Self::clear) follows
/// before they run. Waiting for an event that is set neither suspends nor allocates.
///
/// ```
/// use corrente_sync::Event;
/// # futures_lite::future::block_on(async {
/// let ready = Event::new();
/// let waiter = async { ready.wait().await; "went on" };
/// let setter = async { ready.set(); };
/// let (said, ()) = futures_lite::future::zip(waiter, setter).await;
/// assert_eq!(said, "went on");
/// assert!(ready.is_set());
/// # });
/// ```
///
/// asyncio: `asyncio.Event`.
#[doc(alias = "asyncio.Event")]
#[derive(Debug)]
pub struct Event {
    /// ```text
    /// bit 1       WAITED
    /// bit 0       SET
    /// ```
    word: AtomicUsize,
    line: Mutex<List<()>>,
}

impl Event {
    /// An event that is not set.
    pub fn new() -> Self {
        Self { word: AtomicUsize::new(0), line: Mutex::new(List::new()) }
    }

    /// Sets the event. All who wait go on, first come first; later ones do not wait, until
    /// [`clear`](Self::clear).
    pub fn set(&self) {
        // Release: who finds it set sees all that was done before. A read-modify-write even if it is
        // set already, so that this holds for the second `set`, too.
        let set = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
            (word & WAITED == 0).then_some(SET)
        });
        if set.is_err() {
            self.set_and_let_through();
        }
    }

    #[cold]
    fn set_and_let_through(&self) {
        let mut held = Held::lock(&self.line);
        let (line, wakers) = held.parts();
        line.grant_all(wakers);
        // Nobody waits any more. Release: as in `set`.
        self.word.store(SET, Ordering::Release);
    }

    /// From now on it is not set.
    pub fn clear(&self) {
        // Relaxed: a cleared event says nothing about what happened before.
        self.word.fetch_and(!SET, Ordering::Relaxed);
    }

    /// True if the event is set.
    pub fn is_set(&self) -> bool {
        // Acquire: pairs with `set`.
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Waits until the event is set; returns at once if it is.
    ///
    /// # Cancel safety
    /// Dropping the future only leaves the line.
    pub async fn wait(&self) {
        Wait::new(self, WaitSet).await;
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until it is set.
struct WaitSet;

impl Act<Event> for WaitSet {
    type Shared = List<()>;
    type Want = ();
    type Output = ();

    fn mutex(home: &Event) -> &Mutex<List<()>> {
        &home.line
    }

    fn what(_: &Event) -> What {
        What::Event
    }

    fn line(shared: &mut List<()>) -> &mut List<()> {
        shared
    }

    #[inline]
    fn try_now(&mut self, home: &Event) -> Option<()> {
        home.is_set().then_some(())
    }

    fn enter(&mut self, home: &Event, _: &mut Held<'_, List<()>>) -> Entered<(), ()> {
        // Finds it set or says that somebody waits, as one step. Acquire: pairs with `set`.
        let waits = home.word.fetch_update(Ordering::Acquire, Ordering::Acquire, |word| {
            (word & SET == 0).then_some(WAITED)
        });
        match waits {
            Ok(_) => Entered::Wait(()),
            Err(_) => Entered::Done(()),
        }
    }

    fn claim(&mut self, _: &Event, _: &mut Held<'_, List<()>>, (): ()) -> Option<()> {
        Some(())
    }

    /// Being let through takes nothing from the others.
    fn give_back(_: &Event, _: &mut Held<'_, List<()>>, (): ()) {}

    fn settle(home: &Event, held: &mut Held<'_, List<()>>) {
        if held.parts().0.waiting() == 0 {
            // Relaxed: the bit itself is all that it says; what a waiter sees comes with SET.
            home.word.fetch_and(!WAITED, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    /// Whoever holds the line's lock cannot be waited for: so nothing here takes it.
    #[test]
    fn without_waiters_the_line_is_not_touched() {
        let event = Event::new();
        let line = event.line.lock();
        for _ in 0..2 {
            event.set();
            event.set();
            assert!(event.is_set());
            assert!(block_on(poll_once(event.wait())).is_some());
            event.clear();
            assert!(!event.is_set());
        }
        drop(line);
    }
}
