//! Signals of the operating system.
//!
//! A signal that is listened for does nothing but write a byte into the pipe of each listener. When the last
//! listener has gone it does again what it did before there was one: for each kind a flag says whether
//! anybody listens, and the handler looks at it.

use crate::net::UnixStream;
use futures_lite::AsyncReadExt;
use signal_hook::SigId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Which signal. asyncio: the number given to `add_signal_handler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// Ctrl-C.
    pub const INTERRUPT: Self = Self(signal_hook::consts::SIGINT);
    /// A polite request to end.
    pub const TERMINATE: Self = Self(signal_hook::consts::SIGTERM);
    /// The terminal is gone; by custom, "read your settings again".
    pub const HANGUP: Self = Self(signal_hook::consts::SIGHUP);
    /// Free for the application.
    pub const USER_1: Self = Self(signal_hook::consts::SIGUSR1);
    /// Free for the application.
    pub const USER_2: Self = Self(signal_hook::consts::SIGUSR2);

    /// Any signal by its number.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }
}

/// Who listens for one kind.
struct Kind {
    listeners: usize,
    /// True while there is nobody: the handler then does what the system would have done.
    nobody: Arc<AtomicBool>,
}

static KINDS: LazyLock<Mutex<HashMap<SignalKind, Kind>>> = LazyLock::new(Mutex::default);

fn kinds() -> MutexGuard<'static, HashMap<SignalKind, Kind>> {
    // Nothing panics under this lock.
    KINDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who listens for a signal; its usual action does not take place meanwhile.
pub(crate) struct Listener {
    kind: SignalKind,
    id: SigId,
}

impl Listener {
    /// Begins to listen; each signal writes a byte into the pipe that is given back.
    pub fn new(kind: SignalKind) -> io::Result<(Self, std::os::unix::net::UnixStream)> {
        if signal_hook::consts::FORBIDDEN.contains(&kind.0) {
            let text = format!("signal {} cannot be caught", kind.0);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (read, write) = std::os::unix::net::UnixStream::pair()?;
        let mut kinds = kinds();
        if let Entry::Vacant(entry) = kinds.entry(kind) {
            let nobody = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register_conditional_default(kind.0, nobody.clone())?;
            entry.insert(Kind { listeners: 0, nobody });
        }
        // Writing a byte is all that a signal handler may do; a full pipe drops it.
        let id = signal_hook::low_level::pipe::register(kind.0, write)?;
        if let Some(entry) = kinds.get_mut(&kind) {
            entry.listeners += 1;
            // SeqCst: read by a signal handler, on whatever thread; this is no hot path.
            entry.nobody.store(false, Ordering::SeqCst);
        }
        Ok((Self { kind, id }, read))
    }

    /// True if nobody else listens for the same signal.
    pub fn is_alone(&self) -> bool {
        kinds().get(&self.kind).is_none_or(|entry| entry.listeners == 1)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.id);
        if let Some(entry) = kinds().get_mut(&self.kind) {
            entry.listeners -= 1;
            entry.nobody.store(entry.listeners == 0, Ordering::SeqCst);
        }
    }
}

/// Signals of one kind as they come in. While it lives the signal's usual action does not take place.
///
/// Several may listen for one kind; each sees every signal, but signals that come faster than they are
/// taken are seen as one, as the operating system does it. asyncio: `loop.add_signal_handler`.
#[doc(alias("add_signal_handler", "remove_signal_handler"))]
pub struct Signal {
    listener: Listener,
    pipe: UnixStream,
}

impl Signal {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// For signals that cannot be caught (KILL, STOP), outside of a runtime, or without descriptors.
    pub fn new(kind: SignalKind) -> io::Result<Self> {
        let (listener, pipe) = Listener::new(kind)?;
        Ok(Self { listener, pipe: pipe.try_into()? })
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    ///
    /// If the I/O driver has failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no signal.
    pub async fn recv(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        (&self.pipe).read(&mut bytes).await.map(|_| ())
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({:?})", self.listener.kind)
    }
}

/// Waits for Ctrl-C. From the first poll on the signal does not end the process, nor cancel the main task.
///
/// # Errors
///
/// Outside of a runtime, or without descriptors.
///
/// # Cancel safety
///
/// Dropping the future stops listening.
///
/// # Examples
///
/// ```no_run
/// corrente::run(async {
///     corrente::signal::ctrl_c().await.expect("a runtime and a descriptor are there");
///     println!("bye");
/// });
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    Signal::new(SignalKind::INTERRUPT)?.recv().await
}
