//! Limits on time: interrupt what runs inside, let it clean up, and say that the time was over.
//!
//! A [`Timeout`] is a scope with a timer. When the time is over it interrupts what runs *below* it, as a
//! cancel would, counted in the task; the clean-ups run to their ends; and at its own edge it takes the
//! count back and decides: if no request from outside has come in the meantime the interruption was its
//! own and becomes [`TimeoutError`], else the cancel goes on outwards. (asyncio's rule, with the aim of a
//! trio scope: branches that run beside it are not touched.)

use crate::runtime::current;
use crate::time::Sleep;
use corrente_task::{
    Cancelled, CatchCancel, Resume, TaskRef, cancelling_here, catch_cancel, current as current_task,
};
use corrente_timer::Tick;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The time was over. asyncio: `TimeoutError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutError(());

impl TimeoutError {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before it had ended")
    }
}

impl std::error::Error for TimeoutError {}

impl From<TimeoutError> for std::io::Error {
    fn from(error: TimeoutError) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, error)
    }
}

/// Runs `future` for at most `limit`; `None` is no limit.
///
/// When the time is over `future` is interrupted where it waits, as by a cancel: its clean-ups
/// ([`with_cleanup`](crate::with_cleanup)) run to their ends before the error comes out. If it catches the
/// interruption and ends with a value, the value wins. A zero limit lets it run to its first suspension.
/// The time counts from the first poll. asyncio: `timeout(delay)`.
///
/// # Errors
///
/// [`TimeoutError`], if `future` was interrupted by the end of the time.
///
/// # Panics
///
/// Awaited outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it drops `future`.
///
/// # Examples
///
/// ```
/// use corrente::{sleep, timeout};
/// use std::time::Duration;
///
/// corrente::run(async {
///     let late = timeout(Duration::from_millis(1), sleep(Duration::from_secs(60))).await;
///     assert!(late.is_err());
///     let in_time = timeout(Duration::from_secs(60), async { 7 }).await;
///     assert_eq!(in_time, Ok(7));
/// });
/// ```
pub fn timeout<F: IntoFuture>(
    limit: impl Into<Option<Duration>>,
    future: F,
) -> Timeout<F::IntoFuture> {
    let limit = limit.into().map_or(Limit::None, Limit::After);
    Timeout::new(limit, future.into_future(), None)
}

/// [`timeout`] with the end as a time of the runtime's clock ([`Handle::time`](crate::Handle::time)).
///
/// asyncio: `timeout_at(when)`.
///
/// # Errors
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// Dropping it drops `future`.
pub fn timeout_at<F: IntoFuture>(
    when: impl Into<Option<Duration>>,
    future: F,
) -> Timeout<F::IntoFuture> {
    let limit = when.into().map_or(Limit::None, |when| Limit::At(Tick::ceil(when)));
    Timeout::new(limit, future.into_future(), None)
}

/// Waits for `future` for at most `limit`, then cancels it *and waits for it*.
///
/// The same as [`timeout`] with the arguments in asyncio's order, but with a limit of zero the future is
/// not even started. asyncio: `wait_for(aw, timeout)`. Unlike there a limit of zero gives the error also
/// for a task that is done: ask [`done`](crate::TaskRef::done) first.
///
/// # Errors
///
/// [`TimeoutError`], if the time was over first.
///
/// # Cancel safety
///
/// Dropping it drops `future`.
pub async fn wait_for<F: IntoFuture>(
    future: F,
    limit: impl Into<Option<Duration>>,
) -> Result<F::Output, TimeoutError> {
    match limit.into() {
        Some(limit) if limit.is_zero() => Err(TimeoutError::new()),
        limit => timeout(limit, future).await,
    }
}

