//! Sleeping, and giving up in time.

mod sleep;
mod timeout;

pub use sleep::{Sleep, SleepWith, sleep, sleep_until, sleep_with};
pub use timeout::{
    Deadline, DeadlineError, Timeout, TimeoutError, timeout, timeout_at, timeout_scope,
    timeout_scope_at, wait_for,
};
