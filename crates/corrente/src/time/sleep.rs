//! Sleeping for a while.

use crate::runtime::current;
use crate::task::create::{YieldNow, yield_now};
use corrente_timer::Tick;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Suspends the caller for `delay`, and nobody else.
///
/// It never ends early; on an idle machine it ends as late as the operating system's timers are, some tens
/// of microseconds. A zero delay lets the other ready tasks run once. A delay beyond the clock's range is
/// for ever. The time counts from the first poll, as in asyncio, where nothing
/// of a coroutine happens before it is awaited. If its runtime is shut down first it ends at once. asyncio: `sleep(delay)`.
///
/// # Panics
///
/// Awaited outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it removes its timer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// corrente::run(async {
///     corrente::sleep(Duration::from_millis(5)).await;
/// });
/// ```
pub fn sleep(delay: Duration) -> Sleep {
    Sleep { kind: Kind::Fresh(delay) }
}

/// Sleeps until the runtime's clock shows `when` (as [`Handle::time`](crate::Handle::time) does).
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it removes its timer.
pub fn sleep_until(when: Duration) -> Sleep {
    Sleep::at(Tick::ceil(when))
}

/// [`sleep`], then `value`. asyncio: `sleep(delay, result)`.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it removes its timer, and drops the value.
pub fn sleep_with<T>(delay: Duration, value: T) -> SleepWith<T> {
    SleepWith { sleep: sleep(delay), value: Some(value) }
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct Sleep {
    kind: Kind,
}

enum Kind {
    /// Not polled yet.
    Fresh(Duration),
    Yield(YieldNow),
    Timer(corrente_timer::Sleep),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh(_) => "fresh",
            Self::Yield(_) => "yield",
            Self::Timer(_) => "timer",
        })
    }
}

impl Sleep {
    /// A sleep whose time counts from now, and not from its first poll.
    #[track_caller]
    pub(crate) fn from_now(delay: Duration) -> Self {
        let timer = current::with("sleep", |handle| handle.timer(handle.clock().after(delay)));
        Self { kind: Kind::Timer(timer) }
    }

    pub(crate) fn at(deadline: Tick) -> Self {
        let timer = current::with("sleep", |handle| handle.timer(deadline));
        Self { kind: Kind::Timer(timer) }
    }

    /// Moves the end of the sleep to the time `when` of the runtime's clock.
    pub fn reset_at(&mut self, when: Duration) {
        self.reset(Tick::ceil(when));
    }

    pub(crate) fn reset(&mut self, deadline: Tick) {
        match &mut self.kind {
            Kind::Timer(timer) => timer.reset(deadline),
            Kind::Fresh(_) | Kind::Yield(_) => *self = Self::at(deadline),
        }
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Kind::Fresh(delay) = self.kind {
            self.kind = if delay.is_zero() {
                Kind::Yield(yield_now())
            } else {
                let timer =
                    current::with("sleep", |handle| handle.timer(handle.clock().after(delay)));
                Kind::Timer(timer)
            };
        }
        match &mut self.kind {
            Kind::Fresh(_) => unreachable!("replaced just now"),
            Kind::Yield(inner) => Pin::new(inner).poll(cx),
            // Closed timers: the runtime is over, and no time will come. Better to end than to hang.
            Kind::Timer(inner) => Pin::new(inner).poll(cx).map(|_| ()),
        }
    }
}

/// The future of [`sleep_with`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct SleepWith<T> {
    sleep: Sleep,
    value: Option<T>,
}

impl<T> Unpin for SleepWith<T> {}

impl<T> Future for SleepWith<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        std::task::ready!(Pin::new(&mut self.sleep).poll(cx));
        match self.value.take() {
            Some(value) => Poll::Ready(value),
            None => panic!("a sleep was awaited again after it had given its value"),
        }
    }
}
