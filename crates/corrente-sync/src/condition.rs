//! Waiting, with a lock given away meanwhile, until somebody says that something has changed.
//!
//! What always holds:
//! * Whoever waits is in the line before it gives the lock away, so that no notification that is made
//!   under the lock after that can miss it.
//! * A notification that was given to a waiter who leaves, by a cancel or by being dropped, goes on to
//!   the next one. Here [`Baton`] keeps that promise from the moment the waiter took note of it.
//! * The lock is taken again before a cancel leaves the wait. [`Condition::wait_in`] is the one place
//!   where that is done.

use crate::diagnostics::What;
use crate::lock::{Guard, Lock, NotLocked};
use crate::wait_queue::{Act, Entered, Held, List, Wait};
use corrente_shim::sync::Mutex;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// A lock, and a line of those who wait, without the lock, for a change of what it guards.
///
/// Whoever changed something calls `notify`. A woken waiter has the lock again and must look whether
/// what it waits for is true now: a wake-up only says that it may be. [`wait_for`] does so.
///
/// ```
/// use corrente_sync::Condition;
/// # futures_lite::future::block_on(async {
/// let jobs = Condition::new(Vec::new());
/// let worker = async {
///     let mut jobs = jobs.lock().await;
///     jobs.wait_for(|jobs| !jobs.is_empty()).await;
///     jobs.pop()
/// };
/// let boss = async {
///     let mut jobs = jobs.lock().await;
///     jobs.push("sweep");
///     jobs.notify(1);
/// };
/// let (job, ()) = futures_lite::future::zip(worker, boss).await;
/// assert_eq!(job, Some("sweep"));
/// # });
/// ```
///
/// asyncio: `asyncio.Condition`. `async with condition:` is [`lock`](Self::lock), whose guard cannot be
/// misused. For asyncio's bare style there are [`acquire`](Self::acquire), [`wait`](Self::wait),
/// [`notify`](Self::notify) and [`release`](Self::release).
///
/// [`wait_for`]: ConditionGuard::wait_for
#[doc(alias = "asyncio.Condition")]
pub struct Condition<T = ()> {
    lock: Arc<Lock<T>>,
    notices: Notices,
}

impl<T> Condition<T> {
    /// A condition with a lock of its own around `value`.
    pub fn new(value: T) -> Self {
        Self::with_lock(Arc::new(Lock::new(value)))
    }

    /// A condition over a lock that others use, too, such as another condition.
    pub fn with_lock(lock: Arc<Lock<T>>) -> Self {
        Self { lock, notices: Notices { line: Mutex::new(List::new()) } }
    }

