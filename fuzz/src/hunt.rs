//! Inputs are made up, tried, and made smaller when one fails.
//!
//! What always holds: the inputs follow from the seed alone, so a seed gives the same run everywhere. They grow, as
//! short ones find most mistakes and are easy to read. There is no feedback from the product: what it did with one
//! input does not change the next.

use crate::Target;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest input that is made up.
const LONGEST: u64 = 600;
/// So many attempts are made at a smaller input.
const ATTEMPTS: usize = 20_000;

/// An input on which product and oracle disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How many inputs were fine before.
    pub after: u64,
    /// The input, as small as it could be made.
    pub input: Vec<u8>,
    /// What was panicked with.
    pub message: String,
}

/// Runs `target` on inputs made from `seed`, for as long as `go_on` says, and gives how many there were. It is shown
/// each input that is about to be tried, also when a failing one is made smaller; nothing stops that.
///
/// # Errors
/// The first input that fails.
pub fn hunt(
    target: &Target,
    seed: u64,
    mut go_on: impl FnMut(u64, &[u8]) -> bool,
) -> Result<u64, Failure> {
    let mut random = Random::new(seed);
    for number in 0.. {
        let input = make_up(&mut random, number);
        if !go_on(number, &input) {
            return Ok(number);
        }
        if try_out(target, &input).is_err() {
            let input = shrink(target, input, |input| _ = go_on(number, input));
            let message = try_out(target, &input).err().unwrap_or_default();
            return Err(Failure { after: number, input, message });
        }
    }
    Ok(u64::MAX)
}

/// Runs `target` on one input.
///
/// # Errors
/// What it panicked with.
pub fn try_out(target: &Target, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref().cloned()).unwrap_or_else(|| "a panic".to_owned())
    })
}

/// Bytes of all kinds, or of a few kinds only: then few operations come, and come often.
fn make_up(random: &mut Random, number: u64) -> Vec<u8> {
    let len = 1 + random.below((4 + number / 20).min(LONGEST));
    let kinds: Vec<u8> = (0..1 + random.below(12)).map(|_| random.byte()).collect();
    let all = random.below(4);
    let byte = |_| match random.below(4) < all {
        true => random.byte(),
        false => kinds[random.below(kinds.len() as u64) as usize],
    };
    (0..len).map(byte).collect()
}

/// Leaves out whatever does not matter, then makes zero what does not matter.
fn shrink(target: &Target, mut input: Vec<u8>, mut show: impl FnMut(&[u8])) -> Vec<u8> {
    let mut attempts = ATTEMPTS;
    let mut fails = |input: &[u8]| {
        attempts = attempts.saturating_sub(1);
        show(input);
        attempts > 0 && try_out(target, input).is_err()
    };
    let mut piece = input.len();
    while piece > 0 {
        let before = input.len();
        let mut at = 0;
        while at < input.len() {
            let mut less = input.clone();
            less.drain(at..input.len().min(at + piece));
            match fails(&less) {
                true => input = less,
                false => at += piece,
            }
        }
        if piece > 1 || input.len() == before {
            piece /= 2;
        }
    }
    // A byte may say how many bytes follow.
    let mut at = 0;
    while at + 1 < input.len() {
        let mut less = input.clone();
        less[at] = less[at].saturating_sub(1);
        less.remove(at + 1);
        match input[at] > 0 && fails(&less) {
            true => input = less,
            false => at += 1,
        }
    }
    for at in 0..input.len() {
        let byte = std::mem::take(&mut input[at]);
        if byte > 0 && !fails(&input) {
            input[at] = byte;
        }
    }
    input
}

/// The bytes as they are given to `--replay`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] has written.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let byte = |pair: Option<&str>| u8::from_str_radix(pair?, 16).ok();
    (text.len() % 2 == 0).then(|| pairs.map(byte).collect())?
}

/// xorshift64*: small, and random enough for this.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Seeds that are near each other begin far from each other, and none with zero.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// Less than `end`, which is not zero.
    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 32) % end
    }
}
