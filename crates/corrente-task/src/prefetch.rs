//! Hints to the processor to fetch what will be touched soon, for who wakes many tasks in a row.
//!
//! Where a hundred thousand tasks sleep, each lies in no cache when its time comes. Who wakes one after the other waits
//! for the memory of each; who asks for the memory of the next ones first waits for several at once. What always
//! holds: a hint changes nothing but the time, and on machines other than x86-64 there is none.

use crate::waker;
use std::ptr;
use std::task::Waker;

/// How many lines of a cell are fetched: its header, its schedule, and the beginning of its future.
const LINES: usize = 4;
const LINE: usize = 64;

/// What a wake of this waker's task, and the poll that follows, will touch first. For this crate's wakers.
#[inline]
pub fn task(waker: &Waker) {
    if waker::is_ours(waker) {
        (0..LINES).for_each(|line| fetch(waker.data().wrapping_byte_add(line * LINE)));
    }
}

/// The line in which `value` begins.
#[inline]
pub fn line<T>(value: &T) {
    fetch(ptr::from_ref(value).cast());
}

#[inline]
fn fetch(address: *const ()) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it gives no value and cannot fault, whatever the address: also behind the end of a cell.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
