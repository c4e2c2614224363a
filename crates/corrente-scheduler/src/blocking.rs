//! Threads for calls that block.
//!
//! A job is a task whose only poll calls a function, and whose `Runnable` goes to this queue; so its
//! handle, its cancellation, its panics and its name are those of any task. One that is cancelled before it has
//! begun ends at once; its `Runnable` stays in the queue, counts as a job that waits, and does nothing. Threads are
//! started when they are needed, up to a limit, and end when nobody has needed them for a while.
//!
//! Who is called when a job comes: while few threads are busy, one at once, and one at a time; a called
//! thread that finds more than one job calls the next. When more are busy, short jobs are left to them, and
//! the watchdog calls more as soon as a tick passes in which jobs wait and few end. What always holds: while
//! a job waits, a thread is busy or on its way, or the job ends with the reason why no thread can be had.

use crate::config::Config;
use crate::context;
use crate::metrics::BlockingMetrics;
use crate::shared::Shared;
use crate::watchdog::are_long;
use corrente_shim::atomic::{AtomicUsize, Ordering};
use corrente_shim::sync::{Condvar, Mutex, MutexGuard};
use corrente_task::{Runnable, TaskRef};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So many busy threads per core, and every job calls another one.
const EAGER_PER_CORE: usize = 2;
/// The most threads that the watchdog calls in one tick: starting one takes some 30 µs.
const CALLS_PER_TICK: usize = 32;
/// After so long without any end of a job, while jobs wait and no more threads may be had, it is said.
const STALL: Duration = Duration::from_secs(1);
/// How long to wait after the system refused a thread before it is asked again.
const RETRY: Duration = Duration::from_millis(10);

/// Jobs wait, all threads are busy, and no job has ended for a second.
///
/// The usual reason is jobs that wait for other jobs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stall {
    /// Jobs that wait.
    pub queued: usize,
    /// The jobs that hold the threads: their names, and where they were spawned.
    pub running: Vec<String>,
    /// How long nothing has ended.
    pub lasting: Duration,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queued, running, lasting } = self;
        let many = running.len();
        write!(
            f,
            "{queued} blocking jobs have waited for {lasting:.1?}, and none of the {many} threads gets free: \
             do they wait for each other? They run: {}",
            running.iter().take(8).cloned().collect::<Vec<_>>().join(", ")
        )?;
        if many > 8 { write!(f, " and {} more", many - 8) } else { Ok(()) }
    }
}

/// See the module.
pub(crate) struct Blocking {
    state: Mutex<State>,
    called: Condvar,
    gone: Condvar,
    /// Jobs that are not over, less those whose thread only waits: while there is one, virtual time stands.
    active: AtomicUsize,
    limit: usize,
    eager: usize,
    keep_alive: Duration,
}

struct State {
    queue: VecDeque<Runnable>,
    /// By thread: what it is doing.
    threads: Vec<Thread>,
    living: usize,
    idle: usize,
    /// Idle threads that were called, and new ones, that have not come yet.
    coming: usize,
    /// Jobs wait and few end: call as many as there are jobs.
    hurry: bool,
    closed: bool,
    finished: u64,
    refused: u64,
    /// What the watchdog saw at its last tick, and when.
    seen: u64,
    seen_at: Instant,
    /// Threads that were ever started.
    started: u64,
    /// Since when nothing has ended although jobs wait.
    since: Option<Instant>,
    warned: bool,
    retry_at: Option<Instant>,
    /// A thread that has ended, to be joined by the next.
    last_gone: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Thread {
    /// Which of the threads that were ever started has this place; 0: none.
    number: u64,
    handle: Option<JoinHandle<()>>,
    job: Option<TaskRef>,
}

/// What has to be done for a job, when the lock is let go.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Nobody,
    Idle,
    New { index: usize, number: u64 },
}

