//! A task's waker: a counted reference to its header, behind std's `Waker`.

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
    // SAFETY: the waker's reference keeps the header alive until the state word has taken it.
    let header = unsafe { header(data) };
    // SAFETY: as above.
    match unsafe { header.as_ref() }.state.wake() {
        Wake::Nothing => {}
        // SAFETY: the waker's reference is now the Runnable's.
        Wake::Submit => unsafe { runnable::submit(header, Cause::Wake) },
        // SAFETY: that was the last reference.
        Wake::Dealloc => unsafe { ending::free(header) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference keeps the header alive.
    let header = unsafe { header(data) };
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
