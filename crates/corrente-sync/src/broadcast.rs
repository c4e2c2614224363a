//! Each value to all receivers.
//!
//! Values stand in one row under one lock, numbered without end. A receiver is the number of the value
//! it reads next, and a handful of values that it has taken from the row at one stroke, so that it need not come to
//! the lock for each. What always holds when nobody has the lock:
//! * The row holds no more than `capacity` values: the oldest make room for new ones.
//! * `untaken` of a value is how many receivers have not taken it; at zero it is gone from the row's
//!   front. So what all have read takes no memory.
//!
//! What a receiver has missed is a matter of numbers alone, whether it has taken it or not: all that lies more than
//! `capacity` behind the newest. So nobody can tell how many it takes at once.

use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::atomic::{AtomicU64, Ordering};
use corrente_shim::sync::Mutex;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A receiver takes so many values at once.
const HANDFUL: usize = 16;

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
    let row =
        Row { values: VecDeque::new(), first: 0, receivers: 0, senders: 1, line: List::new() };
    let channel = Channel { end: AtomicU64::new(0), row: Mutex::new(row), capacity };
    let sender = Sender { channel: Arc::new(channel) };
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Channel<T> {
    /// The number of the value that is sent next. Changes only under the lock.
    end: AtomicU64,
    row: Mutex<Row<T>>,
    capacity: usize,
}

struct Row<T> {
    values: VecDeque<Value<T>>,
    /// The number of the first value.
    first: u64,
    receivers: usize,
    senders: usize,
    /// Receivers that have taken all.
    line: List<()>,
}

struct Value<T> {
    value: Arc<T>,
    untaken: usize,
}

/// Sends to all receivers.
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

/// Receives each value that was sent after it was made.
///
/// It may keep up to 16 of the oldest alive that it has not received, beside the `capacity` that the channel keeps.
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
    place: Place<T>,
}

/// Where a receiver is.
struct Place<T> {
    /// The number of the value that it reads next.
    next: u64,
    /// What it has taken: the value `next` and those after it.
    taken: VecDeque<Arc<T>>,
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
        let value = Arc::new(value);
        let mut held = Held::lock(&self.channel.row);
        let (row, wakers) = held.parts();
        if row.receivers == 0 {
            return Err(SendError(Arc::into_inner(value).expect("nobody else has it")));
        }
        _oldest = row.push(value, self.channel.capacity);
        // Relaxed: a number. The values themselves are under the lock.
        self.channel.end.store(row.end(), Ordering::Relaxed);
        row.line.grant_all(wakers);
        Ok(row.receivers)
    }

    /// A new receiver, for what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        let mut row = self.channel.row.lock();
        row.receivers += 1;
        let place = Place { next: row.end(), taken: VecDeque::new() };
        Receiver { place, channel: Arc::clone(&self.channel) }
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.row.lock().receivers
    }
}

impl<T> Channel<T> {
    /// What a receiver finds that finds nothing by [`Place::pop`]. `None`: nothing new.
    #[inline(never)]
    fn read(&self, place: &mut Place<T>) -> Option<Result<Arc<T>, RecvError>> {
        match place.missed(self) {
            0 => self.row.lock().read(place),
            missed => Some(Err(place.skip(missed))),
        }
    }
}

impl<T> Row<T> {
    /// The number of the value that is sent next.
    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }

    /// Adds a value. Gives back the one that had to make room.
    fn push(&mut self, value: Arc<T>, capacity: usize) -> Option<Arc<T>> {
        let full = self.values.len() == capacity;
        let oldest = if full { self.pop() } else { None };
        self.values.push_back(Value { value, untaken: self.receivers });
        oldest
    }

    fn pop(&mut self) -> Option<Arc<T>> {
        let value = self.values.pop_front()?;
        self.first += 1;
        Some(value.value)
    }

    /// What a receiver finds that has read all it had taken: it takes a handful. `None`: nothing new.
    fn read(&mut self, place: &mut Place<T>) -> Option<Result<Arc<T>, RecvError>> {
        let Some(index) = place.next.checked_sub(self.first) else {
            return Some(Err(place.skip(self.first - place.next)));
        };
        let mut index = usize::try_from(index).unwrap_or(usize::MAX);
        while let Some(value) = self.values.get_mut(index).filter(|_| place.taken.len() < HANDFUL) {
            value.untaken -= 1;
            if value.untaken > 0 {
                place.taken.push_back(Arc::clone(&value.value));
                index += 1;
            } else {
                // All have taken it. Who has not taken an earlier one has not taken this one either: it is the first.
                place.taken.extend(self.pop());
            }
        }
        match place.taken.pop_front() {
            Some(value) => {
                place.next += 1;
                Some(Ok(value))
            }
            None => (self.senders == 0).then_some(Err(RecvError::Closed)),
        }
    }

    /// Those that a receiver at `place` has not taken.
    fn untaken(&mut self, place: &Place<T>) -> impl Iterator<Item = &mut Value<T>> {
        let next = place.next + place.taken.len() as u64;
        let taken = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.values.iter_mut().skip(taken)
    }

    /// A receiver goes. Gives back what nobody is going to read.
    fn leave(&mut self, place: &Place<T>) -> Vec<Arc<T>> {
        self.receivers -= 1;
        self.untaken(place).for_each(|value| value.untaken -= 1);
        let mut unwanted = Vec::new();
        while self.values.front().is_some_and(|first| first.untaken == 0) {
            unwanted.extend(self.pop());
        }
        unwanted
    }
}

