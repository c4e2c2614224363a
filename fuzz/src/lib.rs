//! Arbitrary bytes as operations on corrente's data structures, each beside an oracle.
//!
//! A [`Target`] reads bytes as operations, does them to the product and to something slow and plain, and panics at the
//! first difference. What always holds: any bytes are an input, and the same bytes always do the same. [`hunt()`] makes
//! inputs up; `main.rs` is the command line, and `fuzz/tests/smoke.rs` a short run for every change.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bytes;
mod hunt;
mod targets {
    pub mod queue;
    pub mod reader;
    pub mod semaphore;
    pub mod wheel;
}

/// The oracles are those of the property tests.
#[path = "../../crates/corrente-sync/tests/promises/line.rs"]
mod line;
#[path = "../../crates/corrente-sync/tests/promises/oracle.rs"]
mod sync_oracle;
#[path = "../../crates/corrente-sync/tests/promises/waiter.rs"]
mod waiter;
#[path = "../../crates/corrente-timer/tests/oracle/mod.rs"]
mod wheel_oracle;

pub use hunt::{Failure, from_hex, hex, hunt, try_out};

/// Something that takes arbitrary bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is compared with what.
    pub what: &'static str,
    /// Does what the bytes say; panics if product and oracle disagree.
    pub run: fn(&[u8]),
}

/// All there are.
pub const TARGETS: &[Target] = &[
    Target { name: "wheel", what: "the timer wheel beside a sorted map", run: targets::wheel::run },
    Target { name: "reader", what: "a StreamReader beside a Vec<u8>", run: targets::reader::run },
    Target { name: "queue", what: "a Queue beside two plain lines", run: targets::queue::run },
    Target {
        name: "semaphore",
        what: "a Semaphore beside a plain line",
        run: targets::semaphore::run,
    },
];
