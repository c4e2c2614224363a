//! What the pool promises, one file per situation.
//!
//! A test that waits for another thread gives up after [`support::PATIENCE`] and says what it waited for;
//! nothing here depends on how fast the machine is. Tests that need it for themselves begin with `alone`.

mod support;

mod advice;
mod blocking;
mod fairness;
mod fifo;
mod lending;
mod lost_wakeup;
mod nesting;
mod panics;
mod pause;
mod section;
mod seed;
mod shutdown;
mod start;
mod stealing;
mod virtual_time;
