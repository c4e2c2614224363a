//! Each value to all receivers.
//!
//! Values stand in one row under one lock, numbered without end. A receiver is the number of the value
//! it reads next. What always holds when nobody has the lock:
//! * The row holds no more than `capacity` values: the oldest make room for new ones, and a receiver
//!   that had not read them is told how many it missed.
//! * `unread` of a value is how many receivers have it before them; at zero it is gone from the row's
//!   front. So what all have read takes no memory.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::sync::Mutex;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Makes a channel in which each receiver gets each value that is sent after it was made.
///
/// Sending never waits: a receiver that falls more than `capacity` values behind loses the oldest, and
/// is told so.
///
/// ```
/// use corrente_sync::broadcast;
/// # futures_lite::future::block_on(async {
/// let (sender, mut one) = broadcast::channel(16);
/// let mut other = sender.subscribe();
/// sender.send("news").unwrap();
/// assert_eq!(one.recv().await, Ok("news"));
/// assert_eq!(other.recv().await, Ok("news"));
/// drop(sender);
/// assert_eq!(one.recv().await, Err(broadcast::RecvError::Closed));
/// # });
/// ```
///
/// # Panics
/// If `capacity` is zero.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel needs room for at least one value");
    let row = Row {
        values: VecDeque::new(),
        first: 0,
        capacity,
        receivers: 0,
        senders: 1,
        line: List::new(),
    };
    let sender = Sender { row: Arc::new(Mutex::new(row)) };
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Row<T> {
    values: VecDeque<Value<T>>,
    /// The number of the first value.
    first: u64,
    capacity: usize,
    receivers: usize,
    senders: usize,
    /// Receivers that have read all.
    line: List<()>,
}

struct Value<T> {
    value: Arc<T>,
    unread: usize,
}

/// Sends to all receivers.
pub struct Sender<T> {
    row: Arc<Mutex<Row<T>>>,
}

/// Receives each value that was sent after it was made.
pub struct Receiver<T> {
    row: Arc<Mutex<Row<T>>>,
    next: u64,
}

/// There is no receiver. It holds the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(
    /// What nobody would have received.
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

/// Why [`Receiver::recv`] has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// So many values made room for newer ones before they were received. The next call goes on with
    /// the oldest that is left.
    Lagged(u64),
    /// All senders are gone, and all values received.
    Closed,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(missed) => {
                write!(f, "the receiver was too slow and missed {missed} values")
            }
            Self::Closed => f.write_str("all senders are gone"),
        }
    }
}

impl Error for RecvError {}

/// Why [`Receiver::try_recv`] has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is none now.
    Empty,
    /// As [`RecvError::Lagged`].
    Lagged(u64),
    /// As [`RecvError::Closed`].
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("no new value"),
            Self::Lagged(missed) => RecvError::Lagged(missed).fmt(f),
            Self::Closed => RecvError::Closed.fmt(f),
        }
    }
}

impl Error for TryRecvError {}

impl<T> Sender<T> {
    /// Sends `value` to all receivers there are; says how many. Never waits.
    ///
    /// # Errors
    /// [`SendError`], with the value, if there is none.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        // Outlives the lock: dropping a value is user code.
        let _oldest;
        let mut held = Held::lock(&self.row);
        let (row, wakers) = held.parts();
        if row.receivers == 0 {
            return Err(SendError(value));
        }
        _oldest = row.push(Arc::new(value));
        row.line.grant_all(wakers);
        Ok(row.receivers)
    }

    /// A new receiver, for what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let mut row = self.row.lock();
        row.receivers += 1;
        Receiver { next: row.end(), row: Arc::clone(&self.row) }
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.row.lock().receivers
    }
}