/// [`timeout`] for a block that may look at its deadline, and move it.
///
/// asyncio: `async with timeout(delay) as t`.
///
/// # Errors
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// Dropping it drops the block.
///
/// # Examples
///
/// ```
/// use corrente::{sleep, timeout_scope};
/// use std::time::Duration;
///
/// corrente::run(async {
///     let done = timeout_scope(Duration::from_millis(5), async |deadline| {
///         deadline.reschedule(None).unwrap();
///         sleep(Duration::from_millis(10)).await;
///         "no hurry"
///     });
///     assert_eq!(done.await, Ok("no hurry"));
/// });
/// ```
pub fn timeout_scope<B: Future>(
    limit: impl Into<Option<Duration>>,
    block: impl FnOnce(Deadline) -> B,
) -> Timeout<B> {
    let limit = limit.into().map_or(Limit::None, Limit::After);
    let deadline = Deadline::default();
    Timeout::new(limit, block(deadline.clone()), Some(deadline))
}

/// [`timeout_scope`] with the end as a time of the runtime's clock.
///
/// # Errors
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// Dropping it drops the block.
pub fn timeout_scope_at<B: Future>(
    when: impl Into<Option<Duration>>,
    block: impl FnOnce(Deadline) -> B,
) -> Timeout<B> {
    let limit = when.into().map_or(Limit::None, |when| Limit::At(Tick::ceil(when)));
    let deadline = Deadline::default();
    Timeout::new(limit, block(deadline.clone()), Some(deadline))
}

#[derive(Clone, Copy)]
enum Limit {
    None,
    After(Duration),
    At(Tick),
}

/// Where a timeout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Created,
    Running,
    /// The time is over, and what runs inside was interrupted.
    Expired,
    Ended,
    /// Ended after the time was over.
    EndedExpired,
}

pin_project! {
    /// The future of [`timeout`] and its kin.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Timeout<F> {
        #[pin]
        inner: CatchCancel<F>,
        limit: Limit,
        phase: Phase,
        // The time is over, but the block is to have the round to itself that it has begun.
        due: bool,
        timer: Option<Sleep>,
        // Requests that the task had when this began.
        before: u32,
        restore: Restore,
        leaving: Option<Resume>,
        deadline: Option<Deadline>,
    }
}

impl<F: Future> Timeout<F> {
    fn new(limit: Limit, future: F, deadline: Option<Deadline>) -> Self {
        Self {
            inner: catch_cancel(future),
            limit,
            phase: Phase::Created,
            due: false,
            timer: None,
            before: 0,
            restore: Restore(None),
            leaving: None,
            deadline,
        }
    }
}

/// Takes the request of an expired timeout back, at the latest when the timeout goes.
struct Restore(Option<TaskRef>);

