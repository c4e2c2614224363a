//! Starting a pool, and everything that ends one: the owner's side.
//!
//! A [`Pool`] is its threads: N−1 workers, who stands in for them, and the watchdog. What always holds: `start`
//! either gives back a pool whose threads all run, or an error, and then no thread is left; dropping a pool shuts
//! it down.

use crate::block_on::{self, BlockOnError};
use crate::config::{Config, Hooks, Order, StartError, WorkerHook};
use crate::context::{self, Occupied};
use crate::driver::Driver;
use crate::handle::Handle;
use crate::home;
use crate::shared::Shared;
use crate::shutdown::{self, ShutdownReport};
use crate::stand_in::serve;
use crate::worker::{Core, Worker};
use corrente_task::Options;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The workers of a runtime.
///
/// # Examples
///
/// ```
/// use corrente_scheduler::{Config, Hooks, NoDriver, Pool};
/// use corrente_task::Options;
///
/// let config = Config { workers: 2, ..Config::default() };
/// let pool = Pool::start(config, Box::new(NoDriver::new()), Hooks::default())?;
/// let handle = pool.handle().clone();
/// let answer = pool.block_on(async move { handle.spawn(async { 42 }, Options::default()).await }, Options::default());
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), corrente_scheduler::StartError>(())
/// ```
#[must_use = "a pool that is dropped is shut down"]
pub struct Pool {
    handle: Handle,
    over: bool,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// A setting that cannot work, or a thread that the system refuses. Nothing is left behind then.
    pub fn start(
        config: Config,
        driver: Box<dyn Driver>,
        hooks: Hooks,
    ) -> Result<Self, StartError> {
        config.check()?;
        let id = home::new_number().ok_or(StartError::TooManyPools)?;
        let mut cores: Vec<Core> = (0..config.workers).map(Core::new).collect();
        let shared = Arc::new(Shared::new(id, config, hooks, driver, &cores));
        shared.lending.put_back(cores.remove(0));
        home::enter(shared.clone());
        let pool = Self { handle: Handle::new(shared), over: false };
        // From here on dropping the pool takes everything back.
        pool.start_threads(cores)?;
        Ok(pool)
    }

    fn start_threads(&self, cores: Vec<Core>) -> Result<(), StartError> {
        let shared = self.shared();
        for (core, index) in cores.into_iter().zip(1..) {
            let name = format!("{}-worker-{index}", shared.config.name);
            self.start_thread(name, move |shared| serve(shared, Some((index, core))))?;
        }
        if shared.config.watchdog && shared.config.order == Order::WorkStealing {
            let name = format!("{}-watchdog", shared.config.name);
            self.start_thread(name, |shared| shared.watchdog.watch(shared))?;
        }
        Ok(())
    }

    fn start_thread(
        &self,
        name: String,
        body: impl FnOnce(&Arc<Shared>) + Send + 'static,
    ) -> Result<(), StartError> {
        start_thread(self.shared(), &name, body).map_err(|error| StartError::Thread { name, error })
    }

    fn shared(&self) -> &Arc<Shared> {
        self.handle.shared()
    }

    /// The pool as others see it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `main` on the calling thread, which is worker 0 until `main` has ended.
    ///
    /// `main` may borrow and need not be `Send`. Tasks that were spawned go on as long as the pool lives:
    /// on the other workers, and on worker 0 whenever a thread is lent to it. If another thread is in
    /// `block_on` already, this one runs nothing but `main` and its local tasks until worker 0 gets free.
    ///
    /// # Errors
    ///
    /// When the thread is busy with a runtime already, when the pool is shut down, and when `main` was
    /// cancelled or has panicked.
    pub fn block_on<F: Future>(
        &self,
        main: F,
        options: Options,
    ) -> Result<F::Output, BlockOnError> {
        block_on::block_on(self.shared(), main, options)
    }