impl<T> Row<T> {
    /// The number of the value that is sent next.
    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }

    /// Adds a value. Gives back the one that had to make room.
    fn push(&mut self, value: Arc<T>) -> Option<Arc<T>> {
        let full = self.values.len() == self.capacity;
        let oldest = if full { self.pop() } else { None };
        self.values.push_back(Value { value, unread: self.receivers });
        oldest
    }

    fn pop(&mut self) -> Option<Arc<T>> {
        let value = self.values.pop_front()?;
        self.first += 1;
        Some(value.value)
    }

    /// What a receiver finds that reads `next`; it goes on to the one after. `None`: nothing new.
    fn read(&mut self, next: &mut u64) -> Option<Result<Arc<T>, RecvError>> {
        let Some(index) = next.checked_sub(self.first) else {
            let missed = self.first - *next;
            *next = self.first;
            return Some(Err(RecvError::Lagged(missed)));
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(value) = self.values.get_mut(index) else {
            return (self.senders == 0).then_some(Err(RecvError::Closed));
        };
        *next += 1;
        value.unread -= 1;
        if value.unread > 0 {
            return Some(Ok(Arc::clone(&value.value)));
        }
        // All have read it. Who has not read an earlier one has not read this one either: it is the first.
        self.pop().map(Ok)
    }

    /// A receiver goes that would have read `next`. Gives back what nobody is going to read.
    fn leave(&mut self, next: u64) -> Vec<Arc<T>> {
        self.receivers -= 1;
        let read = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for value in self.values.iter_mut().skip(read) {
            value.unread -= 1;
        }
        let mut unwanted = Vec::new();
        while self.values.front().is_some_and(|first| first.unread == 0) {
            unwanted.extend(self.pop());
        }
        unwanted
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.row.lock().senders += 1;
        Self { row: Arc::clone(&self.row) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut held = Held::lock(&self.row);
        let (row, wakers) = held.parts();
        row.senders -= 1;
        if row.senders == 0 {
            row.line.grant_all(wakers);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers = self.receiver_count();
        f.debug_struct("Sender").field("receivers", &receivers).finish_non_exhaustive()
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next value.
    ///
    /// # Errors
    /// [`RecvError`] if values were missed, or if all senders are gone and nothing is left.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no value was taken.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        // The clone is made outside the lock, and is none if this is the last one to read.
        Wait::new(&*self.row, Read { next: &mut self.next }).await.map(Arc::unwrap_or_clone)
    }

    /// The next value, if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError`] if there is none, or if values were missed.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let read = self.row.lock().read(&mut self.next);
        match read {
            Some(Ok(value)) => Ok(Arc::unwrap_or_clone(value)),
            Some(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
            Some(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }
}

/// A second receiver that stands where this one stands.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let mut row = self.row.lock();
        row.receivers += 1;
        let read = usize::try_from(self.next.saturating_sub(row.first)).unwrap_or(usize::MAX);
        for value in row.values.iter_mut().skip(read) {
            value.unread += 1;
        }
        Self { row: Arc::clone(&self.row), next: self.next }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Two statements: the values are dropped outside the lock.
        let unwanted = self.row.lock().leave(self.next);
        drop(unwanted);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// Waits for the value with the number `next`.
struct Read<'a> {
    next: &'a mut u64,
}

impl<T> Act<Mutex<Row<T>>> for Read<'_> {
    type Shared = Row<T>;
    type Want = ();
    type Output = Result<Arc<T>, RecvError>;

    fn mutex(home: &Mutex<Row<T>>) -> &Mutex<Row<T>> {
        home
    }

    fn what(_: &Mutex<Row<T>>) -> What {
        What::Broadcast
    }

    fn line(row: &mut Row<T>) -> &mut List<()> {
        &mut row.line
    }

    fn try_now(&mut self, home: &Mutex<Row<T>>) -> Option<Self::Output> {
        home.lock().read(self.next)
    }

    fn enter(
        &mut self,
        _: &Mutex<Row<T>>,
        held: &mut Held<'_, Row<T>>,
    ) -> Entered<Self::Output, ()> {
        held.parts().0.read(self.next).map_or(Entered::Wait(()), Entered::Done)
    }

    fn claim(
        &mut self,
        _: &Mutex<Row<T>>,
        held: &mut Held<'_, Row<T>>,
        (): (),
    ) -> Option<Self::Output> {
        held.parts().0.read(self.next)
    }

    /// A value that was sent is for all: nothing to give back.
    fn give_back(_: &Mutex<Row<T>>, _: &mut Held<'_, Row<T>>, (): ()) {}

    fn settle(_: &Mutex<Row<T>>, _: &mut Held<'_, Row<T>>) {}
}
