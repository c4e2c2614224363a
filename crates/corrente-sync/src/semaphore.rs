//! A number of units that tasks take and give back, first come, first served.
//!
//! A thin layer over [`Permits`]: this file gives the units an owner, [`Permit`].

use crate::diagnostics::What;
use crate::permits::{MAX_UNITS, Permits};
use corrente_shim::atomic::{AtomicUsize, Ordering};
use std::fmt;
use std::future::Future;
use std::mem;
use std::sync::Arc;

/// At most so many inside at once.
///
/// Waiters are served first come, first served, without barging: while anybody is in the line, also
/// one whose turn it is but who has not run yet, a newcomer joins its end. A waiter that wants many
/// units is not overtaken by one that wants few.
///
/// Without contention it takes one atomic operation to acquire and one to release, and allocates
/// nothing.
///
/// ```
/// use corrente_sync::Semaphore;
/// # futures_lite::future::block_on(async {
/// let connections = Semaphore::new(2);
/// let first = connections.acquire().await;
/// let second = connections.acquire().await;
/// assert!(connections.locked());
/// drop(first);
/// assert_eq!(connections.available(), 1);
/// # drop(second);
/// # });
/// ```
///
/// asyncio: `asyncio.Semaphore`. Its bare `release()` is [`release`](Self::release); its bare
/// `acquire()` is `acquire().await.forget()`.
#[doc(alias = "asyncio.Semaphore")]
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Semaphore {
    permits: Permits,
    /// Units taken by permits that were forgotten; a `BoundedSemaphore` takes back no more than these.
    forgotten: AtomicUsize,
}

/// [`Semaphore::try_new`]: a semaphore cannot begin with so many units.
///
/// asyncio raises `ValueError`.
#[doc(alias = "ValueError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidValue(
    /// What was asked for.
    pub isize,
);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a semaphore cannot begin with {} units: from 0 to {MAX_UNITS}", self.0)
    }
}

impl std::error::Error for InvalidValue {}

impl Semaphore {
    /// More units than this a semaphore cannot have.
    pub const MAX: usize = MAX_UNITS;

    /// A semaphore with `value` units.
    ///
    /// # Panics
    /// If `value` is more than [`Semaphore::MAX`].
    pub fn new(value: usize) -> Self {
        Self { permits: Permits::new(value, What::Semaphore), forgotten: AtomicUsize::new(0) }
    }

    /// A semaphore with as many units as somebody outside the program says.
    ///
    /// # Errors
    /// [`InvalidValue`] if `value` is negative or more than [`Semaphore::MAX`].
    ///
    /// ```
    /// use corrente_sync::{InvalidValue, Semaphore};
    /// assert_eq!(Semaphore::try_new(-1).unwrap_err(), InvalidValue(-1));
    /// ```
    pub fn try_new(value: isize) -> Result<Self, InvalidValue> {
        match usize::try_from(value) {
            Ok(units) if units <= MAX_UNITS => Ok(Self::new(units)),
            _ => Err(InvalidValue(value)),
        }
    }

    /// Waits for one unit. Dropping the permit gives it back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line. If the unit had been granted to it already, it goes on to
    /// the next waiter.
    #[inline]
    pub async fn acquire(&self) -> Permit<'_> {
        self.acquire_many(1).await
    }

    /// Waits for `units` at once.
    ///
    /// It waits for ever if there are never so many. It is served in its turn: smaller wishes that come
    /// later do not overtake it.
    ///
    /// # Cancel safety
    /// That of [`acquire`](Self::acquire).
    #[inline]
    pub async fn acquire_many(&self, units: usize) -> Permit<'_> {
        self.permits.acquire(units).await;
        Permit { semaphore: self, units }
    }

    /// Takes one unit if one is free and nobody is in the line.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes `units` if so many are free and nobody is in the line.
    #[inline]
    pub fn try_acquire_many(&self, units: usize) -> Option<Permit<'_>> {
        self.permits.try_acquire(units).then(|| Permit { semaphore: self, units })
    }

    /// Like [`acquire`](Self::acquire), with a permit that owns its share of the semaphore and can be
    /// moved into a task.
    ///
    /// # Cancel safety
    /// That of [`acquire`](Self::acquire).
    pub fn acquire_owned(self: &Arc<Self>) -> impl Future<Output = OwnedPermit> + use<> {
        self.acquire_many_owned(1)
    }

    /// Like [`acquire_many`](Self::acquire_many), with a permit that owns its share of the semaphore.
    ///
    /// # Cancel safety
    /// That of [`acquire`](Self::acquire).
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        units: usize,
    ) -> impl Future<Output = OwnedPermit> + use<> {
        let semaphore = Arc::clone(self);
        async move {
            semaphore.permits.acquire(units).await;
            OwnedPermit { semaphore, units }
        }
    }

    /// Like [`try_acquire`](Self::try_acquire), with a permit that owns its share of the semaphore.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Option<OwnedPermit> {
        let taken = self.permits.try_acquire(1);
        taken.then(|| OwnedPermit { semaphore: Arc::clone(self), units: 1 })
    }

    /// Gives one unit, whether or not anybody took one before: the number of units may grow above what
    /// it was at first.
    ///
    /// # Panics
    /// If there would be more than [`Semaphore::MAX`] units.
    pub fn release(&self) {
        self.release_many(1);
    }

    /// Gives `units`, like [`release`](Self::release).
    ///
    /// # Panics
    /// If there would be more than [`Semaphore::MAX`] units.
    pub fn release_many(&self, units: usize) {
        let added = self.permits.add(units);
        assert!(added.is_ok(), "a semaphore of more than {MAX_UNITS} units");
    }

    /// True if an `acquire` would have to wait: no unit is free, or somebody is in the line.
    pub fn locked(&self) -> bool {
        self.permits.free() == 0 || self.permits.has_line()
    }

    /// How many units are free.
    #[doc(alias = "value")]
    pub fn available(&self) -> usize {
        self.permits.free()
    }

    /// Gives one unit if a permit was forgotten for it.
    pub(crate) fn release_forgotten(&self) -> bool {
        // Acquire: pairs with `forget`. The unit itself is passed on by `release`.
        let forgotten =
            self.forgotten
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |units| units.checked_sub(1));
        if forgotten.is_ok() {
            self.permits.release(1);
        }
        forgotten.is_ok()
    }

    fn forget(&self, units: usize) {
        // Release: whoever finds it here sees what was done with the permit.
        self.forgotten.fetch_add(units, Ordering::Release);
    }
}

/// Units of a [`Semaphore`]; dropping it gives them back.
#[must_use = "the units go back as soon as the permit is dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    units: usize,
}

impl Permit<'_> {
    /// Keeps the units taken. [`Semaphore::release_many`] gives them back.
    pub fn forget(self) {
        self.semaphore.forget(self.units);
        mem::forget(self);
    }

    /// How many units these are.
    pub fn units(&self) -> usize {
        self.units
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.units);
    }
}

/// Units of a [`Semaphore`], and a share of it; dropping it gives the units back.
#[must_use = "the units go back as soon as the permit is dropped"]
#[derive(Debug)]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    units: usize,
}

impl OwnedPermit {
    /// Keeps the units taken. [`Semaphore::release_many`] gives them back.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.units));
    }

    /// How many units these are.
    pub fn units(&self) -> usize {
        self.units
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.units);
    }
}