impl Blocking {
    pub(crate) fn new(config: &Config) -> Self {
        let state = State {
            queue: VecDeque::new(),
            threads: Vec::new(),
            living: 0,
            idle: 0,
            coming: 0,
            hurry: false,
            closed: false,
            finished: 0,
            refused: 0,
            seen: 0,
            seen_at: Instant::now(),
            started: 0,
            since: None,
            warned: false,
            retry_at: None,
            last_gone: None,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let watched = config.watchdog && config.order == crate::config::Order::WorkStealing;
        Self {
            state: Mutex::new(state),
            called: Condvar::new(),
            gone: Condvar::new(),
            active: AtomicUsize::new(0),
            limit: config.blocking_max,
            eager: if watched { EAGER_PER_CORE * cores } else { usize::MAX },
            keep_alive: config.blocking_keep_alive,
        }
    }

    /// A job is to be run.
    pub(crate) fn push(&self, shared: &Shared, job: Runnable) {
        // SeqCst: no order needed but to count before the job can end; this is not a hot word.
        self.active.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            drop(job);
            return self.over(shared);
        }
        state.queue.push_back(job);
        let call = self.whom_to_call(&mut state);
        drop(state);
        shared.watchdog.rouse_fenced();
        self.call(shared, call);
    }

    /// Decides whether another thread is needed, and counts it as coming.
    fn whom_to_call(&self, state: &mut State) -> Call {
        let busy = state.living - state.idle;
        let enough = state.coming > 0 || busy >= self.eager;
        if state.queue.is_empty() || (enough && !state.hurry) || state.coming >= state.queue.len() {
            return Call::Nobody;
        }
        let uncalled = state.idle.saturating_sub(state.coming);
        if uncalled > 0 {
            state.coming += 1;
            return Call::Idle;
        }
        if state.living >= self.limit || state.retry_at.is_some() {
            return Call::Nobody;
        }
        state.new_thread()
    }

