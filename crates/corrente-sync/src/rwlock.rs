//! Many readers or one writer.
//!
//! [`Permits`] with a great number of units: a reader has one of them, a writer all. This file holds
//! the unsafe code that turns "has a unit" into `&T`, and "has all" into `&mut T`.
#![allow(unsafe_code)]

use crate::diagnostics::What;
use crate::permits::Permits;
use corrente_shim::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// All the units: so many readers there can be at once.
const ALL: usize = 1 << 28;

/// A lock that many may read at once, or one write.
///
/// Readers and writers stand in one line and are served first come, first served: a writer waits for
/// those who read already and holds back those who come after it, so neither side starves.
///
/// Without contention it takes one atomic operation to lock and one to unlock, and allocates nothing.
/// Do not take a second read guard while holding one: a writer that came in between waits for the
/// first, and holds back the second.
///
/// ```
/// use corrente_sync::RwLock;
/// # futures_lite::future::block_on(async {
/// let settings = RwLock::new(vec!["a"]);
/// {
///     let one = settings.read().await;
///     let other = settings.read().await;
///     assert_eq!(one.len() + other.len(), 2);
/// }
/// settings.write().await.push("b");
/// assert_eq!(settings.into_inner(), ["a", "b"]);
/// # });
/// ```
///
/// asyncio has none.
#[repr(C, align(64))]
pub struct RwLock<T> {
    permits: Permits,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through `&mut RwLock`, or through a guard that has units of
// `permits`: a read guard has one and gives `&T`, a write guard has all and gives `&mut T`. There are
// exactly `ALL` units (`new`), so a write guard is alone, and the units' way through `permits` orders
// one guard's accesses before those of the next that excludes it. Several threads read at once:
// `T: Sync`; a write guard moves the value between threads: `T: Send`.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// A free lock around `value`.
    pub fn new(value: T) -> Self {
        Self { permits: Permits::new(ALL, What::RwLock), value: UnsafeCell::new(value) }
    }

    /// Waits until it may read.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line. If it had been let in already, its place goes on to the
    /// next in line.
    #[inline]
    pub async fn read(&self) -> ReadGuard<'_, T> {
        self.permits.acquire(1).await;
        ReadGuard { lock: self, value: PhantomData }
    }

    /// Waits until it may write.
    ///
    /// # Cancel safety
    /// That of [`read`](Self::read); those it held back go on.
    #[inline]
    pub async fn write(&self) -> WriteGuard<'_, T> {
        self.permits.acquire(ALL).await;
        WriteGuard { lock: self, value: PhantomData }
    }

    /// May read if nobody writes and nobody is in the line.
    #[inline]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| ReadGuard { lock: self, value: PhantomData })
    }

    /// May write if nobody reads or writes and nobody is in the line.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_acquire(ALL).then(|| WriteGuard { lock: self, value: PhantomData })
    }

    /// Like [`read`](Self::read), with a guard that owns its share of the lock.
    ///
    /// # Cancel safety
    /// That of [`read`](Self::read).
    pub fn read_owned(self: &Arc<Self>) -> impl Future<Output = OwnedReadGuard<T>> + use<T> {
        let lock = Arc::clone(self);
        async move {
            lock.permits.acquire(1).await;
            OwnedReadGuard { lock, value: PhantomData }
        }
    }

    /// Like [`write`](Self::write), with a guard that owns its share of the lock.
    ///
    /// # Cancel safety
    /// That of [`write`](Self::write).
    pub fn write_owned(self: &Arc<Self>) -> impl Future<Output = OwnedWriteGuard<T>> + use<T> {
        let lock = Arc::clone(self);
        async move {
            lock.permits.acquire(ALL).await;
            OwnedWriteGuard { lock, value: PhantomData }
        }
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

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => debug.field("value", &*guard),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// May read what a [`RwLock`] guards.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
    /// A guard is shared and sent like the reference it stands for, not like its lock.
    value: PhantomData<&'a T>,
}

/// May write what a [`RwLock`] guards.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    /// A guard is shared and sent like the reference it stands for, not like its lock.
    value: PhantomData<&'a mut T>,
}

/// May read what a [`RwLock`] guards, and owns a share of it.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct OwnedReadGuard<T> {
    lock: Arc<RwLock<T>>,
    /// A guard is shared and sent like the value it stands for, not like its lock.
    value: PhantomData<T>,
}

/// May write what a [`RwLock`] guards, and owns a share of it.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct OwnedWriteGuard<T> {
    lock: Arc<RwLock<T>>,
    /// A guard is shared and sent like the value it stands for, not like its lock.
    value: PhantomData<T>,
}

impl<'a, T> WriteGuard<'a, T> {
    /// Goes on as a reader. Nobody writes in between; those who wait to read get in.
    pub fn downgrade(guard: Self) -> ReadGuard<'a, T> {
        let lock = guard.lock;
        mem::forget(guard);
        // One unit is kept: the read guard's.
        lock.permits.release_some(ALL - 1);
        ReadGuard { lock, value: PhantomData }
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard has a unit, so nobody has all: there is no `&mut T`.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard has all units, and the borrow of the guard keeps `deref_mut` away.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has all units, so there is no other guard, and it is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Deref for OwnedReadGuard<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `ReadGuard`.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> Deref for OwnedWriteGuard<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `WriteGuard`.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for OwnedWriteGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `WriteGuard`.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(ALL);
    }
}

impl<T> Drop for OwnedReadGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T> Drop for OwnedWriteGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.release(ALL);
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedReadGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
