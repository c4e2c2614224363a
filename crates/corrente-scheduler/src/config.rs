//! What a pool is started with: each value with its unit and its default.
//!
//! Plain data, read once at the start. What always holds: a pool whose [`Config::check`] failed was never
//! begun, so there is nothing to undo.

use crate::blocking::Stall;
use crate::idle::MAX_WORKERS;
use crate::watchdog::LongPoll;
use corrente_task::Unobserved;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// In which order ready tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// On all workers at once: each has its queue, and idle ones steal. For programs.
    #[default]
    WorkStealing,
    /// asyncio's order exactly, on the thread that calls `block_on` and no other: a round runs what was
    /// ready when it began. For tests that must not depend on chance. Needs `workers: 1`.
    Fifo,
}

/// The settings of a [`Pool`](crate::Pool).
///
/// # Examples
///
/// ```
/// use corrente_scheduler::Config;
///
/// let config = Config { workers: 2, name: "crawler".into(), ..Config::default() };
/// assert_eq!(config.next_slot_limit, 16);
/// ```
#[derive(Clone)]
pub struct Config {
    /// How many workers, the thread that calls `block_on` included: 1 to 64. Default: one per core.
    pub workers: usize,
    /// What the threads are called: `NAME-worker-1`, `NAME-blocking-3`, `NAME-stand-in`. Default: `corrente`.
    pub name: String,
    /// Bytes of stack for each thread that the pool starts. Default: what std takes (2 MiB).
    pub stack_size: Option<usize>,
    /// The most threads for blocking jobs, and the most for sections that block. Default: 512.
    pub blocking_max: usize,
    /// How long such a thread waits for another job before it ends. Default: 10 s.
    pub blocking_keep_alive: Duration,
    /// After how many polls, at the latest, a busy worker looks at the driver and the injector; after four times as
    /// many where the watchdog has found that these take no longer than 100 µs. Default: 61.
    pub driver_interval: u32,
    /// How many polls in a row may come from the next slot while the queue waits. Default: 16.
    pub next_slot_limit: u32,
    /// Whether a thread watches for polls that do not end and has others rescued from behind them.
    /// Without it every item in a queue behind the first is worth a wake-up; the first, and what is in the
    /// next slot, must wait if their worker blocks. Default: true.
    pub watchdog: bool,
    /// How long a poll may last before it is reported. Default: 100 ms, as in asyncio's debug mode.
    pub long_poll: Duration,
    /// Which task runs next. Default: [`Order::WorkStealing`].
    pub order: Order,
    /// How long dropping a pool waits for what does not end. Default: 10 s.
    pub drop_limit: Duration,
    /// A test hook: each wake goes to a worker drawn by this seed, and the order is shaken.
    pub seed: Option<u64>,
    /// A test hook: asked for each thread by its name; an error is what starting it ends with.
    #[doc(hidden)]
    pub thread_fault: Option<ThreadFault>,
}

/// See [`Config::thread_fault`].
#[doc(hidden)]
pub type ThreadFault = Arc<dyn Fn(&str) -> Option<io::Error> + Send + Sync>;

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
            name: "corrente".to_owned(),
            stack_size: None,
            blocking_max: 512,
            blocking_keep_alive: Duration::from_secs(10),
            driver_interval: 61,
            next_slot_limit: 16,
            watchdog: true,
            long_poll: Duration::from_millis(100),
            order: Order::WorkStealing,
            drop_limit: Duration::from_secs(10),
            seed: None,
            thread_fault: None,
        }
    }
}

/// Called with a worker's index.
pub type WorkerHook = Arc<dyn Fn(usize) + Send + Sync>;
/// Called with a report of trouble in a task.
pub type UnobservedHook = Arc<dyn Fn(&Unobserved<'_>) + Send + Sync>;
/// Called with a report.
pub type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// What the pool calls back. Each may be called on any of its threads; a panic in one is contained.
///
/// None of them may block: `long_poll` and `blocking_stall` are called by the watchdog, which rescues nobody
/// meanwhile.
#[derive(Clone, Default)]
pub struct Hooks {
    /// A thread begins to work as the worker with this index. Worker 0 is whoever calls `block_on`.
    pub worker_start: Option<WorkerHook>,
    /// The thread is no longer that worker.
    pub worker_stop: Option<WorkerHook>,
    /// Something went wrong in a task that nobody will read. Default: a line on stderr.
    pub unobserved: Option<UnobservedHook>,
    /// A poll has lasted longer than [`Config::long_poll`]. Called while it still lasts.
    pub long_poll: Option<Hook<LongPoll>>,
    /// Blocking jobs wait and no thread gets free. Default: a line on stderr.
    pub blocking_stall: Option<Hook<Stall>>,
}

/// Why a pool could not be started. Nothing of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No workers were asked for.
    NoWorkers,
    /// More than 64 workers were asked for.
    TooManyWorkers {
        /// How many.
        asked: usize,
    },
    /// [`Order::Fifo`] with more than one worker.
    FifoIsSerial {
        /// How many workers were asked for.
        asked: usize,
    },
    /// No blocking thread would be allowed.
    NoBlockingThreads,
    /// A thread's name may not hold a NUL.
    BadName,
    /// A stack of that size cannot work.
    BadStackSize {
        /// In bytes.
        asked: usize,
    },
    /// The operating system refused a thread.
    Thread {
        /// What it would have been called.
        name: String,
        /// The system's reason.
        error: io::Error,
    },
    /// As many pools as there can be in one process exist.
    TooManyPools,
}

