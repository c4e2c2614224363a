//! Limits on time: interrupt what runs inside, let it clean up, and say that the time was over.
//!
//! A [`Timeout`] is a scope with a timer. When the time is over it interrupts what runs *below* it, as a
//! cancel would, counted in the task; the clean-ups run to their ends; and at its own edge it takes the
//! count back and decides: if no request from outside has come in the meantime the interruption was its
//! own and becomes [`TimeoutError`], else the cancel goes on outwards. (asyncio's rule, with the aim of a
//! trio scope: branches that run beside it are not touched.)

use crate::runtime::current;
use corrente_task::{
    CatchCancel, Resume, TaskRef, cancelling_here, catch_cancel, current as current_task,
};
use corrente_timer::{Sleep, Tick};
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
    let limit = Limit::after(limit.into());
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
    let limit = Limit::at(when.into());
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
    let limit = Limit::after(limit.into());
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
    let limit = Limit::at(when.into());
    let deadline = Deadline::default();
    Timeout::new(limit, block(deadline.clone()), Some(deadline))
}

/// In whole words: with a part of one the compiler would copy a new timeout in pieces that overlap, which costs as much
/// as an atomic step each.
#[derive(Clone, Copy)]
enum Limit {
    None,
    /// So many ticks after the first poll.
    After(u64),
    At(Tick),
}

impl Limit {
    fn after(limit: Option<Duration>) -> Self {
        limit.map_or(Self::None, |limit| Self::After(Tick::ceil(limit).as_micros()))
    }

    fn at(when: Option<Duration>) -> Self {
        when.map_or(Self::None, |when| Self::At(Tick::ceil(when)))
    }
}

/// What ends it in time.
enum Timer {
    /// No timer is set, or not yet: a future that is ready at its first poll needs none.
    Unset(Limit),
    Set(Sleep),
}

impl Timer {
    /// The first poll, from which on the time counts. When it will be over.
    #[inline]
    fn begin(&mut self) -> Option<Tick> {
        match *self {
            Self::Unset(Limit::After(limit)) => {
                let now = current::with("timeout", |handle| Tick::ceil(handle.clock().time()));
                // Both are rounded up, so it is not early; a sum out of range is never.
                let due = Tick::from_micros(now.as_micros().saturating_add(limit));
                *self = Self::Unset(Limit::At(due));
                Some(due)
            }
            Self::Unset(Limit::At(due)) => Some(due),
            Self::Unset(Limit::None) | Self::Set(_) => None,
        }
    }

    fn move_to(&mut self, due: Option<Tick>) {
        match (&mut *self, due) {
            (Self::Set(sleep), Some(due)) => sleep.reset(due),
            (_, due) => *self = Self::Unset(due.map_or(Limit::None, Limit::At)),
        }
    }

    /// True if the time is over; else the task is woken when it is.
    #[inline]
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Unset(Limit::At(due)) = *self {
            *self = Self::Set(current::with("timeout", |handle| handle.timer(due)));
        }
        match self {
            Self::Set(sleep) => Pin::new(sleep).poll(cx).is_ready(),
            Self::Unset(_) => false,
        }
    }

    /// True if a poll with the same waker as the last one would change nothing.
    #[inline]
    fn is_waiting(&self) -> bool {
        match self {
            Self::Set(sleep) => sleep.is_waiting(),
            Self::Unset(_) => true,
        }
    }

    #[inline]
    fn stop(&mut self) {
        *self = Self::Unset(Limit::None);
    }
}

/// Where a timeout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u16)] // Leaves no gap in `Progress`.
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
        timer: Timer,
        at: Progress,
        deadline: Option<Deadline>,
        interrupted: Interrupted,
    }
}

/// How far it has come. A whole word, for the reason of [`Limit`].
#[derive(Default)]
#[repr(align(8))]
struct Progress {
    phase: Phase,
    /// The time is over, but the block is to have the round to itself that it has begun.
    due: bool,
    /// The timer has the waker of the task that `inner` was polled by last.
    settled: bool,
    /// Requests that the task had when this began.
    before: u32,
}

