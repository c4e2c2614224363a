//! Blocking functions: on threads of the runtime's pool, on others, and here while another thread works.

use crate::runtime::current;
use crate::runtime::handle::Handle;
use crate::task::shield::shield_ref;
use corrente_sync::oneshot;
use corrente_task::{Options, Task};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

/// Calls a blocking function on a thread of its own, and waits for what it returns.
///
/// The function sees a copy of the caller's context, taken here. When the caller is cancelled it goes on
/// at once: a function that has not begun is dropped there and then, one that has runs to its end, and its result
/// is dropped. asyncio: `to_thread`.
///
/// # Panics
///
/// Outside of a runtime; awaited, if the function panicked.
///
/// # Cancel safety
///
/// Dropping the future does what a cancel does.
///
/// # Examples
///
/// ```
/// corrente::run(async {
///     let sum = corrente::to_thread(|| (1..=1000).sum::<u32>()).await;
///     assert_eq!(sum, 500_500);
/// });
/// ```
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn to_thread<R: Send + 'static>(
    function: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = R> + Send {
    // Not in the closure, so that reports name the place of the caller.
    let options = Options::default();
    let task = current::with("to_thread", |handle| handle.blocking(function, options));
    let mut job = Job { task };
    // A join that is no scope: a cancel drops it where it waits, and the guard takes the job back.
    async move { shield_ref(&mut job.task).await }
}

/// Calls a blocking function here and now, while another thread takes over this thread's worker.
///
/// For a call that blocks in the middle of a task, where [`to_thread`] does not fit: the function may borrow and
/// need not be `Send`, and it sees the current task and its context variables, because it runs on the same
/// thread. Other tasks go on meanwhile, on the same number of workers, with timers and sockets, even on a runtime
/// with one worker. What cannot leave this thread waits: main and its local
/// tasks, if the task runs on the thread that called `run` just now; and the other branches of a `select!` around it.
///
/// If there is no worker to hand on, it is a plain call: outside of a runtime, in [`to_thread`], in a section
/// within a section, and in FIFO mode, where everything waits. It is one, too, when the system refuses a thread,
/// or when as many stand in already as [`Builder::max_blocking_threads`](crate::Builder::max_blocking_threads)
/// says: then the tasks behind this worker are left to the other workers, as behind any call that blocks. So a
/// thousand sections at once never have more threads than that limit and the workers together; the others begin
/// when a thread gets free.
///
/// A section costs a wake of another thread, and when it takes long two: make it around what may block for longer
/// than some 100 µs. `run` and [`Runtime::block_on`](crate::Runtime::block_on) are refused in it as anywhere in a
/// task. With virtual time, the clock stands until it is over.
///
/// asyncio has no such function: `to_thread` comes closest, and a blocking call in a coroutine blocks all. In tokio
/// it is called `block_in_place`.
///
/// # Panics
///
/// If the function does. By then all is as after a section that has returned.
///
/// # Cancel safety
///
/// It cannot be cancelled: a request that comes meanwhile is delivered where the task next waits. A shutdown waits
/// for it up to its limit and then names the task in its report.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc::channel;
///
/// corrente::run(async {
///     let (sender, receiver) = channel();
///     corrente::create_task(async move { sender.send(7) }).detach();
///     // The task above needs a worker, and this is perhaps the only one.
///     let received = corrente::blocking(|| receiver.recv());
///     assert_eq!(received, Ok(7));
/// });
/// ```
#[doc(alias = "block_in_place")]
pub fn blocking<R>(function: impl FnOnce() -> R) -> R {
    corrente_scheduler::blocking(function)
}

struct Job<R> {
    task: Task<R>,
}

impl<R> Drop for Job<R> {
    fn drop(&mut self) {
        // Does nothing to a function that has begun: its poll is that call, and it ends by itself.
        self.task.abort();
    }
}

/// A function for a pool of threads, to be called once: see [`run_in_executor`].
pub type ExecutorJob = Box<dyn FnOnce() + Send + 'static>;

/// Calls a blocking function on a pool of the user's own, and waits for what it returns.
///
/// `execute` is called here and now, with a job for the pool. Any pool will do that takes closures; so does
/// `std::thread::spawn`. The function does not see the caller's context, but it knows the runtime:
/// [`get_running_loop`](crate::get_running_loop) works in it. With virtual time the clock does not wait for
/// it. asyncio: `loop.run_in_executor(pool, f)`; for the runtime's own pool see
/// [`Handle::run_in_executor`](crate::Handle::run_in_executor).
///
/// # Panics
///
/// Awaited, if the function panicked, or if the pool dropped the job without calling it.
///
/// # Cancel safety
///
/// When the future is dropped or its task cancelled, a function that has not begun is dropped at once and
/// never called; one that has begun runs to its end, and its result is dropped.
///
/// # Examples
///
/// A pool of one thread, which takes jobs from a channel:
///
/// ```
/// use std::sync::mpsc;
///
/// let (pool, jobs) = mpsc::channel::<corrente::ExecutorJob>();
/// let thread = std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
/// corrente::run(async {
///     let execute = |job| pool.send(job).expect("the thread lives");
///     assert_eq!(corrente::run_in_executor(execute, || 6 * 7).await, 42);
/// });
/// drop(pool);
/// thread.join().unwrap();
/// ```
#[must_use = "the function runs, but its result is seen only if this is awaited, and dropping it is a cancel"]
pub fn run_in_executor<R: Send + 'static>(
    execute: impl FnOnce(ExecutorJob),
    function: impl FnOnce() -> R + Send + 'static,
) -> ExecutorFuture<R> {
    let runtime = Handle::current().ok();
    let (result, returned) = oneshot::channel();
    let job: ExecutorJob = Box::new(move || {
        let _entered = runtime.map(current::enter);
        // Nobody may wait for it any more.
        let _ = result.send(catch_unwind(AssertUnwindSafe(function)));
    });
    let waiting = Waiting(Arc::new(Mutex::new(Some(job))));
    let begun = Waiting(waiting.0.clone());
    execute(Box::new(move || {
        if let Some(job) = begun.take() {
            job();
        }
    }));
    ExecutorFuture { returned, _waiting: waiting }
}

/// What a function returns that runs on a pool of the user's own: see [`run_in_executor`].
pub struct ExecutorFuture<R> {
    returned: oneshot::Receiver<std::thread::Result<R>>,
    _waiting: Waiting,
}

impl<R> Future for ExecutorFuture<R> {
    type Output = R;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match ready!(Pin::new(&mut self.returned).poll(cx)) {
            Ok(Ok(value)) => Poll::Ready(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("the executor has dropped the job without running it"),
        }
    }
}

impl<R> fmt::Debug for ExecutorFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorFuture").finish_non_exhaustive()
    }
}

/// A job that has not begun. Whoever is quicker takes it: the pool to call it, or its owner to drop it.
struct Waiting(Arc<Mutex<Option<ExecutorJob>>>);

impl Waiting {
    fn take(&self) -> Option<ExecutorJob> {
        // The job is called and dropped outside the lock, so poison would tell nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.take());
    }
}
