//! How a runtime is made: its settings, and what can go wrong.

use crate::runtime::current;
use crate::runtime::driver::SystemDriver;
use crate::runtime::handle::Handle;
use crate::runtime::long_wait::{self, LongWaitHook};
use crate::runtime::run::RunError;
use crate::runtime::runner::Runner;
use crate::runtime::runtime::Runtime;
use corrente_io::Reactor;
use corrente_scheduler::{Config, Hooks, LongPoll, Order, Pool, Stall, StartError};
use corrente_sync::diagnostics::LongWait;
use corrente_task::Unobserved;
use corrente_timer::{Clock, Timers};
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a runtime.
///
/// # Examples
///
/// ```
/// use corrente::Builder;
///
/// let answer = Builder::new().workers(2).name("calc").run(async { 6 * 7 });
/// assert_eq!(answer.unwrap(), 42);
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build` or `run`"]
pub struct Builder {
    config: Config,
    hooks: Hooks,
    virtual_time: bool,
    portable_io: bool,
    shutdown_limit: Duration,
    long_wait: Option<Duration>,
    on_long_wait: Option<LongWaitHook>,
}

/// Why a runtime could not be made. Nothing of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The settings, or a thread that could not be started.
    Start(StartError),
    /// The I/O driver: usually too many open descriptors.
    Io(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Io(error) => {
                write!(
                    f,
                    "the I/O driver could not be set up ({error}): are descriptors left? see `ulimit -n`"
                )
            }
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl Builder {
    /// A worker for each core, a watchdog, real time.
    pub fn new() -> Self {
        Self {
            config: Config::default(),
            hooks: Hooks::default(),
            virtual_time: false,
            portable_io: false,
            shutdown_limit: Duration::from_secs(300),
            long_wait: None,
            on_long_wait: None,
        }
    }

    /// How many threads run tasks, from 1 to 64, the thread that calls `run` included. Default: one for
    /// each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// What the threads are called. Default: `corrente`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Bytes of stack for each thread. Default: 2 MiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// The most threads that run blocking functions, and the most that stand in for workers in
    /// [`blocking`](crate::blocking). Default: 512.
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        self.config.blocking_max = threads;
        self
    }

    /// How long such a thread waits for more work before it ends. Default: 10 s.
    pub fn blocking_keep_alive(mut self, limit: Duration) -> Self {
        self.config.blocking_keep_alive = limit;
        self
    }

    /// Whether a thread watches for tasks that hold their worker for long, and has others rescued from
    /// behind them. Default: true.
    pub fn watchdog(mut self, on: bool) -> Self {
        self.config.watchdog = on;
        self
    }

    /// How long a single poll may take before it is reported. Default: 100 ms. asyncio:
    /// `slow_callback_duration`.
    #[doc(alias = "slow_callback_duration")]
    pub fn long_poll(mut self, limit: Duration) -> Self {
        self.config.long_poll = limit;
        self
    }

    /// Runs everything on the one thread that calls `run`, in asyncio's order exactly: in rounds, first
    /// come first served. For tests that must not depend on chance; see also [`virtual_time`](Self::virtual_time).
    pub fn fifo(mut self) -> Self {
        self.config.order = Order::Fifo;
        self.config.workers = 1;
        self
    }

    /// Time jumps to the next deadline when everything waits, and else stands still. For tests: an hour
    /// of sleeping takes no time.
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// A test hook: each wake goes to a worker drawn by this seed, and the order is shaken.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Does I/O by the way that works on every system, instead of the one made for this system. For tests
    /// of corrente itself.
    #[doc(hidden)]
    pub fn portable_io(mut self) -> Self {
        self.portable_io = true;
        self
    }

    /// A test hook: asked for each thread by its name; an error is what starting it ends with.
    #[doc(hidden)]
    pub fn thread_fault(mut self, fault: corrente_scheduler::ThreadFault) -> Self {
        self.config.thread_fault = Some(fault);
        self
    }

    /// How long the end of a `run` waits for what is left. First all tasks are cancelled and may clean up;
    /// when the time is over they are dropped, and functions that still block are left behind, with a
    /// report. Default: 5 minutes, asyncio's limit for its executor's threads.
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_limit = limit;
        self
    }

    /// Who is told of panics and errors that nobody reads. Default: a line on stderr.
    ///
    /// asyncio: `loop.set_exception_handler`.
    #[doc(alias("set_exception_handler", "call_exception_handler", "default_exception_handler"))]
    pub fn on_unobserved(
        mut self,
        handler: impl Fn(&Unobserved<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.unobserved = Some(Arc::new(handler));
        self
    }

    /// Who is told of polls that take longer than [`long_poll`](Self::long_poll), while they still do.
    pub fn on_long_poll(mut self, handler: impl Fn(&LongPoll) + Send + Sync + 'static) -> Self {
        self.hooks.long_poll = Some(Arc::new(handler));
        self
    }

    /// Who is told when blocking functions have waited for a thread for a second, no function has ended
    /// meanwhile, and no more threads may be had: most likely they wait for each other. Default: a line on
    /// stderr, with the names of those that have the threads and the places where they were started.
    pub fn on_blocking_stall(mut self, handler: impl Fn(&Stall) + Send + Sync + 'static) -> Self {
        self.hooks.blocking_stall = Some(Arc::new(handler));
        self
    }

    /// Has each wait for a lock, a queue or another thing of [`sync`](crate::sync) reported that lasts longer
    /// than `limit`: who waits for what, and who has it, by the names of their tasks. Default: never.
    ///
    /// A wait that cannot end is marked `(deadlock)`: tasks that wait for each other, and a task that was granted
    /// a lock in a future that it polls no more. Each wait is reported once, at most half a `limit` late.
    ///
    /// This switches on the book of [`sync::diagnostics`](crate::sync::diagnostics), for the whole process; taking
    /// a free lock then costs a look into that book, under one lock, instead of one atomic operation. With
    /// [`virtual_time`](Self::virtual_time) the book is kept, but nothing is reported: ask
    /// [`diagnostics::waits`](crate::sync::diagnostics::waits).
    ///
    /// # Examples
    ///
    /// ```
    /// use corrente::sync::Lock;
    /// use corrente::{Builder, create_task, sleep};
    /// use std::sync::{Arc, mpsc};
    /// use std::time::Duration;
    ///
    /// let (told, telling) = mpsc::channel();
    /// let main = async {
    ///     let lock = Arc::new(Lock::new(()));
    ///     let _guard = lock.lock().await;
    ///     let waiting = lock.clone();
    ///     create_task(async move { drop(waiting.lock().await) }).detach();
    ///     sleep(Duration::from_millis(100)).await;
    /// };
    /// let builder = Builder::new().long_wait(Duration::from_millis(10));
    /// builder.on_long_wait(move |wait| drop(told.send(wait.to_string()))).run(main).unwrap();
    /// println!("{}", telling.recv().unwrap());
    /// // "Task-2" waits for a Lock at 0x7f…, since 0.012 s; it is held by "Task-1"
    /// ```
    pub fn long_wait(mut self, limit: Duration) -> Self {
        self.long_wait = Some(limit);
        self
    }

    /// Who is told of waits that are longer than [`long_wait`](Self::long_wait). Default: a line on stderr.
    pub fn on_long_wait(mut self, handler: impl Fn(&LongWait) + Send + Sync + 'static) -> Self {
        self.on_long_wait = Some(Arc::new(handler));
        self
    }

    /// Makes the runtime. Its other workers start; the first is whoever calls
    /// [`block_on`](Runtime::block_on).
    ///
    /// # Errors
    ///
    /// [`BuildError`], which says what to change. Nothing is left behind then.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let clock = if self.virtual_time { Clock::manual() } else { Clock::system() };
        let fifo = self.config.order == Order::Fifo;
        let shards = if fifo || self.virtual_time { 1 } else { self.config.workers.clamp(1, 64) };
        let timers = Timers::new(clock, shards);
        let reactor = if self.portable_io {
            Reactor::portable(corrente_io::Trigger::Oneshot)
        } else {
            Reactor::new()
        }
        .map_err(BuildError::Io)?;
        let reactor_handle = reactor.handle();
        let driver = SystemDriver::new(
            reactor,
            timers.clone(),
            self.virtual_time,
            fifo || self.virtual_time,
        );
        let promise = current::Promise::default();
        let mut hooks = self.hooks;
        let promised = promise.clone();
        hooks.worker_start = Some(Arc::new(move |_| current::promise(&promised)));
        hooks.worker_stop = Some(Arc::new(|_| current::forget_promise()));
        let pool = Pool::start(self.config, Box::new(driver), hooks).map_err(BuildError::Start)?;
        let handle = Handle::new(pool.handle().clone(), timers, reactor_handle);
        let _ = promise.set(handle.downgrade());
        if let Some(limit) = self.long_wait {
            corrente_sync::diagnostics::enable(true);
            if !self.virtual_time {
                long_wait::watch(&handle, limit, self.on_long_wait);
            }
        }
        Ok(Runtime::new(pool, handle, self.shutdown_limit))
    }

    /// Makes a runtime, runs `main` in it, and ends it: [`try_run`](crate::try_run) with settings.
    ///
    /// # Errors
    ///
    /// As [`try_run`](crate::try_run).
    #[track_caller]
    pub fn run<F: IntoFuture>(self, main: F) -> Result<F::Output, RunError> {
        crate::runtime::run::run_in(self, main)
    }

    /// A [`Runner`] with these settings.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn runner(self) -> Result<Runner, BuildError> {
        self.build().map(Runner::from_runtime)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builder({} workers)", self.config.workers)
    }
}
