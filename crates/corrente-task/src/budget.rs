//! How many times a task may find something ready before it must let others run.
//!
//! A task whose every wait is already over never suspends by itself and would hold its worker for
//! ever. So whatever can be ready at once (a queue, a socket, a lock) asks [`poll_proceed`] first, and
//! after `BUDGET` successes within one poll the answer is "yield". A plain thread-local count:
//! outside a worker, and in runtimes that switch it off, it never runs out.
//!
//! A foreign executor inside of a task (`block_on` of some other crate) polls again and again within one
//! poll of ours, and would be told to yield for ever. So whoever is refused `REFUSALS` times within one
//! poll has a new budget: it will not let us go on anyhow.

use std::cell::Cell;
use std::task::{Context, Poll};

/// Ready waits per poll.
const BUDGET: u32 = 128;
const UNLIMITED: u32 = u32::MAX;
/// So many refusals within one poll, and there is a new budget.
const REFUSALS: u32 = 1024;

struct Budget {
    /// What is left for this poll.
    left: Cell<u32>,
    /// How often this poll was refused since its budget ran out.
    refused: Cell<u32>,
    /// What a poll begins with on this thread.
    each: Cell<u32>,
}

corrente_shim::local! {
    static HERE: Budget = Budget {
        left: Cell::new(UNLIMITED),
        refused: Cell::new(0),
        each: Cell::new(BUDGET),
    };
}

/// A new poll begins on this thread. Returns what an interrupted poll had left, for [`restore`].
#[inline]
pub(crate) fn begin() -> u32 {
    let begin = |here: &Budget| {
        here.refused.set(0);
        here.left.replace(here.each.get())
    };
    HERE.try_with(begin).unwrap_or(UNLIMITED)
}

/// The poll is over; the one that it interrupted, if any, goes on.
#[inline]
pub(crate) fn restore(left: u32) {
    let _ = HERE.try_with(|here| here.left.set(left));
}

/// Switches the budget off (or on again) for the polls that begin on this thread from now on.
///
/// For runtimes that need asyncio's order exactly: an extra yield is an extra point of suspension.
pub fn set_unlimited(unlimited: bool) {
    let each = if unlimited { UNLIMITED } else { BUDGET };
    let _ = HERE.try_with(|here| here.each.set(each));
}

/// To be asked by a future that is about to be ready at once: `Pending` means that the task has had its
/// share. It is then woken already, and will be asked again in its next poll.
///
/// # Examples
///
/// ```
/// use std::task::{Context, Poll};
///
/// fn poll_next(items: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<Option<u8>> {
///     std::task::ready!(corrente_task::budget::poll_proceed(cx));
///     Poll::Ready(items.pop())
/// }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    let allowed = HERE.try_with(|here| match here.left.get() {
        UNLIMITED => true,
        0 => here.is_refused_too_often(),
        some => {
            here.left.set(some - 1);
            true
        }
    });
    if allowed.unwrap_or(true) {
        Poll::Ready(())
    } else {
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Budget {
    /// Counts a refusal. The last one is none: from it on there is a new budget.
    #[cold]
    fn is_refused_too_often(&self) -> bool {
        let refused = self.refused.get() + 1;
        self.refused.set(refused % REFUSALS);
        let too_often = refused == REFUSALS;
        if too_often {
            self.left.set(BUDGET - 1);
        }
        too_often
    }
}