impl<T> Place<T> {
    /// The value that it reads next, if it has taken it and has missed nothing.
    #[inline]
    fn pop(&mut self, channel: &Channel<T>) -> Option<Arc<T>> {
        if self.taken.is_empty() || self.missed(channel) > 0 {
            return None;
        }
        self.next += 1;
        self.taken.pop_front()
    }

    /// How many values, from `next` on, have made room for newer ones.
    #[inline]
    fn missed(&self, channel: &Channel<T>) -> u64 {
        // Relaxed: who knows of a send by whatever means does not see an earlier number.
        let behind = channel.end.load(Ordering::Relaxed) - self.next;
        behind.saturating_sub(channel.capacity as u64)
    }

    /// Goes on behind what it has missed.
    #[cold]
    fn skip(&mut self, missed: u64) -> RecvError {
        self.next += missed;
        let taken = usize::try_from(missed).unwrap_or(usize::MAX).min(self.taken.len());
        self.taken.drain(..taken);
        RecvError::Lagged(missed)
    }
}

/// The value itself: it is cloned unless nobody else is going to read it.
#[inline]
fn unwrap<T: Clone>(value: Arc<T>) -> T {
    // Looks before it tries, since the others read, too, and a failed try is not cheap.
    if Arc::strong_count(&value) == 1 { Arc::unwrap_or_clone(value) } else { (*value).clone() }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.channel.row.lock().senders += 1;
        Self { channel: Arc::clone(&self.channel) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut held = Held::lock(&self.channel.row);
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
        // The clone is made outside the lock.
        Wait::new(&*self.channel, Read { place: &mut self.place }).await.map(unwrap)
    }

    /// The next value, if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError`] if there is none, or if values were missed.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let taken = self.place.pop(&self.channel).map(Ok);
        match taken.or_else(|| self.channel.read(&mut self.place)) {
            Some(Ok(value)) => Ok(unwrap(value)),
            Some(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
            Some(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }
}

/// A second receiver that stands where this one stands.
impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let mut row = self.channel.row.lock();
        row.receivers += 1;
        row.untaken(&self.place).for_each(|value| value.untaken += 1);
        let place = Place { next: self.place.next, taken: self.place.taken.clone() };
        Self { channel: Arc::clone(&self.channel), place }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Two statements: the values are dropped outside the lock.
        let unwanted = self.channel.row.lock().leave(&self.place);
        drop(unwanted);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// Waits for the next value.
struct Read<'a, T> {
    place: &'a mut Place<T>,
}

impl<T> Act<Channel<T>> for Read<'_, T> {
    type Shared = Row<T>;
    type Want = ();
    type Output = Result<Arc<T>, RecvError>;

    fn mutex(home: &Channel<T>) -> &Mutex<Row<T>> {
        &home.row
    }

    fn what(_: &Channel<T>) -> What {
        What::Broadcast
    }

    fn line(row: &mut Row<T>) -> &mut List<()> {
        &mut row.line
    }

    #[inline]
    fn try_now(&mut self, home: &Channel<T>) -> Option<Self::Output> {
        match self.place.pop(home) {
            Some(value) => Some(Ok(value)),
            None => home.read(self.place),
        }
    }

    fn enter(&mut self, _: &Channel<T>, held: &mut Held<'_, Row<T>>) -> Entered<Self::Output, ()> {
        held.parts().0.read(self.place).map_or(Entered::Wait(()), Entered::Done)
    }

    fn claim(
        &mut self,
        _: &Channel<T>,
        held: &mut Held<'_, Row<T>>,
        (): (),
    ) -> Option<Self::Output> {
        held.parts().0.read(self.place)
    }

    /// A value that was sent is for all: nothing to give back.
    fn give_back(_: &Channel<T>, _: &mut Held<'_, Row<T>>, (): ()) {}

    fn settle(_: &Channel<T>, _: &mut Held<'_, Row<T>>) {}
}
