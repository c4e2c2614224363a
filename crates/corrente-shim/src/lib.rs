//! One door to everything that a model checker must see.
//!
//! The crates of corrente take their atomics, locks, cells and threads from here. Usually these are
//! std's; under `--cfg corrente_loom` they are loom's, and a test inside `loom::model` explores every
//! interleaving of them. The switch is our own name because a plain `--cfg loom` would also change our
//! dependencies. What is not protocol (thread-locals, `Arc`s around user data, test code) may use std.
//!
//! What always holds: a lock from here is never poisoned. A panic in user code cannot happen under
//! one of our locks (user code is never called under a lock), so poison would carry no information.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

/// Atomic integers, pointers and fences.
pub mod atomic {
    #[cfg(corrente_loom)]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    #[cfg(not(corrente_loom))]
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// A global counter that models do not watch: nothing hangs on it but the numbers themselves.
    /// (loom's atomics cannot live in a static.)
    #[derive(Debug)]
    pub struct Counter(std::sync::atomic::AtomicU64);

    impl Counter {
        /// A counter that begins at `first`.
        pub const fn new(first: u64) -> Self {
            Self(std::sync::atomic::AtomicU64::new(first))
        }
        /// Takes `many` numbers; returns the first of them.
        pub fn take(&self, many: u64) -> u64 {
            // Relaxed: the counter only counts; no other memory is published by it.
            self.0.fetch_add(many, std::sync::atomic::Ordering::Relaxed)
        }
    }
}

/// Locks and shared ownership.
pub mod sync {
    pub use crate::lock::{Condvar, Mutex, MutexGuard};
    #[cfg(corrente_loom)]
    pub use loom::sync::Arc;
    #[cfg(not(corrente_loom))]
    pub use std::sync::Arc;
}

/// Threads: spawn, park, unpark, yield.
pub mod thread {
    #[cfg(corrente_loom)]
    pub use loom::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
    #[cfg(not(corrente_loom))]
    pub use std::thread::{JoinHandle, Thread, current, park, spawn, yield_now};
}

/// A cell whose accesses the model checker can watch.
pub mod cell {
    pub use crate::unsafe_cell::UnsafeCell;
}

/// A thread-local with a constant initial value: std's, or loom's (whose threads share one OS thread).
///
/// `local! { static NAME: Type = value; }` in the calling crate.
#[cfg(not(corrente_loom))]
#[macro_export]
macro_rules! local {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;) => {
        ::std::thread_local! { $(#[$attr])* $vis static $name: $type = const { $init } }
    };
}
/// A thread-local with a constant initial value: std's, or loom's (whose threads share one OS thread).
///
/// `local! { static NAME: Type = value; }` in the calling crate.
#[cfg(corrente_loom)]
#[macro_export]
macro_rules! local {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr;) => {
        $crate::__loom::thread_local! { $(#[$attr])* $vis static $name: $type = $init }
    };
}
#[cfg(corrente_loom)]
#[doc(hidden)]
pub use loom as __loom;

/// A hint that this thread spins. Under loom it lets others run.
pub fn spin_loop() {
    #[cfg(corrente_loom)]
    loom::thread::yield_now();
    #[cfg(not(corrente_loom))]
    std::hint::spin_loop();
}

mod lock {
    #[cfg(corrente_loom)]
    use loom::sync as imp;
    #[cfg(not(corrente_loom))]
    use std::sync as imp;
    use std::time::Duration;

    /// A lock without poison.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(imp::Mutex<T>);
    /// Unlocks when it is dropped.
    pub type MutexGuard<'a, T> = imp::MutexGuard<'a, T>;

    impl<T> Mutex<T> {
        /// A lock around `value`.
        #[cfg(not(corrente_loom))]
        pub const fn new(value: T) -> Self {
            Self(imp::Mutex::new(value))
        }
        /// A lock around `value`.
        #[cfg(corrente_loom)]
        pub fn new(value: T) -> Self {
            Self(imp::Mutex::new(value))
        }
        /// Waits for the lock.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
        /// Takes the lock if it is free.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            }
        }
        /// The value, without locking: nobody else can hold it.
        pub fn get_mut(&mut self) -> &mut T {
            match self.0.get_mut() {
                Ok(value) => value,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
        /// The value itself.
        pub fn into_inner(self) -> T {
            match self.0.into_inner() {
                Ok(value) => value,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
    }

    /// A condition variable for [`Mutex`].
    #[derive(Debug, Default)]
    pub struct Condvar(imp::Condvar);

    impl Condvar {
        /// A condition variable that nobody waits on.
        pub fn new() -> Self {
            Self(imp::Condvar::new())
        }
        /// Gives the lock back, sleeps until notified, takes the lock again. May wake for nothing.
        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            match self.0.wait(guard) {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
        /// Like [`wait`](Self::wait), for at most `limit`; true if the limit passed.
        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            limit: Duration,
        ) -> (MutexGuard<'a, T>, bool) {
            match self.0.wait_timeout(guard, limit) {
                Ok((guard, result)) => (guard, result.timed_out()),
                Err(poisoned) => {
                    let (guard, result) = poisoned.into_inner();
                    (guard, result.timed_out())
                }
            }
        }
        /// Wakes one waiter.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }
        /// Wakes all waiters.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

mod unsafe_cell {
    /// loom's shape of `UnsafeCell`: access by closure, so that a model sees when it begins and ends.
    #[cfg(corrente_loom)]
    pub use loom::cell::UnsafeCell;

    /// loom's shape of `UnsafeCell`: access by closure, so that a model sees when it begins and ends.
    #[cfg(not(corrente_loom))]
    #[derive(Debug, Default)]
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(corrente_loom))]
    impl<T> UnsafeCell<T> {
        /// A cell around `value`.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }
        /// Looks: nobody may change the value meanwhile.
        #[inline(always)]
        pub fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
            look(self.0.get())
        }
        /// Changes: nobody else may look or change meanwhile.
        #[inline(always)]
        pub fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
            change(self.0.get())
        }
    }
}