impl<F: Future> Timeout<F> {
    fn new(limit: Limit, future: F, deadline: Option<Deadline>) -> Self {
        Self {
            inner: catch_cancel(future),
            timer: Timer::Unset(limit),
            at: Progress::default(),
            deadline,
            interrupted: Interrupted(None),
        }
    }
}

/// What few timeouts need, and none that ends in time.
#[derive(Default)]
struct Interrupted(Option<Box<Leaving>>);

#[derive(Default)]
struct Leaving {
    /// The task whose request is to be taken back, at the latest when the timeout goes.
    restore: Option<TaskRef>,
    /// A cancel that goes on outwards.
    resume: Option<Resume>,
}

impl Interrupted {
    fn leaving(&mut self) -> &mut Leaving {
        self.0.get_or_insert_default()
    }

    /// True if there was a request to take back.
    #[inline]
    fn take_back(&mut self) -> bool {
        let task = self.0.as_mut().and_then(|leaving| leaving.restore.take());
        task.map(|task| task.uncancel()).is_some()
    }
}

impl Drop for Interrupted {
    #[inline]
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(Leaving { resume: Some(resume), .. }) = this.interrupted.0.as_deref_mut() {
            return never(Pin::new(resume).poll(cx));
        }
        // Whether the timer must be looked at after the inner future, too.
        let mut look = this.deadline.is_some();
        if this.at.phase == Phase::Created {
            this.at.phase = Phase::Running;
            this.at.before = cancelling_here();
            let due = this.timer.begin();
            if let Some(deadline) = this.deadline {
                deadline.enter(due);
            }
            look = true;
        } else if this.at.phase == Phase::Running {
            let quiet = this.at.settled && this.timer.is_waiting() && this.inner.is_at_home(cx);
            this.at.settled = quiet;
            if this.at.due || (!quiet || look) && is_over(this.timer, this.deadline, cx) {
                this.at.phase = Phase::Expired;
                this.timer.stop();
                if let Some(deadline) = this.deadline {
                    deadline.leave(Phase::Expired);
                }
                if this.inner.as_mut().interrupt(None) {
                    this.interrupted.leaving().restore = current_task();
                } else {
                    // Outside of every task there is nobody to interrupt: the future is dropped with us.
                    return Poll::Ready(Err(TimeoutError::new()));
                }
            }
        }
        let ended = match this.inner.as_mut().poll(cx) {
            Poll::Ready(ended) => ended,
            Poll::Pending => {
                // A deadline that has passed already interrupts in the next round, as any later one.
                if this.at.phase == Phase::Running {
                    if look && is_over(this.timer, this.deadline, cx) {
                        this.at.due = true;
                        cx.waker().wake_by_ref();
                    }
                    this.at.settled = this.at.settled || this.inner.is_at_home(cx);
                }
                return Poll::Pending;
            }
        };
        let expired = this.at.phase == Phase::Expired;
        this.at.phase = if expired { Phase::EndedExpired } else { Phase::Ended };
        this.timer.stop();
        if let Some(deadline) = this.deadline {
            deadline.leave(this.at.phase);
        }
        let own = this.interrupted.take_back();
        match ended {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(_) if own && cancelling_here() <= this.at.before => {
                Poll::Ready(Err(TimeoutError::new()))
            }
            Err(cancelled) => {
                let resume = this.interrupted.leaving().resume.insert(cancelled.resume());
                never(Pin::new(resume).poll(cx))
            }
        }
    }
}

fn never<T>(poll: Poll<std::convert::Infallible>) -> Poll<T> {
    poll.map(|never| match never {})
}

/// Polls the timer, after moving it to where the block wants it.
#[inline]
fn is_over(timer: &mut Timer, deadline: &Option<Deadline>, cx: &mut Context<'_>) -> bool {
    if let Some(due) = deadline.as_ref().and_then(|deadline| deadline.moved(cx)) {
        timer.move_to(due);
    }
    timer.is_over(cx)
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeout({:?})", self.at.phase)
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
