//! Unix sockets.

use crate::net::stream::impl_stream;
use crate::runtime::handle::Handle;
use corrente_io::Async;
use std::fmt;
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// A connection over a Unix socket. As [`TcpStream`](crate::net::TcpStream).
pub struct UnixStream {
    inner: Arc<Async<net::UnixStream>>,
}

impl_stream!(UnixStream, net::UnixStream);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        // Connecting to a local socket does not wait for the network; only for a full backlog.
        let path = path.as_ref().to_owned();
        let stream = crate::thread::to_thread(move || net::UnixStream::connect(path)).await?;
        stream.try_into()
    }

    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// Outside of a runtime, or if the system refuses.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((a.try_into()?, b.try_into()?))
    }
}

/// A Unix socket that accepts connections.
pub struct UnixListener {
    inner: Async<net::UnixListener>,
}

impl UnixListener {
    /// Listens at `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// If the path exists or cannot be made.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        net::UnixListener::bind(path)?.try_into()
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor or memory left. This comes after a rest of 10 ms, so a loop that
    /// just goes on does not spin.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let accepted = self
            .inner
            .read_with(|io| {
                let (stream, addr) = io.accept()?;
                stream.set_nonblocking(true)?;
                Ok((stream, addr))
            })
            .await;
        let watched = match accepted {
            Ok((stream, addr)) => UnixStream::from_nonblocking(stream).map(|stream| (stream, addr)),
            Err(error) => Err(error),
        };
        if watched.is_err() {
            crate::net::tcp::rest().await;
        }
        watched
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }
}

impl TryFrom<net::UnixListener> for UnixListener {
    type Error = io::Error;
    /// Watches a listener of std's, which is made non-blocking.
    ///
    /// # Errors
    ///
    /// Outside of a runtime, or if the system refuses.
    fn try_from(io: net::UnixListener) -> io::Result<Self> {
        let reactor = Handle::current_reactor()?;
        Ok(Self { inner: Async::new(&reactor, io)? })
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.get_ref().fmt(f)
    }
}
