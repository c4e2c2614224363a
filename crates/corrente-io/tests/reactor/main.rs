//! What the reactor promises, over real sockets and pipes: one file per promise.
//!
//! Nearly every test runs three times: on the fastest path of this system, and through polling, edge-triggered
//! and oneshot.
#![cfg(unix)]
#[macro_use]
mod common;
mod doubts;
mod drop_in_flight;
mod failure;
mod interrupt;
mod many_sources;
mod operations;
mod readiness;
mod stream_ends;
mod timeouts;
