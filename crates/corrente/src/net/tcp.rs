//! TCP: listeners and streams.

use crate::net::addr::ToAddrs;
use crate::net::stream::impl_stream;
use crate::runtime::handle::Handle;
use crate::time::sleep;
use corrente_io::Async;
use futures_core::Stream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long a listener rests when the system has no descriptor or memory left for another connection.
const REST: Duration = Duration::from_millis(10);

/// A TCP connection. Reads and writes by the traits of `futures-io`.
///
/// Clones are the same connection, so one task may read while another writes; `&TcpStream` reads and
/// writes, too. Two tasks that read at once through these traits share one place to be woken at: give each
/// direction to one task.
///
/// # Cancel safety
///
/// A single `read` or `write` that is dropped while it waits has moved no byte. What is made of several
/// (`read_exact`, `write_all`) may have moved some.
pub struct TcpStream {
    inner: Arc<Async<net::TcpStream>>,
}

impl_stream!(TcpStream, net::TcpStream);

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    ///
    /// If the address makes no sense, or none of them answers: then the last one's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corrente::io::AsyncWriteExt;
    /// use corrente::net::TcpStream;
    ///
    /// corrente::run(async {
    ///     let mut stream = TcpStream::connect("127.0.0.1:7777").await?;
    ///     stream.write_all(b"hello").await
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(addr: impl ToAddrs) -> io::Result<Self> {
        let mut last = None;
        for addr in addr.to_addrs().await? {
            match Self::connect_to(addr).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to")
        }))
    }

    async fn connect_to(addr: SocketAddr) -> io::Result<Self> {
        let socket = new_socket(addr)?;
        // A signal may come in between; the attempt may or may not go on without us then.
        while let Err(error) = socket.connect(&addr.into()) {
            if is_in_progress(&error) {
                break;
            }
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        let stream = Self::from_nonblocking(socket.into())?;
        stream.writable().await?;
        match stream.inner.get_ref().take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// If the socket has been shut down by the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().peer_addr()
    }

    /// Whether small writes are sent at once, instead of being gathered (Nagle).
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.get_ref().set_nodelay(nodelay)
    }

    /// See [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.get_ref().nodelay()
    }

    /// What closing the socket does with bytes that were not sent: waits for so long, or throws them away
    /// and resets the connection (zero).
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.inner.get_ref()).set_linger(linger)
    }

    /// Looks at the bytes that a read would give, and leaves them.
    ///
    /// # Errors
    ///
    /// As a read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|io| io.peek(buffer)).await
    }
}

fn new_socket(addr: SocketAddr) -> io::Result<Socket> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let socket =
        Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let socket = {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket
    };
    Ok(socket)
}

/// The connection is on its way: by this attempt, or by one that a signal ended for us but not for it.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::INPROGRESS, Errno::ALREADY, Errno::ISCONN]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::WouldBlock
    }
}

/// A TCP port that accepts connections.
pub struct TcpListener {
    inner: Async<net::TcpListener>,
}

impl TcpListener {
    /// Listens at the first of the addresses that can be had. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// If the address makes no sense, or the port is in use: the error names the address.
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        let mut last = None;
        for addr in addr.to_addrs().await? {
            match Self::bind_to(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    let hint = match error.kind() {
                        io::ErrorKind::AddrInUse => {
                            ": another program has it, choose another port or 0"
                        }
                        io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges",
                        _ => "",
                    };
                    last = Some(io::Error::new(
                        error.kind(),
                        format!("cannot listen at {addr}: {error}{hint}"),
                    ));
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no address to listen at")
        }))
    }

    fn bind_to(addr: SocketAddr) -> io::Result<Self> {
        let socket = new_socket(addr)?;
        // As std does: a restarted server gets its port back at once.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Self::from_nonblocking(socket.into())
    }

    fn from_nonblocking(io: net::TcpListener) -> io::Result<Self> {
        let reactor = Handle::current_reactor()?;
        Ok(Self { inner: Async::from_nonblocking(&reactor, io)? })
    }

    /// Waits for a connection.
    ///
    /// A connection that was aborted while it waited is passed over.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or memory left. This comes after a rest of 10 ms, so a loop that
    /// just goes on does not spin; it recovers when connections are closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            std::future::poll_fn(corrente_task::budget::poll_proceed).await;
            let error = match self.inner.read_with(accept).await {
                Ok((stream, addr)) => match TcpStream::from_nonblocking(stream) {
                    Ok(stream) => return Ok((stream, addr)),
                    Err(error) => error,
                },
                Err(error) if is_aborted(&error) => continue,
                Err(error) => error,
            };
            rest().await;
            return Err(error);
        }
    }

    /// The connections as a stream, which never ends.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self, accept: None }
    }

    /// The address it listens at, with the port that was chosen.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    /// The socket as std has it, in non-blocking mode.
    pub fn into_std(self) -> net::TcpListener {
        self.inner.into_inner()
    }
}

/// Rests after a failed accept, so that a loop does not spin. Without a runtime there is nothing to rest by:
/// the error comes at once.
pub(crate) async fn rest() {
    if Handle::current().is_ok() {
        sleep(REST).await;
    }
}

/// One system call gives a connection that is non-blocking already.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, addr) = acceptfrom_with(listener, flags)?;
    let stream = net::TcpStream::from(socket);
    let addr = match addr.and_then(|addr| SocketAddr::try_from(addr).ok()) {
        Some(addr) => addr,
        None => stream.peer_addr()?,
    };
    Ok((stream, addr))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let (stream, addr) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, addr))
}

/// Errors of the connection that was to be accepted, and not of the listener.
fn is_aborted(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
    ) || is_protocol_error(error)
}

fn is_protocol_error(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        error.raw_os_error() == Some(rustix::io::Errno::PROTO.raw_os_error())
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;
    /// Watches a listener of std's, which is made non-blocking.
    ///
    /// # Errors
    ///
    /// Outside of a runtime, or if the system refuses.
    fn try_from(io: net::TcpListener) -> io::Result<Self> {
        io.set_nonblocking(true)?;
        Self::from_nonblocking(io)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.inner.get_ref().as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.get_ref().fmt(f)
    }
}

type Accept<'a> = Pin<Box<dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send + 'a>>;

/// The connections of a listener: see [`TcpListener::incoming`].
pub struct Incoming<'a> {
    listener: &'a TcpListener,
    accept: Option<Accept<'a>>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let listener = self.listener;
        let accept = self.accept.get_or_insert_with(|| Box::pin(listener.accept()));
        let accepted = std::task::ready!(accept.as_mut().poll(cx));
        self.accept = None;
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({:?})", self.listener)
    }
}