impl Restore {
    /// True if there was a request to take back.
    fn take_back(&mut self) -> bool {
        self.0.take().map(|task| task.uncancel()).is_some()
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(leaving) = this.leaving {
            return never(Pin::new(leaving).poll(cx));
        }
        if *this.phase == Phase::Created {
            *this.phase = Phase::Running;
            *this.before = cancelling_here();
            let due = match *this.limit {
                Limit::None => None,
                Limit::At(tick) => Some(tick),
                Limit::After(limit) => {
                    Some(current::with("timeout", |handle| handle.clock().after(limit)))
                }
            };
            if let Some(deadline) = this.deadline {
                deadline.enter(due);
            }
            *this.timer = due.map(Sleep::at);
        } else if *this.phase == Phase::Running
            && (*this.due || is_over(this.timer, this.deadline, cx))
        {
            *this.phase = Phase::Expired;
            *this.timer = None;
            if let Some(deadline) = this.deadline {
                deadline.leave(Phase::Expired);
            }
            if this.inner.as_mut().interrupt(None) {
                this.restore.0 = current_task();
            } else {
                // Outside of every task there is nobody to interrupt: the future is dropped with us.
                return Poll::Ready(Err(TimeoutError::new()));
            }
        }
        let ended = match this.inner.poll(cx) {
            Poll::Ready(ended) => ended,
            Poll::Pending => {
                // A deadline that has passed already interrupts in the next round, as any later one.
                if *this.phase == Phase::Running && is_over(this.timer, this.deadline, cx) {
                    *this.due = true;
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        };
        let expired = *this.phase == Phase::Expired;
        *this.phase = if expired { Phase::EndedExpired } else { Phase::Ended };
        *this.timer = None;
        if let Some(deadline) = this.deadline {
            deadline.leave(*this.phase);
        }
        let own = this.restore.take_back();
        match ended {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(_) if own && cancelling_here() <= *this.before => {
                Poll::Ready(Err(TimeoutError::new()))
            }
            Err(cancelled) => go_on(this.leaving, cancelled, cx),
        }
    }
}

fn go_on<T>(leaving: &mut Option<Resume>, cancelled: Cancelled, cx: &mut Context<'_>) -> Poll<T> {
    never(Pin::new(leaving.insert(cancelled.resume())).poll(cx))
}

fn never<T>(poll: Poll<std::convert::Infallible>) -> Poll<T> {
    poll.map(|never| match never {})
}

/// Polls the timer, after moving it to where the block wants it.
fn is_over(timer: &mut Option<Sleep>, deadline: &Option<Deadline>, cx: &mut Context<'_>) -> bool {
    if let Some(moved) = deadline.as_ref().and_then(|deadline| deadline.moved(cx)) {
        match (&mut *timer, moved) {
            (Some(timer), Some(when)) => timer.reset(when),
            (_, when) => *timer = when.map(Sleep::at),
        }
    }
    timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready())
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeout({:?})", self.phase)
    }
}

/// The deadline of a [`timeout_scope`], to look at and to move. asyncio: the `Timeout` object.
#[derive(Clone, Default, Debug)]
pub struct Deadline {
    state: Arc<Mutex<State>>,
}

#[derive(Default, Debug)]
struct State {
    phase: Phase,
    when: Option<Tick>,
    moved: bool,
    waker: Option<Waker>,
}

/// The deadline cannot be moved (any more). asyncio: the `RuntimeError` of `reschedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlineError(&'static str);

impl fmt::Display for DeadlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a deadline can be moved only while its block runs: it has {}", self.0)
    }
}

impl std::error::Error for DeadlineError {}

impl Deadline {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, when: Option<Tick>) {
        let mut state = self.lock();
        state.phase = Phase::Running;
        state.when = when;
    }

    fn leave(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        drop(state.waker.take());
    }

    /// The new deadline, if it was moved since this was asked last.
    fn moved(&self, cx: &Context<'_>) -> Option<Option<Tick>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let old = state.waker.replace(waker);
        let moved = std::mem::take(&mut state.moved).then_some(state.when);
        drop(state);
        drop(old);
        moved
    }

    /// When the block will be interrupted, as a time of the runtime's clock. asyncio: `when()`.
    pub fn when(&self) -> Option<Duration> {
        self.lock().when.map(Tick::since_origin)
    }

    /// True if the time was over before the block had ended. asyncio: `expired()`.
    pub fn expired(&self) -> bool {
        matches!(self.lock().phase, Phase::Expired | Phase::EndedExpired)
    }

    /// Moves the deadline; `None` lifts it. One that has passed interrupts at once. asyncio: `reschedule`.
    ///
    /// # Errors
    ///
    /// [`DeadlineError`], if the block has not begun, is being interrupted, or has ended.
    pub fn reschedule(&self, when: impl Into<Option<Duration>>) -> Result<(), DeadlineError> {
        let waker = {
            let mut state = self.lock();
            match state.phase {
                Phase::Running => {}
                Phase::Created => return Err(DeadlineError("not begun")),
                Phase::Expired => return Err(DeadlineError("expired")),
                Phase::Ended | Phase::EndedExpired => return Err(DeadlineError("ended")),
            }
            state.when = when.into().map(Tick::ceil);
            state.moved = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}