    /// Lets every other thread of the pool stand still, as asyncio's loop does between two runs. Waits for
    /// them to finish their polls, unless it is called on one of them.
    pub fn pause(&self) {
        let shared = self.shared();
        shared.pause.begin();
        shared.set_paused(true);
        shared.unpark_all();
        let on_its_worker = matches!(context::occupied(), Some(Occupied::Worker(_)))
            && context::with_runtime(|here| here.id == shared.id) == Some(true);
        if !on_its_worker {
            shared.pause.wait_for(shared.config.workers - 1);
        }
    }

    /// Lets them go on.
    pub fn resume(&self) {
        let shared = self.shared();
        shared.set_paused(false);
        shared.pause.end();
    }

    /// Ends every task and every thread of the pool.
    ///
    /// Futures are dropped without being asked; whoever wants their clean-ups to run cancels the tasks and
    /// waits for them before. Returns at the latest after `limit` and reports what has not ended by then.
    /// On one of the pool's own workers, which cannot be waited for, it goes on in the background.
    pub fn shutdown(mut self, limit: Duration) -> ShutdownReport {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> ShutdownReport {
        if std::mem::replace(&mut self.over, true) {
            return ShutdownReport::default();
        }
        let shared = self.shared().clone();
        if context::occupied().is_none() {
            return shutdown::shut_down(&shared, limit);
        }
        let name = format!("{}-shutdown", shared.config.name);
        let other = shared.clone();
        let started = shared.config.start_thread(&name, move || {
            let report = shutdown::shut_down(&other, limit);
            complain(&report);
        });
        if started.is_err() {
            // Without waiting for anybody, then.
            shutdown::shut_down(&shared, Duration::ZERO);
        }
        ShutdownReport { in_background: true, ..ShutdownReport::default() }
    }
}

fn complain(report: &ShutdownReport) {
    if !report.is_clean() {
        eprintln!("corrente: {report}");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let limit = self.shared().config.drop_limit;
        let report = self.end(limit);
        complain(&report);
    }
}

/// Says that a thread has ended, also when it was not started or has panicked.
struct Leave(Arc<Shared>);

impl Drop for Leave {
    fn drop(&mut self) {
        if self.0.threads.leave() {
            home::leave(self.0.id);
        }
    }
}

/// Starts a thread that a shutdown waits for.
pub(crate) fn start_thread(
    shared: &Arc<Shared>,
    name: &str,
    body: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> io::Result<()> {
    shared.threads.expect();
    let leave = Leave(shared.clone());
    let handle = shared.config.start_thread(name, move || {
        let leave = leave;
        body(&leave.0);
    })?;
    shared.threads.keep(handle);
    Ok(())
}

/// The calling thread becomes this worker.
pub(crate) fn sit_down(worker: Worker) {
    let (shared, index) = (worker.shared.clone(), worker.index);
    seat_worker(worker);
    call_hook(shared.hooks.worker_start.as_ref(), index);
}

/// The calling thread becomes this worker, which it has been before.
pub(crate) fn seat_worker(worker: Worker) {
    let (shared, index) = (worker.shared.clone(), worker.index);
    // Others may have slept here meanwhile.
    shared.seats[index].parker.belong_here();
    context::set_worker(worker);
    shared.arrive(index);
}

/// The calling thread is this worker no more. Gives back what the next one needs; `None` if a section has handed
/// it on.
pub(crate) fn stand_up(shared: &Shared, index: usize) -> Option<Core> {
    context::worker(Worker::stop_searching);
    call_hook(shared.hooks.worker_stop.as_ref(), index);
    context::take_worker().map(|worker| worker.core)
}

fn call_hook(hook: Option<&WorkerHook>, index: usize) {
    if let Some(hook) = hook {
        // The hook is the user's. The panic hook has printed its message.
        let _ = catch_unwind(AssertUnwindSafe(|| hook(index)));
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({:?})", self.shared().config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_may_be_used_by_all_threads() {
        fn for_all_threads<T: Send + Sync + 'static>() {}
        for_all_threads::<Pool>();
        for_all_threads::<Handle>();
        for_all_threads::<BlockOnError>();
        for_all_threads::<StartError>();
        for_all_threads::<ShutdownReport>();
    }
}
