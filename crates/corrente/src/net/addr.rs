//! From what people write to socket addresses: literals at once, names on a blocking thread.

use crate::thread::to_thread;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

/// What names a peer: a socket address, `"host:port"`, or `("host", port)`.
///
/// A name is resolved by the system on a blocking thread; a literal address needs none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no socket address",
    note = "use a `SocketAddr`, `\"host:port\"`, `(\"host\", port)` or `(ip, port)`"
)]
pub trait ToAddrs {
    /// The addresses, in the order in which they are to be tried; at least one.
    ///
    /// # Errors
    ///
    /// If the text is no address (`InvalidInput`, saying what is expected), or the name is not known.
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

macro_rules! literal {
    ($($type:ty),*) => { $(
        impl ToAddrs for $type {
            async fn to_addrs(self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![self.into()])
            }
        }
    )* };
}
literal!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16));

impl ToAddrs for &[SocketAddr] {
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let addrs = self.to_vec();
        async move { Ok(addrs) }
    }
}

impl ToAddrs for &SocketAddr {
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let addr = *self;
        async move { Ok(vec![addr]) }
    }
}

impl ToAddrs for &str {
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let text = self.to_owned();
        async move {
            if let Ok(addr) = text.parse::<SocketAddr>() {
                return Ok(vec![addr]);
            }
            let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "`{text}` is no address: write `host:port`, for example `127.0.0.1:8080`"
                    ),
                ));
            }
            resolve(text.clone(), text).await
        }
    }
}

impl ToAddrs for String {
    async fn to_addrs(self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_addrs().await
    }
}

impl ToAddrs for &String {
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        self.as_str().to_addrs()
    }
}

impl ToAddrs for (&str, u16) {
    fn to_addrs(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let (host, port) = (self.0.to_owned(), self.1);
        async move {
            match host.parse::<IpAddr>() {
                Ok(ip) => Ok(vec![(ip, port).into()]),
                Err(_) => resolve((host.clone(), port), host).await,
            }
        }
    }
}

async fn resolve(
    name: impl ToSocketAddrs + Send + 'static,
    text: String,
) -> io::Result<Vec<SocketAddr>> {
    let addrs: Vec<_> = to_thread(move || name.to_socket_addrs().map(Iterator::collect)).await?;
    if addrs.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("`{text}` has no address")));
    }
    Ok(addrs)
}
