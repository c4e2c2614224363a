//! When a worker need not ask again whether somebody sleeps who could take what waits behind it.
//!
//! To ask costs a full fence at each push (`idle.md`), and while all are busy the answer is no. A worker that has asked
//! once need not ask again as long as its queue is longer than what it may keep to itself: whoever lies down meanwhile
//! looks at the queue, finds it too long, and gets up. One worker owns an [`Offered`] and tells it the length after each
//! push. What always holds: since it last asked, the queue was longer than the worker's patience at every moment, as far
//! as the worker can see; and it asks whenever it cannot tell.
//!
//! As far as it can see: thieves may have been there since it looked at the front of its queue, and one of them may
//! have seen a short queue and lain down before this push was there to be seen. Then one item more than it should waits
//! behind this worker until its next push, which sees the queue shrunk, or until it has polled them, or for as long as
//! the watchdog lets items wait behind a long poll. Hence only a worker with patience does without asking: its polls
//! are known to be short, and it is watched.

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

    /// Something was put into the queue, which has this length now. True if the worker must ask who sleeps.
    #[inline]
    pub(crate) fn must_ask(&self, length: usize, patience: usize) -> bool {
        let asked_at = self.length.get();
        // It has not become shorter, and nothing was pushed but this one item. So it was never more than one shorter.
        if patience > 0 && asked_at > patience + 1 && length >= asked_at {
            return false;
        }
        self.length.set(length);
        true
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

    const PATIENCE: usize = 4;

    /// Pushes and pops as told, and checks what always holds against the lengths in between.
    fn run(steps: &[isize], patience: usize) -> Vec<bool> {
        let (offered, mut length, mut least) = (Offered::new(), 0_usize, 0);
        let mut answers = Vec::new();
        for step in steps {
            length = length.saturating_add_signed(*step);
            least = least.min(length);
            if *step == 1 {
                let asks = offered.must_ask(length, patience);
                assert!(asks || least > patience, "{length} after {least}, and nobody was asked");
                answers.push(asks);
                if asks {
                    least = length;
                }
            }
        }
        answers
    }

    #[test]
    fn a_queue_that_grows_is_offered_until_it_is_too_long_to_be_overlooked() {
        let asked = run(&[1; 10], PATIENCE);
        assert_eq!(asked, [true, true, true, true, true, true, false, false, false, false]);
    }

    #[test]
    fn turns_of_a_long_queue_ask_once_and_thieves_make_it_ask_again() {
        let mut steps = [1; 20].to_vec();
        steps.extend([-1, 1].repeat(50));
        assert_eq!(run(&steps, PATIENCE).iter().filter(|asks| **asks).count(), 6);
        // Thieves leave more than it may keep to itself, and then they leave less.
        steps.extend([-15, 1, -2, 1, 1, 1, 1]);
        let asked = run(&steps, PATIENCE);
        assert_eq!(asked[asked.len() - 5..], [false, true, true, false, false]);
    }

    #[test]
    fn who_has_no_patience_asks_always() {
        assert!(run(&[1; 100], 0).into_iter().all(|asks| asks));
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
        assert!(run(&steps, PATIENCE).contains(&false));
    }

    #[test]
    fn what_is_put_in_without_asking_is_forgotten() {
        let offered = Offered::new();
        assert!(offered.must_ask(10, PATIENCE) && !offered.must_ask(10, PATIENCE));
        offered.forget();
        assert!(offered.must_ask(30, PATIENCE));
    }
}
