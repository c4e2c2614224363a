//! Which runtime this thread works for.
//!
//! A thread-local that the scheduler's start hook sets on workers, and that is set for the length of a
//! call on blocking threads. The scheduler knows nothing of it.
//!
//! A worker starts before the handle exists that it will have to know, and the pool that holds the hook is
//! held by that handle: so the hook holds a [`Promise`], weak and filled later, and a worker redeems it at
//! the first use, when some task must have been spawned and so the handle exists.

use crate::runtime::handle::{Handle, WeakHandle};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// A handle to come.
pub(crate) type Promise = Arc<OnceLock<WeakHandle>>;

#[derive(Default)]
pub(crate) enum Current {
    #[default]
    None,
    Promised(Promise),
    /// What was promised.
    Redeemed(Rc<Handle>),
    /// Entered, which no hook undoes.
    Known(Rc<Handle>),
}

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::None) };
}

/// Makes `next` the current one of this thread; gives back the one before.
pub(crate) fn set(next: Current) -> Current {
    // A thread that is being torn down has no current runtime any more.
    CURRENT.try_with(|current| current.replace(next)).unwrap_or_default()
}

/// For a thread that becomes a worker: it will know `promise`, unless it has entered a runtime already, as the
/// callers of `block_on` do.
pub(crate) fn promise(promise: &Promise) {
    let _ = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        if matches!(*current, Current::None) {
            *current = Current::Promised(promise.clone());
        }
    });
}

/// For a thread that is a worker no more.
pub(crate) fn forget_promise() {
    let promised =
        |current: &Current| matches!(current, Current::Promised(_) | Current::Redeemed(_));
    let _ = CURRENT.try_with(|current| {
        if promised(&current.borrow()) {
            drop(current.take());
        }
    });
}

/// True in the destructors of a thread's locals, once this one has gone: there nothing can be entered.
pub(crate) fn is_torn_down() -> bool {
    CURRENT.try_with(|_| ()).is_err()
}

/// Sets a handle and puts the one before back when it is dropped.
pub(crate) struct Entered(Current);

pub(crate) fn enter(handle: Handle) -> Entered {
    Entered(set(Current::Known(Rc::new(handle))))
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(set(std::mem::take(&mut self.0)));
    }
}

/// The current runtime's handle, if there is one. A count of this thread's own, so that whoever asks is not called
/// back, with its future in a closure that is moved on and on.
#[inline]
fn known() -> Option<Rc<Handle>> {
    let look = |current: &RefCell<Current>| {
        let promised = matches!(&*current.borrow(), Current::Promised(_));
        if promised {
            redeem(current);
        }
        match &*current.borrow() {
            Current::Known(handle) | Current::Redeemed(handle) => Some(handle.clone()),
            _ => None,
        }
    };
    CURRENT.try_with(look).unwrap_or(None)
}

#[cold]
fn redeem(current: &RefCell<Current>) {
    let handle = match &*current.borrow() {
        Current::Promised(promise) => promise.get().and_then(WeakHandle::upgrade),
        _ => None,
    };
    if let Some(handle) = handle {
        *current.borrow_mut() = Current::Redeemed(Rc::new(handle));
    }
}

/// The current runtime's handle; panics with what to do if there is none.
#[inline]
#[track_caller]
pub(crate) fn here(function: &str) -> Rc<Handle> {
    match known() {
        Some(handle) => handle,
        None => panic!(
            "`{function}` was called outside of a corrente runtime: call it from within \
             `corrente::run(async {{ … }})` or a task, or use a `Handle` of a `Runtime`"
        ),
    }
}

/// Calls `f` with the current runtime's handle, or panics as [`here`].
#[inline]
#[track_caller]
pub(crate) fn with<R>(function: &str, f: impl FnOnce(&Handle) -> R) -> R {
    f(&here(function))
}

/// The current runtime's handle.
pub(crate) fn get() -> Option<Handle> {
    known().map(|handle| Handle::clone(&handle))
}

/// The timer shard of this thread: that of its worker.
#[inline]
pub(crate) fn shard() -> usize {
    corrente_scheduler::current_worker().unwrap_or(0)
}
