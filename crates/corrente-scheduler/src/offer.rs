//! When a worker need not ask again whether somebody sleeps who could take what waits behind it.
//!
//! To ask costs a full fence at each push (`idle.md`), and while all are busy the answer is no. A worker that has asked
//! once need not ask again as long as its queue is longer than what anybody may keep to himself: whoever lies down
//! meanwhile looks at the queue, finds it too long, and gets up. One worker owns an [`Offered`] and tells it the length after each
//! push. What always holds: since it last asked, the queue was longer than [`PATIENCE`] at every moment, as far
//! as the worker can see; and it asks whenever it cannot tell.
//!
//! As far as it can see: thieves may have been there since it looked at the front of its queue, and one of them may
//! have seen a short queue and lain down before this push was there to be seen. Then one item more than it should waits
//! behind this worker until its next push, which sees the queue shrunk, or until it has polled them, or for as long as
//! the watchdog lets items wait behind a long poll. Hence only a worker that is watched may do without asking.

use crate::seat::PATIENCE;
use std::cell::Cell;

/// See the module.
pub(crate) struct Offered {
    /// How long the queue was when it last asked. 0: it is to ask.
    length: Cell<usize>,
}

impl Offered {
    pub(crate) const fn new() -> Self {
        Self { length: Cell::new(0) }
    }

    /// One item was put into the queue, which has this length now. True if the worker need not ask who sleeps.
    #[inline]
    pub(crate) fn covers(&self, length: usize) -> bool {
        let asked_at = self.length.get();
        // It is no shorter than then, and only this item was put in since it was last looked at: so it was one shorter
        // in between, at most.
        asked_at > PATIENCE + 1 && length >= asked_at
    }

    /// The worker, which is watched, asks when the queue has this length.
    #[inline]
    pub(crate) fn ask(&self, length: usize) {
        self.length.set(length);
    }

    /// Several items were put in at once, or one without asking: the length says nothing any more.
    #[inline]
    pub(crate) fn forget(&self) {
        self.length.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes and pops as told, and checks what always holds against the lengths in between. Whether it asked at each
    /// push.
    fn run(steps: &[isize]) -> Vec<bool> {
        let (offered, mut length, mut least) = (Offered::new(), 0_usize, 0);
        let mut answers = Vec::new();
        for step in steps {
            length = length.saturating_add_signed(*step);
            least = least.min(length);
            if *step == 1 {
                let covered = offered.covers(length);
                assert!(
                    !covered || least > PATIENCE,
                    "{length} after {least}, and nobody is asked"
                );
                answers.push(!covered);
                if !covered {
                    offered.ask(length);
                    least = length;
                }
            }
        }
        answers
    }

    #[test]
    fn a_queue_that_grows_is_offered_until_it_is_too_long_to_be_overlooked() {
        let asked = run(&[1; 10]);
        assert_eq!(asked, [true, true, true, true, true, true, false, false, false, false]);
    }

    #[test]
    fn turns_of_a_long_queue_ask_once_and_thieves_make_it_ask_again() {
        let mut steps = [1; 20].to_vec();
        steps.extend([-1, 1].repeat(50));
        assert_eq!(run(&steps).iter().filter(|asks| **asks).count(), 6);
        // Thieves leave more than it may keep to itself, and then they leave less.
        steps.extend([-15, 1, -2, 1, 1, 1, 1]);
        let asked = run(&steps);
        assert_eq!(asked[asked.len() - 5..], [false, true, true, false, false]);
    }

    #[test]
    fn any_order_of_pushes_polls_and_thefts_keeps_the_promise() {
        let mut random = 1_u64;
        let steps: Vec<isize> = (0..100_000)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                match random % 16 {
                    0 => -((random >> 32) as isize % 20),
                    1..8 => -1,
                    _ => 1,
                }
            })
            .collect();
        assert!(run(&steps).contains(&false));
    }

    #[test]
    fn what_is_put_in_without_asking_is_forgotten() {
        let offered = Offered::new();
        offered.ask(10);
        assert!(offered.covers(10) && !offered.covers(9));
        offered.forget();
        assert!(!offered.covers(30));
    }
}