    fn call(&self, shared: &Shared, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Idle => self.called.notify_one(),
            Call::New { index, number } => self.start(shared, index, number),
        }
    }

    fn start(&self, shared: &Shared, index: usize, number: u64) {
        let Some(owned) = crate::home::find(shared.id) else {
            return self.refused(shared, index, &io::Error::other("the runtime is gone"));
        };
        let name = format!("{}-blocking-{}", shared.config.name, index + 1);
        match shared.config.start_thread(&name, move || serve(&owned, index)) {
            Ok(handle) => self.keep(handle, index, number),
            Err(error) => self.refused(shared, index, &error),
        }
    }

    /// The thread will be joined when it has ended, which may already be so.
    fn keep(&self, handle: JoinHandle<()>, index: usize, number: u64) {
        let mut state = self.state.lock();
        if state.threads[index].number == number {
            state.threads[index].handle = Some(handle);
        } else {
            drop(state);
            let _ = handle.join();
        }
    }

    /// The system has refused a thread. Jobs are left to the threads that exist; if there is none, they end.
    fn refused(&self, shared: &Shared, index: usize, error: &io::Error) {
        let mut state = self.state.lock();
        state.threads[index].number = 0;
        state.living -= 1;
        state.idle -= 1;
        state.coming = state.coming.saturating_sub(1);
        state.refused += 1;
        state.retry_at = Some(Instant::now() + RETRY);
        let jobs =
            if state.living == 0 { std::mem::take(&mut state.queue) } else { VecDeque::new() };
        drop(state);
        for job in jobs {
            job.task().cancel_with(&format!("no thread could be started for this job: {error}"));
            job.run();
            self.over(shared);
        }
    }

    /// The next job for a thread that has done its last one. `None`: it may end.
    fn next(&self, shared: &Shared, index: usize, first: bool) -> Option<Runnable> {
        let mut state = self.state.lock();
        if first {
            state.arrive();
        } else {
            state.finished += 1;
        }
        // Dropped without the lock: it may be the last reference, and run a destructor.
        let mut done = state.threads[index].job.take();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.threads[index].job = Some((*job.task()).clone());
                let call = self.whom_to_call(&mut state);
                drop(state);
                self.call(shared, call);
                return Some(job);
            }
            if done.is_some() {
                drop(state);
                drop(done.take());
                state = self.state.lock();
                continue;
            }
            if state.closed {
                self.retire(state, index);
                return None;
            }
            state.hurry = false;
            state.idle += 1;
            let timed_out;
            (state, timed_out) = self.called.wait_timeout(state, self.keep_alive);
            if timed_out && state.queue.is_empty() && state.coming < state.idle {
                state.idle -= 1;
                self.retire(state, index);
                return None;
            }
            state.arrive();
        }
    }

    fn retire(&self, mut state: MutexGuard<'_, State>, index: usize) {
        state.living -= 1;
        state.threads[index].number = 0;
        let mine = state.threads[index].handle.take();
        let before = std::mem::replace(&mut state.last_gone, mine);
        self.gone.notify_all();
        drop(state);
        // It has passed this place, so that is no wait worth the name.
        let _ = before.map(JoinHandle::join);
    }

    /// One job less.
    fn over(&self, shared: &Shared) {
        // SeqCst, and after the wakes that the job's end has caused: see `standstill.rs`.
        let before = self.active.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0);
        if before == 1 && shared.baton.wants_idle() {
            // Whoever sleeps in the driver may find now that everything stands still.
            shared.baton.interrupter().wake_by_ref();
        }
    }

    /// True if a job is running or waiting, and its thread is not parked.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst) > 0
    }

    /// True if jobs wait for a thread.
    pub(crate) fn has_queue(&self) -> bool {
        !self.state.lock().queue.is_empty()
    }

    /// The watchdog's look. True if jobs wait.
    pub(crate) fn tick(&self, shared: &Shared, now: Instant) -> bool {
        let mut state = self.state.lock();
        let (ended, elapsed) = (state.finished - state.seen, now - state.seen_at);
        (state.seen, state.seen_at) = (state.finished, now);
        if state.queue.is_empty() {
            state.all_is_well();
            return false;
        }
        if ended > 0 {
            state.all_is_well();
        }
        state.hurry = are_long(ended, elapsed);
        let since = *state.since.get_or_insert(now);
        if state.retry_at.is_some_and(|at| at <= now) {
            state.retry_at = None;
        }
        let calls: Vec<Call> = std::iter::repeat_with(|| self.whom_to_call(&mut state))
            .take(CALLS_PER_TICK)
            .take_while(|call| *call != Call::Nobody)
            .collect();
        let stall = state.stall(self.limit, now - since);
        drop(state);
        calls.into_iter().for_each(|call| self.call(shared, call));
        if let Some(stall) = stall {
            report(shared, &stall);
        }
        true
    }

    /// Refuses jobs from now on and ends those that have not begun.
    pub(crate) fn close(&self, shared: &Shared) {
        let mut state = self.state.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.queue);
        self.called.notify_all();
        drop(state);
        for job in jobs {
            drop(job);
            self.over(shared);
        }
    }

    /// Waits for the threads to end; the names of the jobs that still run at `deadline`.
    pub(crate) fn join(&self, deadline: Instant) -> Vec<String> {
        let mut state = self.state.lock();
        while state.living > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return state.running();
            }
            (state, _) = self.gone.wait_timeout(state, left);
        }
        let last = state.last_gone.take();
        drop(state);
        let _ = last.map(JoinHandle::join);
        Vec::new()
    }

    pub(crate) fn metrics(&self) -> BlockingMetrics {
        let state = self.state.lock();
        BlockingMetrics {
            threads: state.living,
            idle: state.idle,
            queued: state.queue.len(),
            finished: state.finished,
            refused: state.refused,
        }
    }
}