const STACK_MIN: usize = 64 << 10;
const STACK_MAX: usize = 1 << 40;

impl Config {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        match self.workers {
            0 => return Err(StartError::NoWorkers),
            asked if asked > MAX_WORKERS => return Err(StartError::TooManyWorkers { asked }),
            asked if asked > 1 && self.order == Order::Fifo => {
                return Err(StartError::FifoIsSerial { asked });
            }
            _ => {}
        }
        if self.blocking_max == 0 {
            return Err(StartError::NoBlockingThreads);
        }
        if self.name.contains('\0') {
            return Err(StartError::BadName);
        }
        match self.stack_size {
            Some(asked) if !(STACK_MIN..STACK_MAX).contains(&asked) => {
                Err(StartError::BadStackSize { asked })
            }
            _ => Ok(()),
        }
    }

    /// Starts a thread of the pool.
    pub(crate) fn start_thread(
        &self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<std::thread::JoinHandle<()>> {
        if let Some(error) = self.thread_fault.as_ref().and_then(|fault| fault(name)) {
            return Err(error);
        }
        let mut builder = std::thread::Builder::new().name(name.to_owned());
        if let Some(size) = self.stack_size {
            builder = builder.stack_size(size);
        }
        builder.spawn(body)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("workers", &self.workers)
            .field("name", &self.name)
            .field("order", &self.order)
            .field("watchdog", &self.watchdog)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkers => {
                f.write_str("a runtime needs at least 1 worker, and 0 were asked for")
            }
            Self::TooManyWorkers { asked } => {
                write!(f, "a runtime has at most {MAX_WORKERS} workers, and {asked} were asked for")
            }
            Self::FifoIsSerial { asked } => {
                write!(f, "FIFO order runs on 1 worker, and {asked} were asked for")
            }
            Self::NoBlockingThreads => {
                f.write_str("at least 1 blocking thread must be allowed, and the limit is 0")
            }
            Self::BadName => f.write_str("the name of a thread must not contain a NUL character"),
            Self::BadStackSize { asked } => write!(
                f,
                "a stack of {asked} bytes cannot work: ask for {STACK_MIN} bytes to less than 1 TiB"
            ),
            Self::Thread { name, error } => write!(
                f,
                "the thread {name} could not be started: {error}; ask for fewer workers or raise the \
                 limit on processes"
            ),
            Self::TooManyPools => f.write_str("65,535 runtimes exist already: shut some down"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config { workers: 1, ..Config::default() };
        change(&mut config);
        config.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn misuse_is_refused_with_its_reason() {
        assert_eq!(refused(|_| {}), "");
        assert!(refused(|c| c.workers = 0).contains("at least 1 worker"));
        assert!(refused(|c| c.workers = 65).contains("at most 64 workers, and 65"));
        assert!(refused(|c| c.name = "a\0b".into()).contains("NUL"));
        assert!(refused(|c| c.stack_size = Some(1024)).contains("1024 bytes"));
        assert!(refused(|c| c.stack_size = Some(usize::MAX)).contains("less than 1 TiB"));
        assert!(refused(|c| c.blocking_max = 0).contains("at least 1 blocking thread"));
        assert!(refused(|c| (c.workers, c.order) = (2, Order::Fifo)).contains("on 1 worker"));
        assert_eq!(refused(|c| (c.workers, c.order) = (1, Order::Fifo)), "");
    }

    #[test]
    fn a_refused_thread_is_the_system_s_error() {
        let fault: ThreadFault =
            Arc::new(|name| (name == "x").then(|| io::Error::from(io::ErrorKind::WouldBlock)));
        let config = Config { thread_fault: Some(fault), ..Config::default() };
        assert!(config.start_thread("x", || {}).is_err());
        let ran = config.start_thread("y", || {}).map(std::thread::JoinHandle::join);
        assert!(matches!(ran, Ok(Ok(()))));
    }
}
