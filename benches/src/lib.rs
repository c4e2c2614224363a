//! corrente beside tokio and smol: the same work for each.
//!
//! A *contender* is a runtime, dressed in the few operations of [`Contender`]; a *workload* is an async function that is
//! generic over the contender, does a fixed amount of work, checks its own result and gives back [`Figures`]. Everything
//! is dispatched statically, and each contender uses its own native types (its channel, its mutex, its sockets), so the
//! trait costs nobody anything.
//!
//! What always holds:
//! * A workload's body runs as a *spawned task* of the contender, never as its main future.
//! * One process runs one workload once. Statics (the latency shards, smol's executor) count on that.
//! * A wrong result is a panic, never a figure.
//!
//! The `sample` binary is the way in; `cargo xtask bench` starts it again and again and compares.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

mod corrente;
mod figures;
mod latency;
mod limits;
mod measure;
mod smol2;
mod tokio_ct;
mod tokio_mt;
mod workloads;

pub use crate::corrente::Corrente;
pub use figures::Figures;
pub use smol2::Smol;
pub use tokio_ct::CurrentThread;
pub use tokio_mt::{Flavour, MultiThread, Tokio};
pub use workloads::WORKLOADS;

/// The workers that every multi-threaded contender gets.
pub const WORKERS: usize = 2;

/// The buffer of a peer that reads lines: what corrente asks of a socket at first, twice what the peers would take.
pub const LINES_BUFFER: usize = 16 * 1024;

/// The names that [`sample`] takes for a runtime, the one all ratios refer to first.
pub const RUNTIMES: &[&str] = &["tokio", "corrente", "tokio_ct", "smol", "limits"];

