//! A semaphore that notices when more is given back than was taken.
//!
//! What always holds: free units, units in permits and units of forgotten permits add up to the
//! initial value. [`BoundedSemaphore::release`] gives back forgotten ones only, so a permit that is
//! dropped never finds its unit given back by somebody else.

use crate::semaphore::{InvalidValue, OwnedPermit, Permit, Semaphore};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// A [`Semaphore`] that never has more units than it began with.
///
/// ```
/// use corrente_sync::{BoundedSemaphore, OverRelease};
/// # futures_lite::future::block_on(async {
/// let bounded = BoundedSemaphore::new(1);
/// bounded.acquire().await.forget();
/// assert_eq!(bounded.release(), Ok(()));
/// assert_eq!(bounded.release(), Err(OverRelease));
/// # });
/// ```
///
/// asyncio: `asyncio.BoundedSemaphore`.
#[doc(alias = "asyncio.BoundedSemaphore")]
#[derive(Debug)]
pub struct BoundedSemaphore {
    semaphore: Arc<Semaphore>,
}

/// [`BoundedSemaphore::release`]: nothing is out that a bare release could give back.
///
/// asyncio raises `ValueError`.
#[doc(alias = "ValueError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverRelease;

impl fmt::Display for OverRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bounded semaphore was released more often than it was acquired")
    }
}

impl std::error::Error for OverRelease {}

impl BoundedSemaphore {
    /// A semaphore that has `value` units, and never more.
    ///
    /// # Panics
    /// If `value` is more than [`Semaphore::MAX`].
    pub fn new(value: usize) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(value)) }
    }

    /// A semaphore with as many units as somebody outside the program says.
    ///
    /// # Errors
    /// [`InvalidValue`] if `value` is negative or more than [`Semaphore::MAX`].
    pub fn try_new(value: isize) -> Result<Self, InvalidValue> {
        Ok(Self { semaphore: Arc::new(Semaphore::try_new(value)?) })
    }

    /// Waits for one unit. Dropping the permit gives it back.
    ///
    /// # Cancel safety
    /// That of [`Semaphore::acquire`].
    #[inline]
    pub async fn acquire(&self) -> Permit<'_> {
        self.semaphore.acquire().await
    }

    /// Waits for one unit, with a permit that can be moved into a task.
    ///
    /// # Cancel safety
    /// That of [`Semaphore::acquire`].
    pub fn acquire_owned(&self) -> impl Future<Output = OwnedPermit> + use<> {
        self.semaphore.acquire_owned()
    }

    /// Takes one unit if one is free and nobody is in the line.
    #[inline]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.semaphore.try_acquire()
    }

    /// Gives back a unit whose permit was forgotten. Any task may do it.
    ///
    /// # Errors
    /// [`OverRelease`] if there is none. A unit that a permit still has is not given back this way.
    pub fn release(&self) -> Result<(), OverRelease> {
        if self.semaphore.release_forgotten() { Ok(()) } else { Err(OverRelease) }
    }

    /// True if an `acquire` would have to wait.
    pub fn locked(&self) -> bool {
        self.semaphore.locked()
    }

    /// How many units are free.
    pub fn available(&self) -> usize {
        self.semaphore.available()
    }
}
