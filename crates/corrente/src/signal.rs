//! Signals of the operating system.

use crate::net::UnixStream;
use futures_lite::AsyncReadExt;
use signal_hook::SigId;
use std::fmt;
use std::io;

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

/// Signals of one kind as they come in. While it lives the signal's usual action does not take place.
///
/// Several may listen for one kind; each sees every signal, but signals that come faster than they are
/// taken are seen as one, as the operating system does it. asyncio: `loop.add_signal_handler`.
#[doc(alias("add_signal_handler", "remove_signal_handler"))]
pub struct Signal {
    kind: SignalKind,
    pipe: UnixStream,
    id: SigId,
}

impl Signal {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// For signals that cannot be caught (KILL, STOP), outside of a runtime, or without descriptors.
    pub fn new(kind: SignalKind) -> io::Result<Self> {
        if signal_hook::consts::FORBIDDEN.contains(&kind.0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("signal {} cannot be caught", kind.0),
            ));
        }
        let (read, write) = std::os::unix::net::UnixStream::pair()?;
        let pipe = UnixStream::try_from(read)?;
        // The handler writes a byte, which is all that a signal handler may do; a full pipe drops it.
        let id = signal_hook::low_level::pipe::register(kind.0, write)?;
        Ok(Self { kind, pipe, id })
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

impl Drop for Signal {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.id);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({:?})", self.kind)
    }
}

/// Waits for Ctrl-C. From the call on the signal does not end the process.
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
