//! What is due when: a hierarchical timer wheel, and timers made of it for many threads.
//!
//! Time is counted in [`Tick`]s, whole microseconds since the origin of a [`Clock`]. A [`Wheel`]
//! keeps values by deadline. It has eleven levels of 64 slots, and a slot of one level is as long as
//! the whole level below:
//!
//! ```text
//! level   a slot is    the level spans
//!   10    36,559 y     all there is (16 slots)     |0 . . . . . . . . . . . . . . f|
//!    :        :             :                                      :
//!    3    262 ms       16.8 s                      |0 1 2 3 . . . . . . . . . . .63|
//!    2    4.1 ms       262 ms                      |0 1 2 3 . . . . . . . . . . .63|
//!    1    64 us        4.1 ms                      |0 1 2 3 . . # . . . . . . . .63|
//!    0    1 us         64 us                       |0 1 2 3 . . . . # . . . . . .63|
//!
//!              bits 63..60   59..54  ...  23..18   17..12    11..6     5..0
//! a deadline:  [level 10]   [  9  ]  ... [  3  ]  [  2  ]   [  1  ]   [  0  ]
//! ```
//!
//! A deadline goes to the level of the highest digit in which it differs from the *cursor*, the point
//! up to which the wheel has been turned, and there to the slot of that digit. When the cursor comes
//! to a slot (`#`), its values are moved to the levels below, where they are told apart more finely;
//! on level 0 they are due. (A short slot with few values is sorted instead: see `wheel/run.rs`.) So
//! inserting and removing take the same short time however many timers there are, a value is moved at
//! most ten times, the digits cover every `u64`, and as they are counted from the origin and not from
//! the cursor, no slot ever stands for two times.
//!
//! [`Timers`] are wheels of wakers in shards, one for each thread that makes many timers, turned by one
//! driver; [`Sleep`] is the future over them. Who may know what: the wheel knows no clock; nothing here
//! knows tasks, threads or sockets.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod clock;
mod pace;
mod sleep;
mod tick;
mod timers;
mod wheel;

pub use clock::Clock;
pub use pace::Pace;
pub use sleep::Sleep;
pub use tick::Tick;
pub use timers::{Closed, TimerKey, Timers, Wait};
pub use wheel::{Key, Wheel};
