//! The reactor: asks the system what is ready and finds out who waits for it.
//!
//! [`Reactor`] belongs to one thread at a time, the one that turns it. Everything else reaches the same
//! [`Shared`] from any thread: a [`ReactorHandle`] registers, a registration deregisters, the interrupter
//! ends a turn.
//!
//! What always holds:
//! * A turn wakes nobody. It collects wakers, and its caller wakes when it likes.
//! * Lock order: table, then the doubts, then a source's `armed`, then a direction's waiters. User code
//!   (wakers) never runs under any of them.
//! * A source is in the table from before the system knows it until after the system has forgotten it.
//! * After a failure every source in the table has failed, and none is added any more.
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::Duration;

use corrente_shim::sync::Mutex;
use polling::Poller;
use rustix::fd::RawFd;

use crate::bell::Bell;
use crate::doubts::Doubts;
use crate::registration::descriptor;
use crate::source::{Direction, Source};
use crate::sys::{self, Mode, Signal, Wait};
use crate::table::{BELL_KEY, TIMER_KEY, Table};

/// So many events are applied under one lock of the table: a registration on another thread waits for a
/// few microseconds at most.
const EVENTS_PER_LOCK: usize = 32;

/// The part of a runtime that waits for descriptors.
///
/// One thread at a time turns it; [`handle`](Self::handle) is for everybody else. It starts no thread.
/// asyncio's counterpart is the selector inside the event loop.
///
/// Dropping it fails all waits, present and later ones, of the sources registered with it. It drops no
/// source, and the sources' descriptors stay open.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// use corrente_io::{Async, Reactor};
///
/// let mut reactor = Reactor::new()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// let server = Async::new(&reactor.handle(), listener.accept()?.0)?;
///
/// let mut buffer = [0; 16];
/// let mut read = pin!(server.read_with(|mut stream| stream.read(&mut buffer)));
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(read.as_mut().poll(&mut cx).is_pending());
///
/// client.write_all(b"hello")?;
/// let mut woken = Vec::new();
/// while woken.is_empty() {
///     reactor.turn(None, &mut woken)?;
/// }
/// woken.drain(..).for_each(Waker::wake);
/// assert!(matches!(read.as_mut().poll(&mut cx), Poll::Ready(Ok(5))));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reactor {
    shared: Arc<Shared>,
    wait: Wait,
}

/// Registers descriptors with a [`Reactor`], from any thread.
///
/// A clone is one atomic addition.
#[derive(Clone)]
pub struct ReactorHandle {
    pub(crate) shared: Arc<Shared>,
}

/// How [`Reactor::portable`] watches descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once for good: the system reports changes. Epoll and kqueue can do this.
    Edge,
    /// For one event, again at each wait. Every system can do this.
    Oneshot,
}

/// What all threads share of a reactor.
pub(crate) struct Shared {
    pub(crate) poller: Poller,
    pub(crate) mode: Mode,
    table: Mutex<Table>,
    bell: Bell,
    signal: Signal,
    pub(crate) doubts: Doubts,
    failure: OnceLock<Failure>,
}

/// Why no event will come any more.
#[derive(Debug)]
struct Failure {
    kind: io::ErrorKind,
    message: String,
}

