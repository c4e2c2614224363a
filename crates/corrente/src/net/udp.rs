//! UDP.

use crate::net::addr::ToAddrs;
use crate::runtime::handle::Handle;
use corrente_io::Async;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};

/// A UDP socket. Any number of tasks may send and receive at once.
///
/// asyncio: `create_datagram_endpoint`.
pub struct UdpSocket {
    inner: Async<net::UdpSocket>,
}

impl UdpSocket {
    /// A socket at the first of the addresses that can be had. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// If the address makes no sense or is in use.
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        let addrs = addr.to_addrs().await?;
        net::UdpSocket::bind(&*addrs)?.try_into()
    }

    /// Sends to, and receives from, one peer only from now on.
    ///
    /// # Errors
    ///
    /// If the address makes no sense or the system refuses.
    pub async fn connect(&self, addr: impl ToAddrs) -> io::Result<()> {
        let addrs = addr.to_addrs().await?;
        self.inner.get_ref().connect(&*addrs)
    }

    /// Sends a datagram to the peer of [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// If there is no peer, or the system refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done has sent nothing.
    pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.inner.write_with(|io| io.send(datagram)).await
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// If the address makes no sense or the system refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done has sent nothing.
    pub async fn send_to(&self, datagram: &[u8], addr: impl ToAddrs) -> io::Result<usize> {
        let addrs = addr.to_addrs().await?;
        self.inner.write_with(|io| io.send_to(datagram, &*addrs)).await
    }

    /// Receives a datagram from the peer; what does not fit into `buffer` is lost.
    ///
    /// # Errors
    ///
    /// If the system reports one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_with(|io| io.recv(buffer)).await
    }

    /// Receives a datagram and tells who sent it.
    ///
    /// # Errors
    ///
    /// If the system reports one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.read_with(|io| io.recv_from(buffer)).await
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }
}

impl TryFrom<net::UdpSocket> for UdpSocket {
    type Error = io::Error;
    /// Watches a socket of std's, which is made non-blocking.
    ///
    /// # Errors
    ///
    /// Outside of a runtime, or if the system refuses.
    fn try_from(io: net::UdpSocket) -> io::Result<Self> {
        let reactor = Handle::current_reactor()?;
        Ok(Self { inner: Async::new(&reactor, io)? })
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.get_ref().fmt(f)
    }
}
