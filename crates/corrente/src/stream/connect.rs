//! From an address to a reader and a writer.

use crate::net::{TcpStream, ToAddrs};
use crate::runtime::handle::{Handle, NoRunningLoop};
use crate::stream::DEFAULT_LIMIT;
use crate::stream::duplex::DuplexStream;
use crate::stream::reader::StreamReader;
use crate::stream::writer::{Info, StreamWriter};
use std::io;
use std::net::Shutdown;
use std::time::Duration;

/// Connects to a TCP server. asyncio: `open_connection(host, port)`.
///
/// # Errors
///
/// If nobody answers at any of the addresses.
///
/// # Cancel safety
///
/// Dropping the future gives the connection up.
pub async fn open_connection(addr: impl ToAddrs) -> io::Result<(StreamReader, StreamWriter)> {
    from_tcp(TcpStream::connect(addr).await?)
}

pub(crate) fn from_tcp(stream: TcpStream) -> io::Result<(StreamReader, StreamWriter)> {
    // A protocol of requests and answers suffers from Nagle; asyncio turns it off, too.
    stream.set_nodelay(true)?;
    let info = Info { peer: stream.peer_addr().ok(), local: stream.local_addr().ok() };
    let end = stream.clone();
    let close = move |orderly: bool| {
        if !orderly {
            // What was not sent is not to be sent any more.
            let _ = end.set_linger(Some(Duration::ZERO));
        }
        let _ = end.shutdown(Shutdown::Both);
    };
    let handle = Handle::current().map_err(io::Error::other)?;
    let reader = StreamReader::from_source(stream.clone(), DEFAULT_LIMIT);
    Ok((reader, StreamWriter::new(stream, info, handle, close)))
}

/// Connects to a Unix socket. asyncio: `open_unix_connection`.
///
/// # Errors
///
/// If nobody listens there.
#[cfg(unix)]
pub async fn open_unix_connection(
    path: impl AsRef<std::path::Path>,
) -> io::Result<(StreamReader, StreamWriter)> {
    from_unix(crate::net::UnixStream::connect(path).await?)
}

#[cfg(unix)]
pub(crate) fn from_unix(
    stream: crate::net::UnixStream,
) -> io::Result<(StreamReader, StreamWriter)> {
    let end = stream.clone();
    let close = move |_: bool| {
        let _ = end.shutdown(Shutdown::Both);
    };
    let handle = Handle::current().map_err(io::Error::other)?;
    let reader = StreamReader::from_source(stream.clone(), DEFAULT_LIMIT);
    Ok((reader, StreamWriter::new(stream, Info::default(), handle, close)))
}

/// A reader and a writer over one end of a [`duplex`](crate::duplex), with a limit for lines in bytes.
///
/// # Errors
///
/// Outside of a runtime.
pub fn open_stream(
    stream: DuplexStream,
    limit: usize,
) -> Result<(StreamReader, StreamWriter), NoRunningLoop> {
    let end = stream.clone();
    let close = move |_: bool| end.shutdown();
    let handle = Handle::current()?;
    let reader = StreamReader::from_source(stream.clone(), limit);
    Ok((reader, StreamWriter::new(stream, Info::default(), handle, close)))
}
