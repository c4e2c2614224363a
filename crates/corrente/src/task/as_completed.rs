//! Tasks in the order in which they end.
//!
//! Each task is watched by a waker of its own, a [`Ticket`], which on the task's end puts its index on a
//! shared list: so the order is the order of ends, also of those that end while the consumer is busy.

use crate::task::create::ensure_future;
use crate::time::{Sleep, TimeoutError};
use corrente_task::{Finished, Task};
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Gives tasks as they end, the earliest first.
///
/// Futures are made into tasks. Leaving early cancels nothing: what is not taken runs on.
/// asyncio: `as_completed`.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// use corrente::{as_completed, sleep};
/// use std::time::Duration;
///
/// async fn after(ms: u64) -> u64 {
///     sleep(Duration::from_millis(ms)).await;
///     ms
/// }
/// corrente::run(async {
///     let mut order = Vec::new();
///     let mut tasks = as_completed([after(30), after(1), after(15)]);
///     while let Some(task) = tasks.next().await {
///         order.push(task.unwrap().await);
///     }
///     assert_eq!(order, [1, 15, 30]);
/// });
/// ```
#[track_caller]
pub fn as_completed<I>(tasks: I) -> AsCompleted<<I::Item as IntoFuture>::Output>
where
    I: IntoIterator<Item: IntoFuture<IntoFuture: Send + 'static, Output: Send + 'static>>,
{
    let shared = Arc::new(Shared::default());
    let mut seats = Vec::new();
    for future in tasks {
        let task = ensure_future(future);
        let ticket = Waker::from(Arc::new(Ticket { index: seats.len(), shared: shared.clone() }));
        let mut finished = task.finished();
        let mut cx = Context::from_waker(&ticket);
        if Pin::new(&mut finished).poll(&mut cx).is_ready() {
            ticket.wake_by_ref();
        }
        seats.push(Some((task, finished)));
    }
    AsCompleted { left: seats.len(), seats, shared, sleep: None }
}

/// Tasks in the order in which they end: see [`as_completed`].
pub struct AsCompleted<T> {
    seats: Vec<Option<(Task<T>, Finished)>>,
    left: usize,
    shared: Arc<Shared>,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Default)]
struct Shared {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    ended: VecDeque<usize>,
    waiter: Option<Waker>,
}

struct Ticket {
    index: usize,
    shared: Arc<Shared>,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let waiter = {
            let mut list = self.shared.list.lock().unwrap_or_else(PoisonError::into_inner);
            list.ended.push_back(self.index);
            list.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<T> Unpin for AsCompleted<T> {}

impl<T> AsCompleted<T> {
    /// How long all of it may take, counted from this call. asyncio: `timeout=`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.sleep = limit.into().map(|limit| Box::pin(Sleep::from_now(limit)));
        self
    }

    /// The next task to end; None when there are no more.
    ///
    /// # Errors
    ///
    /// [`TimeoutError`], once, if not all ended in time. The rest runs on, undisturbed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no task.
    pub async fn next(&mut self) -> Option<Result<Task<T>, TimeoutError>> {
        poll_fn(|cx| self.poll_task(cx)).await
    }

    /// The same as futures: an iterator with one future for each task, which gives the output of the next
    /// task to end. asyncio: the plain iterator of `as_completed`.
    pub fn futures(self) -> impl Iterator<Item = impl Future<Output = Result<T, TimeoutError>>>
    where
        T: Send + 'static,
    {
        let many = self.left;
        let shared = Arc::new(corrente_sync::Lock::new(self));
        (0..many).map(move |_| {
            let shared = shared.clone();
            async move {
                let next = shared.lock().await.next().await;
                match next {
                    Some(task) => Ok(task?.await),
                    None => Err(TimeoutError::new()),
                }
            }
        })
    }

    fn poll_task(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Task<T>, TimeoutError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let index = {
            let mut list = self.shared.list.lock().unwrap_or_else(PoisonError::into_inner);
            let index = list.ended.pop_front();
            if index.is_none() {
                list.waiter = Some(cx.waker().clone());
            }
            index
        };
        if let Some((task, _)) = index.and_then(|index| self.seats[index].take()) {
            self.left -= 1;
            return Poll::Ready(Some(Ok(task)));
        }
        let over = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        if !over {
            return Poll::Pending;
        }
        // What is left is let go: it runs on.
        self.left = 0;
        self.seats.clear();
        Poll::Ready(Some(Err(TimeoutError::new())))
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = Result<Task<T>, TimeoutError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_task(cx)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left + 1))
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsCompleted({} left)", self.left)
    }
}
