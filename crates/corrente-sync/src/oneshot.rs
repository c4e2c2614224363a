//! One value, once, from one task to another.
//!
//! Both halves share a lock that is held for a few instructions: whoever has it finds the value, or
//! that the other half is gone, or leaves its waker. Nobody else waits, so there is no line.

use crate::coop;
use corrente_shim::sync::Mutex;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Makes both ends of a channel for one value.
///
/// ```
/// use corrente_sync::oneshot;
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = oneshot::channel();
/// sender.send("done").unwrap();
/// assert_eq!(receiver.await, Ok("done"));
///
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(receiver.await, Err(oneshot::Closed));
/// # });
/// ```
///
/// asyncio: a `Future` whose result another task sets.
#[doc(alias = "Future")]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Shared { value: None, receiver: None, sender: None, sent: false, closed: false };
    let shared = Arc::new(Mutex::new(shared));
    (Sender { shared: Some(Arc::clone(&shared)) }, Receiver { shared: Some(shared) })
}

struct Shared<T> {
    value: Option<T>,
    /// The receiver waits.
    receiver: Option<Waker>,
    /// The sender waits for the receiver to go.
    sender: Option<Waker>,
    /// The sender has sent, or is gone.
    sent: bool,
    /// The receiver is gone, or wants nothing any more.
    closed: bool,
}

/// Sends the value.
#[must_use = "the receiver gets an error as soon as the sender is dropped"]
pub struct Sender<T> {
    /// `None` once it has sent.
    shared: Option<Arc<Mutex<Shared<T>>>>,
}

/// Receives the value, as a future.
///
/// # Cancel safety
/// As long as it was not ready, nothing was taken: `(&mut receiver).await` may be dropped and repeated.
#[must_use = "a receiver does nothing unless it is awaited"]
pub struct Receiver<T> {
    /// `None` once it has received, or knows that nothing will come.
    shared: Option<Arc<Mutex<Shared<T>>>>,
}

/// The sender was dropped without sending, or the value was received already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is gone, or its value was received already")
    }
}

impl Error for Closed {}

/// Why [`Receiver::try_recv`] has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// It was not sent yet.
    Empty,
    /// The sender was dropped without sending, or the value was received already.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the value was not sent yet"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl Error for TryRecvError {}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// # Errors
    /// The value, if the receiver is gone or was closed.
    pub fn send(mut self, value: T) -> Result<(), T> {
        match self.shared.take() {
            Some(shared) => end(&shared, Some(value)).map_or(Ok(()), Err),
            None => Err(value),
        }
    }

    /// Waits until the receiver is gone or closed: nobody wants the value any more.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn closed(&mut self) {
        poll_fn(|context| self.poll_closed(context)).await;
    }

    /// True if the receiver is gone or closed.
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.lock().closed)
    }

    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = &self.shared else { return Poll::Ready(()) };
        // Cloned and dropped outside the lock: it is user code.
        let waker = context.waker().clone();
        let mut shared = shared.lock();
        if shared.closed {
            return Poll::Ready(());
        }
        let old = shared.sender.replace(waker);
        drop(shared);
        drop(old);
        Poll::Pending
    }
}

/// The sender ends, with a value or without, and wakes the receiver. Gives back what nobody wants.
fn end<T>(shared: &Mutex<Shared<T>>, value: Option<T>) -> Option<T> {
    let mut shared = shared.lock();
    shared.sent = true;
    let own = shared.sender.take();
    if shared.closed {
        drop(shared);
        drop(own);
        return value;
    }
    shared.value = value;
    let receiver = shared.receiver.take();
    drop(shared);
    drop(own);
    if let Some(receiver) = receiver {
        receiver.wake();
    }
    None
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            end(&shared, None);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// The value, if it was sent.
    ///
    /// # Errors
    /// [`TryRecvError`] if it was not, or never will be.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let Some(shared) = &self.shared else { return Err(TryRecvError::Closed) };
        let mut shared = shared.lock();
        match shared.value.take() {
            Some(value) => Ok(value),
            None if shared.sent => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// From now on the sender cannot send. A value that was sent already can still be received.
    pub fn close(&mut self) {
        let Some(shared) = &self.shared else { return };
        let mut shared = shared.lock();
        shared.closed = true;
        let sender = shared.sender.take();
        drop(shared);
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    /// Looks for the value, or leaves `waker`.
    fn look(shared: &Mutex<Shared<T>>, waker: &Waker) -> Poll<Result<T, Closed>> {
        // Cloned and dropped outside the lock: it is user code.
        let mut spare = None;
        loop {
            let mut shared = shared.lock();
            if let Some(value) = shared.value.take() {
                return Poll::Ready(Ok(value));
            }
            if shared.sent {
                return Poll::Ready(Err(Closed));
            }
            if shared.receiver.as_ref().is_some_and(|own| own.will_wake(waker)) {
                return Poll::Pending;
            }
            if spare.is_some() {
                let old = std::mem::replace(&mut shared.receiver, spare);
                drop(shared);
                drop(old);
                return Poll::Pending;
            }
            drop(shared);
            spare = Some(waker.clone());
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Closed>> {
        if coop::poll_proceed(context).is_pending() {
            return Poll::Pending;
        }
        let Some(shared) = &self.shared else { return Poll::Ready(Err(Closed)) };
        let polled = Self::look(shared, context.waker());
        if polled.is_ready() {
            // The sender has ended: nobody needs to be told that this one is gone.
            self.shared = None;
        }
        polled
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut shared = shared.lock();
        shared.closed = true;
        let (sender, own, value) =
            (shared.sender.take(), shared.receiver.take(), shared.value.take());
        drop(shared);
        // Dropping these, and waking, is user code.
        drop((own, value));
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
