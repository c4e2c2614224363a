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
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
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
    shared: Arc<Mutex<Shared<T>>>,
}

/// Receives the value, as a future.
///
/// # Cancel safety
/// As long as it was not ready, nothing was taken: `(&mut receiver).await` may be dropped and repeated.
#[must_use = "a receiver does nothing unless it is awaited"]
pub struct Receiver<T> {
    shared: Arc<Mutex<Shared<T>>>,
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
    pub fn send(self, value: T) -> Result<(), T> {
        let mut shared = self.shared.lock();
        if shared.closed {
            return Err(value);
        }
        shared.value = Some(value);
        Ok(())
        // Dropping `self` wakes the receiver.
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
        self.shared.lock().closed
    }

    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        // Cloned and dropped outside the lock: it is user code.
        let waker = context.waker().clone();
        let mut shared = self.shared.lock();
        if shared.closed {
            return Poll::Ready(());
        }
        let old = shared.sender.replace(waker);
        drop(shared);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.sent = true;
        let (receiver, own) = (shared.receiver.take(), shared.sender.take());
        drop(shared);
        drop(own);
        if let Some(receiver) = receiver {
            receiver.wake();
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
        let mut shared = self.shared.lock();
        match shared.value.take() {
            Some(value) => Ok(value),
            None if shared.sent => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// From now on the sender cannot send. A value that was sent already can still be received.
    pub fn close(&mut self) {
        let mut shared = self.shared.lock();
        shared.closed = true;
        let sender = shared.sender.take();
        drop(shared);
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Closed>> {
        if coop::poll_proceed(context).is_pending() {
            return Poll::Pending;
        }
        // Cloned and dropped outside the lock: it is user code.
        let mut spare = None;
        loop {
            let mut shared = self.shared.lock();
            if let Some(value) = shared.value.take() {
                return Poll::Ready(Ok(value));
            }
            if shared.sent {
                return Poll::Ready(Err(Closed));
            }
            if shared.receiver.as_ref().is_some_and(|own| own.will_wake(context.waker())) {
                return Poll::Pending;
            }
            if spare.is_some() {
                let old = std::mem::replace(&mut shared.receiver, spare);
                drop(shared);
                drop(old);
                return Poll::Pending;
            }
            drop(shared);
            spare = Some(context.waker().clone());
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
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
