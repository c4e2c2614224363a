//! Mutual exclusion between tasks.
//!
//! One unit of [`Permits`]: whoever has it may touch the value. The unit is had by a guard, or, in
//! asyncio's bare style, by whoever called [`acquire`](Lock::acquire); the value can be reached through
//! a guard only. This file holds the unsafe code that turns "has the unit" into `&mut T`.
#![allow(unsafe_code)]

use crate::diagnostics::What;
use crate::permits::Permits;
use corrente_shim::atomic::{AtomicBool, Ordering};
use corrente_shim::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A lock that tasks wait for, around a value.
///
/// Waiters get it first come, first served: nobody barges in, not even between the release and the
/// moment the next waiter runs. It is not bound to the task that took it (a guard may be sent away and
/// dropped elsewhere) and not re-entrant (a task that waits for a lock it holds waits for ever).
///
/// Without contention it takes one atomic operation to lock and one to unlock, and allocates nothing.
///
/// A panic while the lock is held releases it; there is no poison. Use the lock to keep a value whole
/// *across* awaits; where nothing is awaited while it is held, `std::sync::Mutex` will do.
///
/// ```
/// use corrente_sync::Lock;
/// # futures_lite::future::block_on(async {
/// let account = Lock::new(100);
/// {
///     let mut balance = account.lock().await;
///     *balance -= 30;
/// }
/// assert_eq!(*account.lock().await, 70);
/// # });
/// ```
///
/// asyncio: `asyncio.Lock`, which guards nothing but a section of code: `Lock<()>` with
/// [`acquire`](Self::acquire) and [`release`](Self::release), or with guards.
#[doc(alias = "asyncio.Lock")]
#[doc(alias = "Mutex")]
#[repr(C, align(64))]
pub struct Lock<T = ()> {
    permits: Permits,
    /// The unit is had by [`acquire`](Lock::acquire), so [`release`](Lock::release) may give it back.
    bare: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through `&mut Lock`, or through a guard. A guard exists only while
// it has the one unit of `permits` (made in `lock`, `try_lock` and their owned forms, ended by `Drop`),
// so there is one at a time, and the unit's way through `permits` orders one guard's accesses before
// the next one's. Guards move the value between threads one after another: `T: Send`.
unsafe impl<T: Send> Sync for Lock<T> {}

/// [`Lock::release`] found that nobody had it by [`Lock::acquire`].
///
/// asyncio raises `RuntimeError`.
#[doc(alias = "RuntimeError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLocked;

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock was not acquired: release() and wait() come after acquire()")
    }
}

impl std::error::Error for NotLocked {}

impl<T> Lock<T> {
    /// A free lock around `value`.
    pub fn new(value: T) -> Self {
        Self {
            permits: Permits::new(1, What::Lock),
            bare: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock. The guard releases it when it is dropped.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line. If the lock had been granted to it already, it goes on to
    /// the next waiter.
    #[doc(alias = "acquire")]
    #[inline]
    pub async fn lock(&self) -> Guard<'_, T> {
        self.permits.acquire(1).await;
        Guard { lock: self, value: PhantomData }
    }

    /// Takes the lock if it is free and nobody waits for it.
    ///
    /// ```
    /// use corrente_sync::Lock;
    /// let lock = Lock::new("value");
    /// let guard = lock.try_lock().expect("it is free");
    /// assert!(lock.try_lock().is_none());
    /// drop(guard);
    /// assert!(lock.try_lock().is_some());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.permits.try_acquire(1).then(|| Guard { lock: self, value: PhantomData })
    }

    /// Like [`lock`](Self::lock), with a guard that owns its share of the lock and can be kept in a
    /// struct or moved into a task.
    ///
    /// # Cancel safety
    /// That of [`lock`](Self::lock).
    ///
    /// ```
    /// use corrente_sync::Lock;
    /// use std::sync::Arc;
    /// # futures_lite::future::block_on(async {
    /// let lock = Arc::new(Lock::new(vec![1]));
    /// let mut guard = lock.lock_owned().await;
    /// let thread = std::thread::spawn(move || guard.push(2));
    /// thread.join().unwrap();
    /// assert_eq!(*lock.lock().await, [1, 2]);
    /// # });
    /// ```
    pub fn lock_owned(self: &Arc<Self>) -> impl Future<Output = OwnedGuard<T>> + use<T> {
        let lock = Arc::clone(self);
        async move {
            lock.permits.acquire(1).await;
            OwnedGuard { lock, value: PhantomData }
        }
    }