impl Reactor {
    /// A reactor that watches in the fastest way this system has.
    ///
    /// On Linux a turn is one system call (two with a limit under 16 ms; one more for each 32 reads that wait without
    /// having tried), elsewhere it is what polling needs.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or memory left for it (five descriptors on Linux).
    pub fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        let mode = Mode::best(&poller);
        Self::with(poller, mode)
    }

    /// A reactor that uses only what polling offers on every system.
    ///
    /// [`new`](Self::new) chooses this by itself where there is nothing faster. It is public so that the
    /// portable way can be tested where it is not the usual one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); also when the system has no edge-triggered mode and that was asked for.
    pub fn portable(trigger: Trigger) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mode = match trigger {
            Trigger::Oneshot => Mode::Oneshot,
            Trigger::Edge if poller.supports_edge() => Mode::Edge,
            Trigger::Edge => {
                let message = "this system cannot watch edge-triggered; use Trigger::Oneshot";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        };
        Self::with(poller, mode)
    }

    fn with(poller: Poller, mode: Mode) -> io::Result<Self> {
        let signal = Signal::new(mode, &poller)?;
        let wait = Wait::new(mode, &poller)?;
        let shared = Arc::new(Shared {
            poller,
            mode,
            table: Mutex::new(Table::default()),
            bell: Bell::new(),
            signal,
            doubts: Doubts::default(),
            failure: OnceLock::new(),
        });
        Ok(Self { shared, wait })
    }

    /// For registering descriptors from any thread.
    pub fn handle(&self) -> ReactorHandle {
        ReactorHandle { shared: Arc::clone(&self.shared) }
    }

    /// Waking this waker ends the present turn, or the next one if none is on.
    ///
    /// It may be woken from any thread and any number of times; many wakes may end one turn together.
    pub fn interrupter(&self) -> Waker {
        Waker::from(Arc::clone(&self.shared))
    }

    /// Waits for events for at most `limit` (`None`: until one comes; zero: only looks) and adds the wakers
    /// of those who wait for them to `woken`. Wakes nobody.
    ///
    /// May end early with nothing: after a signal to the process, by the interrupter, or well before a long
    /// limit (the rest of which is then a shorter limit, kept exactly). It takes at most 256 events; what is
    /// ready beyond them comes first in the next turn.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait. No event can come any more, so all waits have failed: the wakers of
    /// all waiters are in `woken`. Later turns succeed and only sleep, for `limit` or until interrupted, so
    /// that a runtime's timers go on; the error is given once.
    pub fn turn(&mut self, limit: Option<Duration>, woken: &mut Vec<Waker>) -> io::Result<()> {
        if self.shared.failure.get().is_some() {
            self.shared.bell.sleep(limit);
            return Ok(());
        }
        let (looks, before) = (limit == Some(Duration::ZERO), woken.len());
        if !looks {
            self.settle_all(woken);
        }
        let limit = if woken.len() == before { limit } else { Some(Duration::ZERO) };
        let waited = self.wait.wait(&self.shared.poller, limit);
        if !looks {
            self.shared.doubts.open();
        }
        match waited {
            Ok(()) => {
                let events = self.apply(woken);
                if looks && self.shared.doubts.looked(events) {
                    self.settle_some(false, woken);
                }
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => {
                self.fail_all(&error, woken);
                Err(error)
            }
        }
    }

    /// Asks the system about all reads of streams that wait without having tried (see [`Async::read_stream`]) and adds
    /// the wakers of those that may go on to `woken`. For callers that decide by it that nothing is left to do: a
    /// turn that only looks leaves such reads for a later one. A turn that would wait does it by itself.
    ///
    /// [`Async::read_stream`]: crate::Async::read_stream
    pub fn settle(&mut self, woken: &mut Vec<Waker>) {
        self.settle_all(woken);
        self.shared.doubts.open();
    }

    /// Settles all doubts before a wait; there will be none until they are allowed again.
    fn settle_all(&mut self, woken: &mut Vec<Waker>) {
        while !self.shared.doubts.close() {
            self.settle_some(true, woken);
        }
    }

    /// Asks the system about some doubts: about old ones, or about any if `all` are to be settled.
    fn settle_some(&mut self, all: bool, woken: &mut Vec<Waker>) {
        let table = self.shared.table.lock();
        let sources = self.shared.doubts.take(all, |key| table.get(key));
        if sources.is_empty() {
            return;
        }
        let answers = sys::readable(sources.iter().map(|source| descriptor(&table, source)));
        for (index, source) in sources.into_iter().enumerate() {
            // If the system does not answer, whoever waits has to try.
            let is_ready = answers.as_ref().is_none_or(|answers| answers[index]);
            source.direction(Direction::Read).settle(is_ready, woken);
        }
    }

    /// Tells the sources of the last wait's events about them; how many there were.
    fn apply(&mut self, woken: &mut Vec<Waker>) -> usize {
        let Shared { table, bell, signal, .. } = &*self.shared;
        if matches!(signal, Signal::Notify) {
            bell.heard();
        }
        let mut locked = None;
        let (mut left, mut events) = (0, 0);
        self.wait.for_each(|event| match event.key {
            BELL_KEY => bell.heard(),
            TIMER_KEY => {}
            key => {
                if left == 0 {
                    // The old guard must go before the lock can be taken again.
                    drop(locked.take());
                    left = EVENTS_PER_LOCK;
                }
                left -= 1;
                events += 1;
                // No source: an event of a registration that has ended.
                if let Some(source) = locked.get_or_insert_with(|| table.lock()).get(key) {
                    source.apply(event, woken);
                }
            }
        });
        events
    }

    /// Gives up: from now on every wait of every source, present or future, fails with an error that tells
    /// of `error`, and nothing can be registered. The wakers of all waiters are added to `woken`.
    ///
    /// Operations that need not wait still succeed. Only the first failure counts.
    pub fn fail_all(&mut self, error: &io::Error, woken: &mut Vec<Waker>) {
        self.shared.fail(error.kind(), format!("the I/O driver has failed: {error}"), woken);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let mut woken = Vec::new();
        let message = "the I/O driver has been shut down".to_owned();
        self.shared.fail(io::ErrorKind::Other, message, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl ReactorHandle {
    /// How many descriptors are registered.
    pub fn sources(&self) -> usize {
        self.shared.table.lock().len()
    }
}

impl Shared {
    /// Makes room for a source of `descriptor`. The system does not know it yet.
    ///
    /// # Errors
    ///
    /// When the driver has failed, or there are too many sources.
    pub(crate) fn insert(&self, descriptor: RawFd) -> io::Result<Arc<Source>> {
        let mut table = self.table.lock();
        // Under the lock: a failure is stored before the lock is taken to fail all sources.
        match self.failure.get() {
            Some(failure) => Err(failure.to_error()),
            None => table.insert(descriptor, |key| Source::new(key, self.mode.watch())),
        }
    }

    /// Forgets a source, which the system has forgotten already.
    pub(crate) fn remove(&self, key: usize) {
        let source = self.table.lock().remove(key);
        // Dropping it can drop wakers of abandoned waits: not under the lock.
        drop(source);
    }

    /// The error of those who wait after the driver has failed.
    pub(crate) fn failure(&self) -> io::Error {
        match self.failure.get() {
            Some(failure) => failure.to_error(),
            None => io::Error::other("the I/O driver has failed"),
        }
    }

    fn fail(&self, kind: io::ErrorKind, message: String, woken: &mut Vec<Waker>) {
        // Sources are failed with release, after this: whoever sees the one sees the other.
        if self.failure.set(Failure { kind, message }).is_err() {
            return;
        }
        self.bell.silence();
        for source in self.table.lock().iter() {
            source.fail(woken);
        }
    }
}

impl Failure {
    fn to_error(&self) -> io::Error {
        io::Error::new(self.kind, self.message.clone())
    }
}

/// The interrupter.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let sent = self.bell.ring(|| self.signal.send(&self.poller));
        // A write to an open eventfd or pipe of ours; there is nobody to tell if the system refuses it.
        debug_assert!(sent.is_ok(), "the interrupter does not work: {sent:?}");
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReactorHandle").field("shared", &self.shared).finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("mode", &self.mode)
            .field("sources", &self.table.lock().len())
            .field("failure", &self.failure.get())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
