//! Faults and misuse at the level of the whole runtime, each in a process of its own.
//!
//! A test starts this binary again for itself alone, under the tool that makes the fault: a limit on
//! threads or descriptors, injected system call errors, an uptime of years, a stopped process. See
//! `child.rs` for how; what is asserted is how the child ends, what it says, and that it ends at all.
//! A tool that is absent or not permitted is skipped with a line on stderr.
#![cfg(target_os = "linux")]

mod child;
mod driver;
mod misuse;
mod panics;
mod runtimes;
mod server;
mod shutdown;
mod sockets;
mod startup;
mod time;