    /// Like [`try_lock`](Self::try_lock), with a guard that owns its share of the lock.
    pub fn try_lock_owned(self: &Arc<Self>) -> Option<OwnedGuard<T>> {
        let taken = self.permits.try_acquire(1);
        taken.then(|| OwnedGuard { lock: Arc::clone(self), value: PhantomData })
    }

    /// Waits for the lock and leaves it locked, without a guard: asyncio's bare style. Any task may
    /// [`release`](Self::release) it. The value cannot be reached this way.
    ///
    /// # Cancel safety
    /// That of [`lock`](Self::lock). Once it has returned, only [`release`](Self::release) unlocks.
    ///
    /// ```
    /// use corrente_sync::{Lock, NotLocked};
    /// # futures_lite::future::block_on(async {
    /// let lock = Lock::new(());
    /// lock.acquire().await;
    /// assert!(lock.locked());
    /// assert_eq!(lock.release(), Ok(()));
    /// assert_eq!(lock.release(), Err(NotLocked));
    /// # });
    /// ```
    pub async fn acquire(&self) {
        mem::forget(self.lock().await);
        // Release: pairs with the swap in `release`.
        self.bare.store(true, Ordering::Release);
    }

    /// Gives back what [`acquire`](Self::acquire) took. A lock that is held by a guard stays locked.
    ///
    /// # Errors
    /// [`NotLocked`] if nobody has it by [`acquire`](Self::acquire).
    pub fn release(&self) -> Result<(), NotLocked> {
        // A swap: of two releases one finds it. Acquire: pairs with the store in `acquire`.
        if !self.bare.swap(false, Ordering::Acquire) {
            return Err(NotLocked);
        }
        self.permits.release(1);
        Ok(())
    }

    /// True if somebody has the lock.
    ///
    /// False between a release and the moment the next waiter runs, as in asyncio. So false does not
    /// mean that [`try_lock`](Self::try_lock) would succeed: the lock may be promised already.
    pub fn locked(&self) -> bool {
        self.permits.free() == 0 && !self.permits.has_unclaimed()
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: there is no guard, since each borrows the lock or owns a share of it.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        let Self { value, .. } = self;
        // SAFETY: the cell is ours, nobody can reach it any more, and it is forgotten unread below, so
        // the value is not dropped twice.
        let inner = value.with(|value| unsafe { value.read() });
        mem::forget(value);
        inner
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Lock");
        match self.try_lock() {
            Some(guard) => debug.field("value", &*guard),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// Has a [`Lock`]; dropping it releases the lock.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct Guard<'a, T = ()> {
    lock: &'a Lock<T>,
    /// A guard is shared and sent like the reference it stands for, not like its lock.
    value: PhantomData<&'a mut T>,
}

impl<'a, T> Guard<'a, T> {
    /// The lock that this guard has.
    pub fn source(guard: &Self) -> &'a Lock<T> {
        guard.lock
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard has the unit of its lock, so there is no other, and the borrow of the
        // guard keeps `deref_mut` away.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has the unit of its lock, so there is no other, and it is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Has a [`Lock`] and owns a share of it; dropping it releases the lock.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct OwnedGuard<T = ()> {
    lock: Arc<Lock<T>>,
    /// A guard is shared and sent like the value it stands for, not like its lock.
    value: PhantomData<T>,
}

impl<T> OwnedGuard<T> {
    /// The lock that this guard has.
    pub fn source(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }
}

impl<T> Deref for OwnedGuard<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `Guard`.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for OwnedGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `Guard`.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for OwnedGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for OwnedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
