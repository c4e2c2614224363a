//! The newest value, for all who want to know of it.
//!
//! The value is an `Arc` that is replaced as a whole, under a lock that is held for a few instructions:
//! whoever reads has a value that does not change under its eyes, and holds up nobody. What always
//! holds when nobody has the lock: a receiver waits only while it has seen the newest version, and
//! `closed` only while a sender is left.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::sync::Mutex;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Makes a channel that remembers the newest value only; at first it is `value`.
///
/// ```
/// use corrente_sync::watch;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = watch::channel("starting");
/// sender.send("ready").unwrap();
/// receiver.changed().await.unwrap();
/// assert_eq!(*receiver.get(), "ready");
/// drop(sender);
/// assert_eq!(receiver.changed().await, Err(watch::Closed));
/// # });
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let shared = Shared {
        value: Arc::new(value),
        version: 0,
        senders: 1,
        receivers: 1,
        changed: List::new(),
        closed: List::new(),
    };
    let shared = Arc::new(Mutex::new(shared));
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, seen: 0 })
}

struct Shared<T> {
    value: Arc<T>,
    /// Grows by one with each new value.
    version: u64,
    senders: usize,
    receivers: usize,
    /// Receivers that wait for a new value.
    changed: List<()>,
    /// Senders that wait for all receivers to go.
    closed: List<()>,
}

/// Sets the value.
pub struct Sender<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

/// Looks at the value, and waits for it to change.
pub struct Receiver<T> {
    shared: Arc<Mutex<Shared<T>>>,
    /// The version it has seen.
    seen: u64,
}

/// There is no receiver. It holds the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(
    /// What nobody would have seen.
    pub T,
);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel has no receiver")
    }
}

impl<T> Error for SendError<T> {}

/// All senders are gone, and the newest value was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all senders are gone: the value will not change any more")
    }
}

impl Error for Closed {}

impl<T> Sender<T> {
    /// Sets a new value. Never waits.
    ///
    /// # Errors
    /// [`SendError`], with the value, if there is no receiver; the value is not changed then.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        // Outlives the lock: dropping a value is user code.
        let _old;
        let mut held = Held::lock(&self.shared);
        if held.parts().0.receivers == 0 {
            return Err(SendError(value));
        }
        _old = replace(&mut held, Arc::new(value));
        Ok(())
    }

    /// Sets a new value, whether or not anybody looks; gives back the old one.
    pub fn replace(&self, value: T) -> Arc<T> {
        let mut held = Held::lock(&self.shared);
        replace(&mut held, Arc::new(value))
    }

    /// Sets what `change` makes of the value.
    ///
    /// `change` runs without a lock, and again if another sender was quicker.
    ///
    /// ```
    /// # use corrente_sync::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// sender.update(|number| number + 1);
    /// assert_eq!(*receiver.get(), 2);
    /// ```
    pub fn update(&self, mut change: impl FnMut(&T) -> T) {
        loop {
            let before = self.get();
            let next = Arc::new(change(&before));
            // Outlives the lock: dropping a value is user code.
            let _old;
            let mut held = Held::lock(&self.shared);
            if Arc::ptr_eq(&held.parts().0.value, &before) {
                _old = replace(&mut held, next);
                return;
            }
        }
    }

    /// The value now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.shared.lock().value)
    }

    /// A new receiver, which has seen the value that is there now.
    pub fn subscribe(&self) -> Receiver<T> {
        let mut shared = self.shared.lock();
        shared.receivers += 1;
        Receiver { seen: shared.version, shared: Arc::clone(&self.shared) }
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.lock().receivers
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    /// Dropping the future only leaves the line.
    pub async fn closed(&self) {
        Wait::new(&*self.shared, AllGone).await;
    }

    /// True if there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }
}

