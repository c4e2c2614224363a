//! tokio, with its current-thread scheduler: what one thread without atomics and wake-ups reaches.

use crate::tokio_mt::Flavour;
use tokio::runtime::{Builder, Runtime};

/// tokio's scheduler for one thread.
pub struct CurrentThread;

impl Flavour for CurrentThread {
    fn build(_workers: usize) -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("tokio starts")
    }
}
