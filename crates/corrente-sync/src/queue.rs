//! asyncio's queues: first in first out, last in first out, smallest first.
//!
//! The three types differ only in the store that holds the items; what they do is written once, in
//! `queue/core.rs`, and their public methods once, in the macro below.

mod core;
mod error;
mod front;
mod store;

pub use error::{GetNowaitError, PutNowaitError, QueueShutDown, TooManyDone};

use self::core::{Core, Items};
use self::store::{Fifo, Lifo, Priority};
use futures_core::Stream;
use std::fmt;

/// A queue: first in, first out.
///
/// Any number of tasks put and get. With a `maxsize`, [`put`](Self::put) waits while the queue is full.
/// Those who wait are served first come, first served: what a waiter was woken for is kept for it, and a
/// `get` or `put` that comes later does not take it. The `_nowait` forms look at the queue, not at the
/// line, as in asyncio; a waiter whose item or place was taken so goes on waiting as the first in line.
///
/// ```
/// use corrente_sync::Queue;
/// # futures_lite::future::block_on(async {
/// let queue = Queue::new(2);
/// queue.put("a").await?;
/// queue.put_nowait("b").unwrap();
/// assert!(queue.full());
/// assert_eq!(queue.get().await?, "a");
/// assert_eq!(queue.get().await?, "b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// Worked off by several tasks, until all is done:
///
/// ```
/// use corrente_sync::Queue;
/// # futures_lite::future::block_on(async {
/// let queue = Queue::unbounded();
/// for number in 1..=3 {
///     queue.put_nowait(number).unwrap();
/// }
/// let worker = async {
///     let mut sum = 0;
///     while let Ok(number) = queue.get().await {
///         sum += number;
///         queue.task_done().unwrap();
///     }
///     sum
/// };
/// let boss = async {
///     queue.join().await;
///     queue.shutdown(false);
/// };
/// let (sum, ()) = futures_lite::future::zip(worker, boss).await;
/// assert_eq!(sum, 6);
/// # });
/// ```
///
/// asyncio: `asyncio.Queue`.
#[doc(alias = "asyncio.Queue")]
#[doc(alias = "channel")]
#[doc(alias = "mpsc")]
pub struct Queue<T>(Core<Fifo<T>>);

/// A queue that hands out what was put in last.
///
/// ```
/// use corrente_sync::LifoQueue;
/// # futures_lite::future::block_on(async {
/// let stack = LifoQueue::unbounded();
/// stack.put_nowait(1).unwrap();
/// stack.put_nowait(2).unwrap();
/// assert_eq!(stack.get().await, Ok(2));
/// # });
/// ```
///
/// In all else it is a [`Queue`]. asyncio: `asyncio.LifoQueue`.
#[doc(alias = "asyncio.LifoQueue")]
#[doc(alias = "stack")]
pub struct LifoQueue<T>(Core<Lifo<T>>);

/// A queue that hands out the smallest item first; equal ones in any order.
///
/// A woken getter takes what is the smallest *then*. Items are compared under the queue's lock: `Ord`
/// must not use the queue itself.
///
/// ```
/// use corrente_sync::PriorityQueue;
/// # futures_lite::future::block_on(async {
/// let queue = PriorityQueue::unbounded();
/// queue.put_nowait((2, "later")).unwrap();
/// queue.put_nowait((1, "first")).unwrap();
/// assert_eq!(queue.get().await, Ok((1, "first")));
/// # });
/// ```
///
/// In all else it is a [`Queue`]. asyncio: `asyncio.PriorityQueue`.
#[doc(alias = "asyncio.PriorityQueue")]
#[doc(alias = "heap")]
pub struct PriorityQueue<T: Ord>(Core<Priority<T>>);

