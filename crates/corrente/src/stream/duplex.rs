//! A connection in memory, for tests and for parts of one program.
//!
//! Two pipes of bounded size, one for each direction. A pipe is one lock; wakes happen outside of it.

use futures_io::{AsyncRead, AsyncWrite};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// Two connected ends. Each direction keeps at most `capacity` bytes; a writer waits beyond that.
///
/// # Examples
///
/// ```
/// use corrente::io::{AsyncReadExt, AsyncWriteExt};
///
/// corrente::run(async {
///     let (mut a, mut b) = corrente::duplex(64);
///     a.write_all(b"hello").await?;
///     drop(a);
///     let mut text = String::new();
///     b.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    let (one, two) = (Arc::new(Pipe::new(capacity)), Arc::new(Pipe::new(capacity)));
    let a = DuplexStream { ends: Arc::new(Ends { read: one.clone(), write: two.clone() }) };
    let b = DuplexStream { ends: Arc::new(Ends { read: two, write: one }) };
    (a, b)
}

/// One end of a connection in memory: see [`duplex`]. Clones are the same end.
#[derive(Clone)]
pub struct DuplexStream {
    ends: Arc<Ends>,
}

struct Ends {
    read: Arc<Pipe>,
    write: Arc<Pipe>,
}

/// When the last clone goes, the peer sees the end in both directions.
impl Drop for Ends {
    fn drop(&mut self) {
        self.write.end();
        self.read.abandon();
    }
}

struct Pipe {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    /// Nobody will write any more.
    ended: bool,
    /// Nobody will read any more.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so poison would tell nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        wake(state, |state| state.reader.take());
    }

    fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        wake(state, |state| state.writer.take());
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.bytes.is_empty() {
            if state.ended || buffer.is_empty() {
                return Poll::Ready(Ok(0));
            }
            state.reader = Some(waker);
            return Poll::Pending;
        }
        let count = buffer.len().min(state.bytes.len());
        for (place, byte) in buffer.iter_mut().zip(state.bytes.drain(..count)) {
            *place = byte;
        }
        wake(state, |state| state.writer.take());
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.abandoned || state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self.capacity - state.bytes.len();
        if room == 0 {
            state.writer = Some(waker);
            return Poll::Pending;
        }
        let count = room.min(data.len());
        state.bytes.extend(&data[..count]);
        wake(state, |state| state.reader.take());
        Poll::Ready(Ok(count))
    }
}

fn wake(mut state: MutexGuard<'_, State>, who: impl FnOnce(&mut State) -> Option<Waker>) {
    let waker = who(&mut state);
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl DuplexStream {
    /// Ends both directions at once, for all clones.
    pub fn shutdown(&self) {
        self.ends.write.end();
        self.ends.read.abandon();
        self.ends.read.end();
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(corrente_task::budget::poll_proceed(cx));
        self.ends.read.poll_read(cx, buffer)
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(corrente_task::budget::poll_proceed(cx));
        self.ends.write.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ends.write.end();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DuplexStream")
    }
}