/// A runtime, as the workloads see it. All functions but [`run`](Contender::run) are called inside the runtime.
pub trait Contender: Sized + Send + Sync + 'static {
    /// A spawned task: ends with its output. Dropping it may cancel the task, so workloads await or detach.
    type Task<T: Send + 'static>: Future<Output = T> + Send + 'static;
    /// What a thread that is no part of the runtime needs to spawn on it.
    type Outside: Send + 'static;
    /// The runtime's own bounded channel, sending end.
    type Sender<T: Send + 'static>: Clone + Send + Sync + 'static;
    /// The runtime's own bounded channel, receiving end.
    type Receiver<T: Send + 'static>: Send + 'static;
    /// Sends one value, once.
    type OneSender<T: Send + 'static>: Send + 'static;
    /// Receives one value, once.
    type OneReceiver<T: Send + 'static>: Send + 'static;
    /// The runtime's own unbounded channel, sending end.
    type OpenSender<T: Send + 'static>: Clone + Send + Sync + 'static;
    /// The runtime's own unbounded channel, receiving end.
    type OpenReceiver<T: Send + 'static>: Send + 'static;
    /// Sends each value to all receivers.
    type BroadcastSender<T: Clone + Send + Sync + 'static>: Send + Sync + 'static;
    /// Receives each value.
    type BroadcastReceiver<T: Clone + Send + Sync + 'static>: Send + 'static;
    /// The runtime's own mutex.
    type Mutex<T: Send + 'static>: Send + Sync + 'static;
    /// The runtime's own semaphore.
    type Semaphore: Send + Sync + 'static;
    /// A listening TCP socket.
    type Listener: Send + Sync + 'static;
    /// A connected TCP socket.
    type Stream: Send + 'static;
    /// A connected TCP socket that is read by lines.
    type Lines: Send + 'static;

    /// Starts the runtime with `workers` worker threads, runs `body` as a task on it, and shuts it down.
    fn run<F>(workers: usize, body: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a task.
    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns a task that nobody awaits.
    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// The handle for [`spawn_outside`](Contender::spawn_outside).
    fn outside() -> Self::Outside;

    /// Spawns a task that nobody awaits; callable from any thread.
    fn spawn_outside<F>(outside: &Self::Outside, future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Runs ten futures as tasks and sums up their outputs, in the runtime's shortest way to wait for a known few.
    fn gather<F>(futures: [F; 10]) -> impl Future<Output = u64> + Send
    where
        F: Future<Output = u64> + Send + 'static;

    /// The same in the runtime's way to hold any number of tasks together.
    fn group<F>(futures: [F; 10]) -> impl Future<Output = u64> + Send
    where
        F: Future<Output = u64> + Send + 'static;

    /// Hands `work` to a thread for blocking calls at once; the future ends with its result.
    fn spawn_blocking<R, G>(work: G) -> impl Future<Output = R> + Send + 'static
    where
        R: Send + 'static,
        G: FnOnce() -> R + Send + 'static;

    /// Lets the other tasks run once.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Ends when `duration` has passed.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// `future`'s output, or `None` if `limit` passes first.
    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// A bounded channel.
    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);

    /// Sends `value`, waiting for room.
    fn send<T: Send + 'static>(
        sender: &Self::Sender<T>,
        value: T,
    ) -> impl Future<Output = ()> + Send;

    /// The next value; `None` when all senders are gone.
    fn receive<T: Send + 'static>(
        receiver: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send;

    /// A channel for one value.
    fn oneshot<T: Send + 'static>() -> (Self::OneSender<T>, Self::OneReceiver<T>);

    /// Sends the one value.
    fn complete<T: Send + 'static>(sender: Self::OneSender<T>, value: T);

    /// The one value.
    fn completed<T: Send + 'static>(
        receiver: Self::OneReceiver<T>,
    ) -> impl Future<Output = T> + Send;

    /// An unbounded channel.
    fn open_channel<T: Send + 'static>() -> (Self::OpenSender<T>, Self::OpenReceiver<T>);

    /// Sends `value` at once.
    fn send_now<T: Send + 'static>(sender: &Self::OpenSender<T>, value: T);

    /// The next value; `None` when all senders are gone.
    fn receive_open<T: Send + 'static>(
        receiver: &mut Self::OpenReceiver<T>,
    ) -> impl Future<Output = Option<T>> + Send;

    /// A channel with room for `capacity` values, each of which goes to all of the `receivers`.
    fn broadcast<T: Clone + Send + Sync + 'static>(
        capacity: usize,
        receivers: usize,
    ) -> (Self::BroadcastSender<T>, Vec<Self::BroadcastReceiver<T>>);

    /// Sends `value` to all receivers; there is room for it.
    fn send_to_all<T: Clone + Send + Sync + 'static>(sender: &Self::BroadcastSender<T>, value: T);

    /// The next value that was sent to all.
    fn receive_broadcast<T: Clone + Send + Sync + 'static>(
        receiver: &mut Self::BroadcastReceiver<T>,
    ) -> impl Future<Output = T> + Send;

    /// A mutex around `value`.
    fn mutex<T: Send + 'static>(value: T) -> Self::Mutex<T>;

    /// Locks, runs `act` on what is inside, and unlocks.
    fn with_lock<T, R, G>(mutex: &Self::Mutex<T>, act: G) -> impl Future<Output = R> + Send
    where
        T: Send + 'static,
        R: Send,
        G: FnOnce(&mut T) -> R + Send;

    /// Locks, runs `act` on what is inside, awaits `then` with the lock held, and unlocks.
    fn with_lock_across<T, G, F>(
        mutex: &Self::Mutex<T>,
        act: G,
        then: F,
    ) -> impl Future<Output = ()> + Send
    where
        T: Send + 'static,
        G: FnOnce(&mut T) + Send,
        F: Future<Output = ()> + Send;

    /// A semaphore of so many `units`.
    fn semaphore(units: usize) -> Self::Semaphore;

    /// Takes a unit, awaits `then` with it, and gives it back.
    fn with_permit<F>(semaphore: &Self::Semaphore, then: F) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = ()> + Send;

    /// Listens on `address`.
    ///
    /// # Errors
    /// The operating system's.
    fn bind(address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Where the listener listens.
    ///
    /// # Errors
    /// The operating system's.
    fn local_addr(listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// The next connection, `TCP_NODELAY` set.
    ///
    /// # Errors
    /// The operating system's.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Connects to `address`, `TCP_NODELAY` set.
    ///
    /// # Errors
    /// The operating system's.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what there is, at least one byte; zero at the end of the stream.
    ///
    /// # Errors
    /// The operating system's.
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// The stream, to be read by lines through a buffer of [`LINES_BUFFER`] bytes.
    fn lines(stream: Self::Stream) -> Self::Lines;

    /// Appends the next line with its end to `line` and gives back its length; zero at the end of the stream.
    ///
    /// # Errors
    /// The operating system's.
    fn read_line(
        lines: &mut Self::Lines,
        line: &mut Vec<u8>,
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The operating system's.
    fn write_all(
        stream: &mut Self::Stream,
        bytes: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// Runs one workload once on one runtime. `scale` multiplies the amount of work (1.0 is what the tables show). A
/// workload called `NAME@N` is the one called `NAME` with `N` of its tasks, pairs or connections at once; the amount
/// of work stays what it is.
///
/// # Errors
/// A sentence, when the runtime or the workload does not exist ([`Missing`]).
///
/// # Panics
/// When a workload finds a wrong result.
pub fn sample(runtime: &str, workload: &str, scale: f64) -> Result<Figures, Missing> {
    let sized = workload.split_once('@').and_then(|(name, at_once)| {
        let at_once: usize = at_once.parse().ok()?;
        (at_once > 0).then_some((name, at_once))
    });
    let figures = match runtime {
        "tokio" => run::<Tokio<MultiThread>>(workload, sized, scale),
        "tokio_ct" => run::<Tokio<CurrentThread>>(workload, sized, scale),
        "corrente" => run::<Corrente>(workload, sized, scale),
        "smol" => run::<Smol>(workload, sized, scale),
        "limits" => limits::run(workload, scale),
        _ => {
            return Err(Missing(format!(
                "no runtime is called {runtime}; there are: {}",
                RUNTIMES.join(", ")
            )));
        }
    };
    let figures = figures.ok_or_else(|| {
        Missing(format!("{runtime} has no workload {workload}; --list shows all"))
    })?;
    Ok(figures
        .with("peak_mib", measure::peak_resident_bytes() as f64 / (1024.0 * 1024.0))
        .with("minor_faults", measure::minor_faults() as f64))
}

fn run<C: Contender>(name: &str, sized: Option<(&str, usize)>, scale: f64) -> Option<Figures> {
    match sized {
        Some((name, at_once)) => workloads::run_sized::<C>(name, at_once),
        None => workloads::run::<C>(name, scale),
    }
}

/// The client of the workloads whose client has a process of its own; `arguments` as that workload gives them.
///
/// # Errors
/// A sentence, when the arguments are not `ADDRESS CONNECTIONS SIZE SECONDS`.
pub fn client(arguments: &[&str]) -> Result<String, String> {
    limits::client(arguments)
        .ok_or_else(|| "client takes ADDRESS CONNECTIONS SIZE SECONDS".to_owned())
}

/// There is no such runtime, or it has no such workload. The sentence says which.
#[derive(Debug)]
pub struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}