macro_rules! queue_methods {
    ($queue:ident, $item:ident $(: $bound:ident)?) => {
        impl<$item $(: $bound)?> $queue<$item> {
            /// An empty queue for at most `maxsize` items; 0 means without limit.
            pub fn new(maxsize: usize) -> Self {
                Self(Core::new(maxsize))
            }

            /// An empty queue without limit.
            pub fn unbounded() -> Self {
                Self::new(0)
            }

            /// Puts `item`; waits while the queue is full.
            ///
            /// # Errors
            /// [`QueueShutDown`], with the item, if the queue is shut down, also while this waits.
            ///
            /// # Cancel safety
            /// If the future is dropped before it is ready, the item was not put and is dropped with
            /// it. A place that was kept for it goes on to the next putter.
            #[doc(alias = "send")]
            #[inline]
            pub async fn put(&self, item: $item) -> Result<(), QueueShutDown<$item>> {
                self.0.put(item).await
            }

            /// Gets an item; waits while there is none.
            ///
            /// # Errors
            /// [`QueueShutDown`] if the queue is shut down and has no items left, also while this waits.
            ///
            /// # Cancel safety
            /// If the future is dropped before it is ready, no item was taken. An item that was kept
            /// for it goes on to the next getter.
            #[doc(alias = "recv")]
            #[inline]
            pub async fn get(&self) -> Result<$item, QueueShutDown> {
                self.0.get().await
            }

            /// Puts `item` if there is room now.
            ///
            /// # Errors
            /// [`PutNowaitError`], with the item, if the queue is full or shut down.
            #[doc(alias = "try_send")]
            #[inline]
            pub fn put_nowait(&self, item: $item) -> Result<(), PutNowaitError<$item>> {
                self.0.put_nowait(item)
            }

            /// Gets an item if there is one now.
            ///
            /// # Errors
            /// [`GetNowaitError`] if there is none.
            #[doc(alias = "try_recv")]
            #[inline]
            pub fn get_nowait(&self) -> Result<$item, GetNowaitError> {
                self.0.get_nowait()
            }

            /// Says that the work on an item that was got is done. Each item is reported once; when all
            /// that were put are reported, [`join`](Self::join) goes on.
            ///
            /// # Errors
            /// [`TooManyDone`] if no item is unreported.
            pub fn task_done(&self) -> Result<(), TooManyDone> {
                self.0.task_done()
            }

            /// Waits until all items that were put are reported by [`task_done`](Self::task_done).
            ///
            /// # Cancel safety
            /// Dropping the future only leaves the line.
            pub async fn join(&self) {
                self.0.join().await
            }

            /// Ends the queue: every put fails from now on, also one that waits; every get fails when
            /// the items are used up. With `immediate` the items are dropped, and count as reported.
            #[doc(alias = "close")]
            pub fn shutdown(&self, immediate: bool) {
                self.0.shut_down(immediate);
            }

            /// True after [`shutdown`](Self::shutdown).
            #[doc(alias = "is_closed")]
            pub fn is_shutdown(&self) -> bool {
                self.0.is_shut_down()
            }

            /// The items as they come, until the queue is shut down and drained.
            ///
            /// # Cancel safety
            /// An item that was not given out stays in the queue, also if the stream is dropped.
            #[doc(alias = "stream")]
            pub fn items(&self) -> impl Stream<Item = $item> + Unpin + use<'_, $item> {
                Items::new(&self.0)
            }

            /// How many items there are.
            #[doc(alias = "len")]
            pub fn qsize(&self) -> usize {
                self.0.len()
            }

            /// True if there is no item.
            #[doc(alias = "is_empty")]
            pub fn empty(&self) -> bool {
                self.qsize() == 0
            }

            /// True if there is no room.
            #[doc(alias = "is_full")]
            pub fn full(&self) -> bool {
                self.0.is_full()
            }

            /// How many items there may be; 0 means without limit.
            #[doc(alias = "capacity")]
            pub fn maxsize(&self) -> usize {
                self.0.maxsize()
            }
        }

        impl<$item $(: $bound)?> fmt::Debug for $queue<$item> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($queue))
                    .field("maxsize", &self.maxsize())
                    .field("qsize", &self.qsize())
                    .field("is_shutdown", &self.is_shutdown())
                    .finish_non_exhaustive()
            }
        }
    };
}

queue_methods!(Queue, T);
queue_methods!(LifoQueue, T);
queue_methods!(PriorityQueue, T: Ord);