fn replace<T>(held: &mut Held<'_, Shared<T>>, value: Arc<T>) -> Arc<T> {
    let (shared, wakers) = held.parts();
    shared.version += 1;
    shared.changed.grant_all(wakers);
    std::mem::replace(&mut shared.value, value)
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.senders -= 1;
        if shared.senders == 0 {
            shared.changed.grant_all(wakers);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("value", &self.get()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// The value now, without marking it as seen.
    #[doc(alias = "borrow")]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.shared.lock().value)
    }

    /// The value now, which counts as seen: [`changed`](Self::changed) waits for a newer one.
    #[doc(alias = "borrow_and_update")]
    pub fn get_and_see(&mut self) -> Arc<T> {
        let shared = self.shared.lock();
        self.seen = shared.version;
        Arc::clone(&shared.value)
    }

    /// Waits for a value that was not seen, and marks it as seen.
    ///
    /// # Errors
    /// [`Closed`] if all senders are gone and the newest value was seen.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, nothing is marked as seen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        Wait::new(&*self.shared, Changed { seen: &mut self.seen }).await
    }

    /// Waits until the value is one that `wanted` approves of; looks first at what is there, and marks
    /// what it looks at as seen.
    ///
    /// # Errors
    /// [`Closed`] if all senders are gone before.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, what `wanted` refused stays marked as seen.
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Result<Arc<T>, Closed> {
        loop {
            let value = self.get_and_see();
            if wanted(&value) {
                return Ok(value);
            }
            drop(value);
            self.changed_only().await?;
        }
    }

    /// Waits for a value that was not seen, without marking it.
    async fn changed_only(&mut self) -> Result<(), Closed> {
        let mut seen = self.seen;
        Wait::new(&*self.shared, Changed { seen: &mut seen }).await
    }

    /// True if there is a value that was not seen.
    pub fn has_changed(&self) -> bool {
        self.shared.lock().version != self.seen
    }
}

/// A second receiver, which has seen what this one has seen.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.lock().receivers += 1;
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.receivers -= 1;
        if shared.receivers == 0 {
            shared.closed.grant_all(wakers);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("value", &self.get()).finish_non_exhaustive()
    }
}

/// Waits for a version that was not seen.
struct Changed<'a> {
    seen: &'a mut u64,
}

impl Changed<'_> {
    fn look<T>(&mut self, shared: &Shared<T>) -> Option<Result<(), Closed>> {
        if *self.seen != shared.version {
            *self.seen = shared.version;
            return Some(Ok(()));
        }
        (shared.senders == 0).then_some(Err(Closed))
    }
}

impl<T> Act<Mutex<Shared<T>>> for Changed<'_> {
    type Shared = Shared<T>;
    type Want = ();
    type Output = Result<(), Closed>;

    fn mutex(home: &Mutex<Shared<T>>) -> &Mutex<Shared<T>> {
        home
    }

    fn what(_: &Mutex<Shared<T>>) -> What {
        What::Changed
    }

    fn line(shared: &mut Shared<T>) -> &mut List<()> {
        &mut shared.changed
    }

    fn try_now(&mut self, home: &Mutex<Shared<T>>) -> Option<Self::Output> {
        self.look(&home.lock())
    }

    fn enter(
        &mut self,
        _: &Mutex<Shared<T>>,
        held: &mut Held<'_, Shared<T>>,
    ) -> Entered<Self::Output, ()> {
        self.look(held.parts().0).map_or(Entered::Wait(()), Entered::Done)
    }

    fn claim(
        &mut self,
        _: &Mutex<Shared<T>>,
        held: &mut Held<'_, Shared<T>>,
        (): (),
    ) -> Option<Self::Output> {
        self.look(held.parts().0)
    }

    /// A change is news to all: nothing to give back.
    fn give_back(_: &Mutex<Shared<T>>, _: &mut Held<'_, Shared<T>>, (): ()) {}

    fn settle(_: &Mutex<Shared<T>>, _: &mut Held<'_, Shared<T>>) {}
}

/// Waits until all receivers are gone.
struct AllGone;

impl<T> Act<Mutex<Shared<T>>> for AllGone {
    type Shared = Shared<T>;
    type Want = ();
    type Output = ();

    fn mutex(home: &Mutex<Shared<T>>) -> &Mutex<Shared<T>> {
        home
    }

    fn what(_: &Mutex<Shared<T>>) -> What {
        What::Closed
    }

    fn line(shared: &mut Shared<T>) -> &mut List<()> {
        &mut shared.closed
    }

    fn enter(&mut self, _: &Mutex<Shared<T>>, held: &mut Held<'_, Shared<T>>) -> Entered<(), ()> {
        match held.parts().0.receivers {
            0 => Entered::Done(()),
            _ => Entered::Wait(()),
        }
    }

    fn claim(&mut self, _: &Mutex<Shared<T>>, _: &mut Held<'_, Shared<T>>, (): ()) -> Option<()> {
        Some(())
    }

    /// That all are gone is news to all: nothing to give back.
    fn give_back(_: &Mutex<Shared<T>>, _: &mut Held<'_, Shared<T>>, (): ()) {}

    fn settle(_: &Mutex<Shared<T>>, _: &mut Held<'_, Shared<T>>) {}
}