    /// Waits for the lock. The guard releases it when it is dropped.
    ///
    /// # Cancel safety
    /// That of [`Lock::lock`].
    pub async fn lock(&self) -> ConditionGuard<'_, T> {
        ConditionGuard { condition: self, guard: Some(self.lock.lock().await) }
    }

    /// Takes the lock if it is free and nobody waits for it.
    pub fn try_lock(&self) -> Option<ConditionGuard<'_, T>> {
        Some(ConditionGuard { condition: self, guard: Some(self.lock.try_lock()?) })
    }

    /// True if somebody has the lock; see [`Lock::locked`].
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// Waits for the lock and leaves it locked, without a guard; see [`Lock::acquire`].
    ///
    /// # Cancel safety
    /// That of [`Lock::lock`].
    pub async fn acquire(&self) {
        self.lock.acquire().await;
    }

    /// Gives back what [`acquire`](Self::acquire) took.
    ///
    /// # Errors
    /// [`NotLocked`] if nobody has the lock by [`acquire`](Self::acquire).
    pub fn release(&self) -> Result<(), NotLocked> {
        self.lock.release()
    }

    /// Gives the lock away, waits for a notification, and acquires the lock again: for whoever has it by
    /// [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// [`NotLocked`], at once, if nobody has the lock by [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// A cancel leaves only when the lock is had again. A notification that came meanwhile goes on to
    /// the next waiter. Dropping the future, in place of cancelling its task, leaves the lock released.
    pub async fn wait(&self) -> Result<(), NotLocked> {
        self.wait_in(&mut Hold::Bare(&self.lock)).await
    }

    /// Waits until `predicate` holds, which is asked at once and after each notification: for whoever
    /// has the lock by [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// [`NotLocked`] if it has to wait, and nobody has the lock by [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// That of [`wait`](Self::wait).
    pub async fn wait_for(&self, mut predicate: impl FnMut() -> bool) -> Result<(), NotLocked> {
        while !predicate() {
            self.wait().await?;
        }
        Ok(())
    }

    /// Wakes up to `n` of those who wait, first come first. They go on when they get the lock.
    ///
    /// # Errors
    /// [`NotLocked`] if nobody has the lock, however it was taken. (Whoever notifies without it may do
    /// so between a waiter's look and its wait.)
    pub fn notify(&self, n: usize) -> Result<(), NotLocked> {
        if !self.lock.locked() {
            return Err(NotLocked);
        }
        self.notices.notify(n);
        Ok(())
    }

    /// Wakes all who wait, first come first.
    ///
    /// # Errors
    /// As for [`notify`](Self::notify).
    pub fn notify_all(&self) -> Result<(), NotLocked> {
        self.notify(usize::MAX)
    }

    /// Gives the lock away, waits for a notification, takes the lock back.
    async fn wait_in(&self, hold: &mut Hold<'_, '_, T>) -> Result<(), NotLocked> {
        let before = corrente_task::cancelling_here();
        let mut given_away = None;
        let mut baton = Baton { notices: &self.notices, had: false };
        let notified = async {
            let give_away = || given_away.insert(hold.give_away()).is_ok();
            baton.had = self.notices.wait_after(give_away).await;
        };
        let mut cancelled = corrente_task::catch_cancel(notified).await.err();
        match given_away {
            // The one place where the lock is taken again. As in asyncio, a cancel does not get between,
            // and the last one of several goes on.
            Some(Ok(())) => {
                let take_back = hold.take_back();
                corrente_task::on_cancel(take_back, |_, again| cancelled = Some(again)).await;
            }
            Some(Err(refused)) => return Err(refused),
            // Cancelled before the lock was given away.
            None => {}
        }
        if cancelled.is_none() && corrente_task::cancelling_here() > before {
            // One came from another thread while the lock was taken back without a wait, so it had nowhere
            // to strike. It came before this wait was over all the same.
            let mut yielded = false;
            let suspension = poll_fn(|context| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            });
            corrente_task::on_cancel(suspension, |_, late| cancelled = Some(late)).await;
        }
        if let Some(cancelled) = cancelled {
            drop(baton);
            match cancelled.resume().await {}
        }
        baton.had = false;
        Ok(())
    }
}

/// The lock of somebody who waits, and how it is had.
enum Hold<'g, 'a, T> {
    /// By a guard, which is empty while it waits.
    Guard(&'a Lock<T>, &'g mut Option<Guard<'a, T>>),
    /// By `acquire`.
    Bare(&'a Lock<T>),
}

impl<T> Hold<'_, '_, T> {
    fn give_away(&mut self) -> Result<(), NotLocked> {
        match self {
            Self::Guard(_, guard) => {
                drop(guard.take());
                Ok(())
            }
            Self::Bare(lock) => lock.release(),
        }
    }

    async fn take_back(&mut self) {
        match self {
            Self::Guard(lock, guard) => **guard = Some(lock.lock().await),
            Self::Bare(lock) => lock.acquire().await,
        }
    }
}

impl<T: Default> Default for Condition<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Has the lock of a [`Condition`]; dropping it releases the lock.
///
/// # Panics
/// A wait gives the lock away and takes it back. If the *future* of a wait is dropped in between (by a
/// `select` of another crate; a cancel does not do so), the guard has no lock any more: reaching for
/// the value, and waiting, then panic.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct ConditionGuard<'a, T = ()> {
    condition: &'a Condition<T>,
    /// `None` while it waits.
    guard: Option<Guard<'a, T>>,
}

impl<'a, T> ConditionGuard<'a, T> {
    /// Gives the lock away, waits for a notification, and takes the lock back.
    ///
    /// # Cancel safety
    /// A cancel leaves only when the lock is had again. A notification that came meanwhile goes on to
    /// the next waiter. See [the type](Self) for what happens if the future is dropped.
    pub async fn wait(&mut self) {
        self.wait_on(self.condition).await;
    }

