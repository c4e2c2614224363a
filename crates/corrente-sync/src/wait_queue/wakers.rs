//! Wakers on their way: collected under a lock, woken after it.
//!
//! What always holds: each waker that was pushed is woken once, in the order of pushing, when the
//! collection is dropped, whatever the others do. A waker is user code and may panic: the rest is
//! woken nevertheless, then the first panic goes on.

use crate::diagnostics;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakers to wake, in order, when this is dropped.
#[derive(Debug)]
pub(crate) struct Wakers {
    /// Nearly always there is one at most: no allocation then.
    first: Option<Waker>,
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    wakers: Vec<Waker>,
    /// Numbers in the book of waits, of those who are in it.
    booked: Vec<u64>,
}

impl Wakers {
    /// Nobody to wake yet. Allocates nothing.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { first: None, more: None }
    }

    /// `waker` is woken after all that were pushed before it.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker, booked: u64) {
        if self.first.is_none() && booked == 0 {
            self.first = Some(waker);
        } else {
            self.push_more(waker, booked);
        }
    }

    #[cold]
    fn push_more(&mut self, waker: Waker, booked: u64) {
        let more = self.more.get_or_insert_default();
        if booked != 0 {
            more.booked.push(booked);
        }
        match self.first {
            None => self.first = Some(waker),
            Some(_) => more.wakers.push(waker),
        }
    }
}

impl Drop for Wakers {
    #[inline]
    fn drop(&mut self) {
        let Some(first) = self.first.take() else { return };
        match self.more.take() {
            // Nobody else could be forgotten.
            None if !std::thread::panicking() => first.wake(),
            more => wake_all(first, *more.unwrap_or_default()),
        }
    }
}

#[cold]
fn wake_all(first: Waker, more: More) {
    more.booked.into_iter().for_each(diagnostics::granted);
    let mut panic = wake(first);
    for waker in more.wakers {
        let next = wake(waker);
        panic = panic.or(next);
    }
    if let Some(panic) = panic {
        // A second panic during unwinding would abort the process.
        if !std::thread::panicking() {
            resume_unwind(panic);
        }
    }
}

fn wake(waker: Waker) -> Option<Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| waker.wake())).err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    struct Note {
        name: u32,
        book: Arc<Mutex<Vec<u32>>>,
    }

    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.book.lock().unwrap().push(self.name);
            assert!(self.name != 2, "waker 2 panics");
        }
    }

    #[test]
    fn all_are_woken_in_order_even_if_one_panics() {
        let book = Arc::default();
        let wake = AssertUnwindSafe(|| {
            let mut wakers = Wakers::new();
            for name in 1..=4 {
                wakers.push(Arc::new(Note { name, book: Arc::clone(&book) }).into(), 0);
            }
        });
        let panic = catch_unwind(wake).expect_err("the panic of waker 2 goes on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"waker 2 panics"));
        assert_eq!(*book.lock().unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_while_unwinding_does_not_abort() {
        let book = Arc::default();
        let unwind = AssertUnwindSafe(|| {
            let mut wakers = Wakers::new();
            wakers.push(Arc::new(Note { name: 2, book: Arc::clone(&book) }).into(), 0);
            wakers.push(Arc::new(Note { name: 3, book: Arc::clone(&book) }).into(), 0);
            panic!("the first panic");
        });
        let panic = catch_unwind(unwind).expect_err("the first panic goes on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the first panic"));
        assert_eq!(*book.lock().unwrap(), [2, 3]);
    }
}
