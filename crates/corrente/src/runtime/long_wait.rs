//! Reports of long waits: a callback that looks into the book of `corrente_sync::diagnostics` now and then.
//!
//! It exists only if it was asked for. It ends with its runtime, like any callback.

use crate::runtime::handle::Handle;
use corrente_sync::diagnostics::{LongWait, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

pub(crate) type LongWaitHook = Arc<dyn Fn(&LongWait) + Send + Sync>;

/// The shortest time from one look to the next.
const SHORTEST: Duration = Duration::from_millis(1);

/// Reports waits longer than `limit` as long as the runtime lives.
pub(crate) fn watch(handle: &Handle, limit: Duration, hook: Option<LongWaitHook>) {
    let mut watch = Watch::new(limit);
    handle.callback(
        async move {
            loop {
                crate::sleep((limit / 2).max(SHORTEST)).await;
                for wait in watch.look() {
                    match &hook {
                        // The hook is the user's.
                        Some(hook) => drop(catch_unwind(AssertUnwindSafe(|| hook(&wait)))),
                        None => eprintln!("corrente: {wait}"),
                    }
                }
            }
        },
        false,
    );
}