    /// Waits until `predicate` holds for the value, which it may change. It is asked at once, and after
    /// each notification.
    ///
    /// # Cancel safety
    /// That of [`wait`](Self::wait).
    pub async fn wait_for(&mut self, mut predicate: impl FnMut(&mut T) -> bool) {
        while !predicate(self) {
            self.wait().await;
        }
    }

    /// Like [`wait`](Self::wait), for a notification of another condition over the same lock.
    ///
    /// # Panics
    /// If the lock is not the same.
    ///
    /// # Cancel safety
    /// That of [`wait`](Self::wait).
    pub async fn wait_on(&mut self, other: &Condition<T>) {
        assert!(Arc::ptr_eq(&other.lock, &self.condition.lock), "a condition over another lock");
        assert!(self.guard.is_some(), "{GONE}");
        let mut hold = Hold::Guard(&self.condition.lock, &mut self.guard);
        let had_the_lock = other.wait_in(&mut hold).await;
        debug_assert!(had_the_lock.is_ok(), "a guard has its lock");
    }

    /// Wakes up to `n` of those who wait, first come first. They go on when they get the lock.
    pub fn notify(&self, n: usize) {
        self.condition.notices.notify(n);
    }

    /// Wakes all who wait, first come first.
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }
}

const GONE: &str = "the wait was dropped half-way: this guard has no lock any more";

impl<T> Deref for ConditionGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.guard.as_deref().expect(GONE)
    }
}

impl<T> DerefMut for ConditionGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_deref_mut().expect(GONE)
    }
}

impl<T: fmt::Debug> fmt::Debug for ConditionGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}

/// Those who wait for a notification.
struct Notices {
    line: Mutex<List<()>>,
}

impl Notices {
    fn notify(&self, n: usize) {
        let mut held = Held::lock(&self.line);
        let (line, wakers) = held.parts();
        let mut left = n;
        while left > 0 && line.grant_first(wakers) {
            left -= 1;
        }
    }

    /// Joins the line, then calls `joined`, and waits if that says so. True if it was notified.
    async fn wait_after(&self, joined: impl FnOnce() -> bool) -> bool {
        let mut wait = pin!(Wait::new(self, WaitNotice));
        let mut joined = Some(joined);
        poll_fn(move |context| {
            let polled = wait.as_mut().poll(context);
            if !wait.is_in_line() {
                return polled.map(|()| true);
            }
            let goes_on_waiting = joined.take().is_none_or(|joined| joined());
            if goes_on_waiting { Poll::Pending } else { Poll::Ready(false) }
        })
        .await
    }
}

/// A notification that a waiter took note of and has not gone on with yet: if it never does, the next
/// waiter gets it.
struct Baton<'a> {
    notices: &'a Notices,
    had: bool,
}

impl Drop for Baton<'_> {
    fn drop(&mut self) {
        if self.had {
            self.notices.notify(1);
        }
    }
}

/// Waits for a notification.
struct WaitNotice;

impl Act<Notices> for WaitNotice {
    type Shared = List<()>;
    type Want = ();
    type Output = ();

    fn mutex(home: &Notices) -> &Mutex<List<()>> {
        &home.line
    }

    fn what(_: &Notices) -> What {
        What::Condition
    }

    fn line(shared: &mut List<()>) -> &mut List<()> {
        shared
    }

    fn enter(&mut self, _: &Notices, _: &mut Held<'_, List<()>>) -> Entered<(), ()> {
        Entered::Wait(())
    }

    fn claim(&mut self, _: &Notices, _: &mut Held<'_, List<()>>, (): ()) -> Option<()> {
        Some(())
    }

    fn give_back(_: &Notices, held: &mut Held<'_, List<()>>, (): ()) {
        let (line, wakers) = held.parts();
        line.grant_first(wakers);
    }

    /// Nobody is served but by a notification.
    fn settle(_: &Notices, _: &mut Held<'_, List<()>>) {}
}
