//! A task's waker: a counted reference to its header, behind std's `Waker`.

use crate::current::Frame;
use crate::ending;
use crate::header::Header;
use crate::runnable::{self, Cause};
use crate::state::Wake;
use crate::task_ref::TaskRef;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// True if `waker` wakes a task of this crate directly, with nothing in between.
pub(crate) fn is_ours(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &VTABLE)
}

/// True if `waker` is this very task's.
#[inline]
pub(crate) fn is_of(waker: &Waker, task: &TaskRef) -> bool {
    is_ours(waker) && waker.data() == task.pointer().as_ptr().cast_const().cast()
}

/// A waker that counts no reference and must not outlive one.
pub(crate) struct Borrowed(ManuallyDrop<Waker>);

impl Deref for Borrowed {
    type Target = Waker;
    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// # Safety
///
/// The cell outlives the result.
#[inline]
pub(crate) unsafe fn borrowed(header: NonNull<Header>) -> Borrowed {
    let raw = RawWaker::new(header.as_ptr().cast_const().cast(), &VTABLE);
    // SAFETY: the functions below keep the contract of RawWaker; the reference that `drop` would give
    // back is never given back, since it is never counted.
    Borrowed(ManuallyDrop::new(unsafe { Waker::from_raw(raw) }))
}

/// # Safety
///
/// `data` is the data pointer of a waker of this vtable, which has a reference.
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: wakers are made from non-null headers only.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference keeps the header alive.
    unsafe { header(data).as_ref().state.ref_inc() };
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as the caller's.
    unsafe { wake_for(data, Cause::Wake) };
}

/// # Safety
///
/// `data` is the data pointer of a waker of this vtable, whose reference is handed over.
unsafe fn wake_for(data: *const (), cause: Cause) {
    // SAFETY: the waker's reference keeps the header alive until the state word has taken it.
    let header = unsafe { header(data) };
    // SAFETY: as above.
    match unsafe { header.as_ref() }.state.wake() {
        Wake::Nothing => {}
        // SAFETY: the waker's reference is now the Runnable's.
        Wake::Submit => unsafe { runnable::submit(header, cause) },
        // SAFETY: that was the last reference.
        Wake::Dealloc => unsafe { ending::free(header) },
    }
}

/// Wakes who has waited for a task that has just ended.
///
/// One of our tasks is queued, as asyncio does it, instead of being run next: it has often more tasks to wait for,
/// and then finds the others ended, too.
pub(crate) fn wake_joined(waker: Waker) {
    if !is_ours(&waker) {
        return waker.wake();
    }
    let waker = ManuallyDrop::new(waker);
    // SAFETY: a waker of our vtable, whose reference goes into the wake.
    unsafe { wake_for(waker.data(), Cause::Joined) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference keeps the header alive.
    let header = unsafe { header(data) };
    if Frame::wakes_itself(header) {
        return;
    }
    // SAFETY: as above.
    match unsafe { header.as_ref() }.state.wake_by_ref() {
        // SAFETY: the state word has counted a reference for the Runnable.
        Wake::Submit => unsafe { runnable::submit(header, Cause::Wake) },
        Wake::Nothing | Wake::Dealloc => {}
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's reference is given up here.
    unsafe { ending::drop_reference(header(data)) };
}

/// Wakers whose `clone` panics can only be made by hand, so what they may do is tested here and not in
/// `tests/`.
#[cfg(test)]
mod tests {
    use crate::{Cause, Options, Runnable, Schedule, Spawned, catch_cancel, spawn};
    use std::future::{Future, pending, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::{Pin, pin};
    use std::ptr;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

    static TOUCHY: RawWakerVTable = RawWakerVTable::new(|_| panic!("clone"), drop, drop, drop);

    fn touchy() -> Waker {
        // SAFETY: the functions of the table do nothing with the pointer.
        unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &TOUCHY)) }
    }

    #[derive(Clone, Default)]
    struct Queue(Arc<Mutex<Vec<Runnable>>>);

    impl Schedule for Queue {
        fn schedule(&self, runnable: Runnable, _: Cause) {
            self.0.lock().unwrap().push(runnable);
        }
    }

    fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Option<Poll<F::Output>> {
        let poll = || Pin::new(future).poll(&mut Context::from_waker(waker));
        catch_unwind(AssertUnwindSafe(poll)).ok()
    }

    #[test]
    fn waits_survive_a_waker_that_cannot_be_cloned() {
        let Spawned { runnable, mut task, .. } =
            spawn(async { 5 }, Queue::default(), Options::default());
        let mut finished = task.finished();
        let mut requested = task.cancel_requested();
        let mut joined = poll_fn(|cx| task.poll_finished(cx));
        for _ in 0..2 {
            assert!(poll(&mut joined, &touchy()).is_none());
            assert!(poll(&mut finished, &touchy()).is_none());
            assert!(poll(&mut requested, &touchy()).is_none());
            assert_eq!(poll(&mut joined, Waker::noop()), Some(Poll::Pending));
            assert_eq!(poll(&mut finished, Waker::noop()), Some(Poll::Pending));
            assert_eq!(poll(&mut requested, Waker::noop()), Some(Poll::Pending));
        }
        assert!(runnable.run());
        assert_eq!(poll(&mut finished, &touchy()), Some(Poll::Ready(())));
        assert!(matches!(task.try_outcome(), Some(Ok(5))));
    }

    #[test]
    fn a_scope_survives_a_waker_that_cannot_be_cloned() {
        let queue = Queue::default();
        let future = async {
            let mut scope = pin!(catch_cancel(pending::<()>()));
            let mut first = true;
            poll_fn(|cx| {
                if std::mem::take(&mut first) {
                    assert!(poll(&mut scope, &touchy()).is_none());
                    assert_eq!(poll(&mut scope, Waker::noop()), Some(Poll::Pending));
                    assert!(poll(&mut scope, &touchy()).is_none());
                }
                scope.as_mut().poll(cx)
            })
            .await
        };
        let Spawned { runnable, mut task, .. } = spawn(future, queue.clone(), Options::default());
        assert!(!runnable.run());
        task.cancel();
        queue.0.lock().unwrap().pop().unwrap().run();
        assert!(task.try_outcome().is_some_and(|outcome| outcome.unwrap().is_err()));
    }
}