impl State {
    /// A thread that counted as idle begins to look for a job. Whoever comes stands for one that was called.
    fn arrive(&mut self) {
        self.idle -= 1;
        self.coming = self.coming.saturating_sub(1);
    }

    fn new_thread(&mut self) -> Call {
        self.living += 1;
        self.idle += 1;
        self.coming += 1;
        self.started += 1;
        let free = self.threads.iter().position(|thread| thread.number == 0);
        let index = free.unwrap_or_else(|| {
            self.threads.push(Thread::default());
            self.threads.len() - 1
        });
        self.threads[index].number = self.started;
        Call::New { index, number: self.started }
    }

    fn all_is_well(&mut self) {
        (self.since, self.warned) = (None, false);
    }

    fn running(&self) -> Vec<String> {
        self.threads.iter().filter_map(|t| t.job.as_ref()).map(|job| job.name()).collect()
    }

    fn stall(&mut self, limit: usize, lasting: Duration) -> Option<Stall> {
        if self.warned || lasting < STALL || self.living < limit {
            return None;
        }
        self.warned = true;
        let place = |job: &TaskRef| format!("{} ({})", job.name(), job.location());
        let running = self.threads.iter().filter_map(|thread| thread.job.as_ref().map(place));
        Some(Stall { queued: self.queue.len(), running: running.collect(), lasting })
    }
}

fn report(shared: &Shared, stall: &Stall) {
    match &shared.hooks.blocking_stall {
        // The hook is the user's.
        Some(hook) => drop(catch_unwind(AssertUnwindSafe(|| hook(stall)))),
        None => eprintln!("corrente: {stall}"),
    }
}

/// What a blocking thread does.
fn serve(shared: &Arc<Shared>, index: usize) {
    let _entered = context::enter(shared.clone(), None);
    let mut first = true;
    while let Some(job) = shared.blocking.next(shared, index, first) {
        first = false;
        job.run();
        shared.blocking.over(shared);
    }
}

/// A blocking job, as one that may only be waiting: see [`blocking_parked`].
#[derive(Clone)]
pub struct Parked(Option<Arc<Job>>);

struct Job {
    shared: Arc<Shared>,
    /// True while it does not count as active.
    parked: Mutex<bool>,
}

impl Parked {
    /// From now on the job only waits: virtual time may move as if it were not there.
    pub fn park(&self) {
        let Some(job) = &self.0 else { return };
        if !std::mem::replace(&mut *job.parked.lock(), true) {
            job.shared.blocking.over(&job.shared);
        }
    }

    /// The job goes on: from now on it counts again, and virtual time stands still for it.
    ///
    /// For whoever lets it go on, before doing so, since the job's own thread may take a while to wake. Any
    /// number of calls do the same as one.
    pub fn resume(&self) {
        let Some(job) = &self.0 else { return };
        if std::mem::replace(&mut *job.parked.lock(), false) {
            job.shared.blocking.active.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parked({})", self.0.as_ref().is_some_and(|job| *job.parked.lock()))
    }
}

/// For a blocking job that waits for somebody else: calls `wait`, which may let virtual time move meanwhile.
///
/// `wait` calls [`Parked::park`] under whatever lock guards the thing it waits for, and gives a clone to
/// whoever will end the wait, who calls [`Parked::resume`] first. At the latest the job counts again when
/// `wait` returns. On other threads, and in real time, both do nothing.
pub fn blocking_parked<R>(wait: impl FnOnce(&Parked) -> R) -> R {
    struct Resume(Parked);
    impl Drop for Resume {
        fn drop(&mut self) {
            self.0.resume();
        }
    }
    // A blocking thread works for a pool and is not occupied, as workers and callers of `block_on` are.
    let here = if context::occupied().is_none() { context::with_runtime(Arc::clone) } else { None };
    let job = here.map(|shared| Arc::new(Job { shared, parked: Mutex::new(false) }));
    let parked = Resume(Parked(job));
    wait(&parked.0)
}
