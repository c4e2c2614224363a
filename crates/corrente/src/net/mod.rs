//! Sockets: TCP, UDP and Unix, with the traits of `futures-io`.

mod addr;
mod stream;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;

pub use addr::ToAddrs;
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{UnixListener, UnixStream};
