//! Servers: a listener, a task that accepts, and a task for each connection.
//!
//! One lock holds the list of connections; a connection's entry goes when its task ends. `close` stops
//! listening; the connections go on until their handlers return, unless they are closed or aborted, too.

use crate::net::{TcpListener, ToAddrs};
use crate::stream::connect::from_tcp;
use crate::stream::reader::StreamReader;
use crate::stream::writer::StreamWriter;
use corrente_task::{Detach, Task, TaskRef};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A server, as its owner sees it. Dropping it stops listening; connections go on. asyncio: `Server`.
pub struct Server {
    shared: Arc<Shared>,
    accepting: Vec<Task<()>>,
    sockets: Vec<SocketAddr>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    next: u64,
    connections: Vec<(u64, StreamWriter)>,
    waiters: Vec<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so poison would tell nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection off the list when its task ends, however it ends, and closes it.
struct Connection {
    shared: Arc<Shared>,
    number: u64,
    writer: StreamWriter,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.writer.close();
        let waiters = {
            let mut state = self.shared.lock();
            state.connections.retain(|(number, _)| *number != self.number);
            if state.connections.is_empty() {
                std::mem::take(&mut state.waiters)
            } else {
                Vec::new()
            }
        };
        waiters.into_iter().for_each(Waker::wake);
    }
}

/// Listens at `addr`, and calls `handler` with a reader and a writer for each connection.
///
/// A handler runs as a task. When it ends the connection is closed; if it ends with an error or a panic,
/// that is reported, and the server goes on. asyncio: `start_server(cb, host, port)`.
///
/// # Errors
///
/// If the address cannot be had.
///
/// # Examples
///
/// ```
/// use corrente::{open_connection, start_server};
///
/// corrente::run(async {
///     let server = start_server(
///         async |reader, writer| {
///             let line = reader.readline().await?;
///             writer.write(&line);
///             writer.drain().await
///         },
///         "127.0.0.1:0",
///     )
///     .await?;
///     let (reader, writer) = open_connection(server.sockets()[0]).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.readline().await?, b"hello\n");
///     Ok::<(), std::io::Error>(())
/// })
/// .unwrap();
/// ```
pub async fn start_server<H, F>(handler: H, addr: impl ToAddrs) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output: Detach + Send + 'static> + Send + 'static,
{
    let listener = TcpListener::bind(addr).await?;
    let sockets = vec![listener.local_addr()?];
    let shared = Arc::new(Shared::default());
    let accepting = crate::create_task(accept_tcp(listener, Arc::new(handler), shared.clone()));
    Ok(Server { shared, accepting: vec![accepting], sockets })
}

async fn accept_tcp<H, F>(listener: TcpListener, handler: Arc<H>, shared: Arc<Shared>)
where
    H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output: Detach + Send + 'static> + Send + 'static,
{
    loop {
        // An error has made `accept` rest for a while already; clients that leave make room.
        let Ok((stream, _)) = listener.accept().await else { continue };
        if let Ok((reader, writer)) = from_tcp(stream) {
            serve(&shared, &*handler, reader, writer);
        }
    }
}

/// [`start_server`] for a Unix socket. asyncio: `start_unix_server`.
///
/// # Errors
///
/// If the path exists, or cannot be made.
#[cfg(unix)]
pub async fn start_unix_server<H, F>(
    handler: H,
    path: impl AsRef<std::path::Path>,
) -> io::Result<Server>
where
    H: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output: Detach + Send + 'static> + Send + 'static,
{
    let listener = crate::net::UnixListener::bind(path)?;
    let shared = Arc::new(Shared::default());
    let inner = shared.clone();
    let accepting = crate::create_task(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            if let Ok((reader, writer)) = crate::stream::connect::from_unix(stream) {
                serve(&inner, &handler, reader, writer);
            }
        }
    });
    Ok(Server { shared, accepting: vec![accepting], sockets: Vec::new() })
}

fn serve<H, F>(shared: &Arc<Shared>, handler: &H, reader: StreamReader, writer: StreamWriter)
where
    H: Fn(StreamReader, StreamWriter) -> F,
    F: Future<Output: Detach + Send + 'static> + Send + 'static,
{
    let number = {
        let mut state = shared.lock();
        state.next += 1;
        let number = state.next;
        state.connections.push((number, writer.clone()));
        number
    };
    let connection = Connection { shared: shared.clone(), number, writer: writer.clone() };
    let answer = handler(reader, writer);
    crate::create_task(async move {
        let _connection = connection;
        answer.await
    })
    .detach();
}

impl Server {
    /// Where it listens. asyncio: `sockets`.
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    /// True until it is closed. asyncio: `is_serving`.
    pub fn is_serving(&self) -> bool {
        !self.shared.lock().closed
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// Stops listening. Connections go on. asyncio: `close`.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.accepting.iter().map(Task::as_ref).for_each(|task: &TaskRef| {
            task.abort();
        });
    }

    /// Waits until it is closed and the last connection has ended. asyncio: `wait_closed`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_closed(&self) {
        for task in &self.accepting {
            task.finished().await;
        }
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.shared.lock();
            if state.connections.is_empty() {
                return Poll::Ready(());
            }
            state.waiters.push(waker);
            Poll::Pending
        })
        .await;
    }

    /// Serves until it is cancelled, and closes then. asyncio: `serve_forever`.
    pub async fn serve_forever(&self) {
        struct Close<'a>(&'a Server);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                self.0.close();
            }
        }
        let _close = Close(self);
        for task in &self.accepting {
            task.finished().await;
        }
    }

    /// Closes all connections, after what was written to them. asyncio (3.13): `close_clients`.
    pub fn close_clients(&self) {
        self.clients().iter().for_each(StreamWriter::close);
    }

    /// Ends all connections at once; what was not sent is dropped. asyncio (3.13): `abort_clients`.
    pub fn abort_clients(&self) {
        self.clients().iter().for_each(StreamWriter::abort);
    }

    fn clients(&self) -> Vec<StreamWriter> {
        self.shared.lock().connections.iter().map(|(_, writer)| writer.clone()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?}, {} connections)", self.sockets, self.connections())
    }
}
