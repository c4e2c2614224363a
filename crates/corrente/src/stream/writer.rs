//! The writing end: a buffer that somebody empties.
//!
//! `write` appends and tries to send at once, without waiting. What is left over is sent by a *flusher*, a
//! task that exists only while something is left. The sink is taken out of the lock while it is polled, so
//! no code of the sink's runs under it, and whoever has it sends what others appended meanwhile.
//!
//! What always holds: bytes are sent in the order of the writes; while the buffer is not empty, somebody has
//! the sink or a flusher is on its way; when the end was asked for, it comes after the last byte.

use crate::runtime::handle::Handle;
use futures_io::AsyncWrite;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Above so many bytes `drain` waits. asyncio: 64 KiB.
const HIGH_WATER: usize = 64 * 1024;

type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// The writing end of a stream. Clones are the same end. asyncio: `StreamWriter`.
#[derive(Clone)]
pub struct StreamWriter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    info: Info,
    /// Who runs the flusher.
    handle: Handle,
    /// Ends the connection in both directions, orderly or at once.
    close: Box<dyn Fn(bool) + Send + Sync>,
}

/// What is known about the connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Info {
    pub peer: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
}

struct State {
    buffer: Vec<u8>,
    start: usize,
    /// So many bytes are with whoever has taken the buffer to send from it.
    taken: usize,
    /// None while somebody polls it, and when it is closed.
    sink: Option<Sink>,
    high: usize,
    low: usize,
    end: End,
    closed: bool,
    error: Option<Arc<io::Error>>,
    flushing: bool,
    waiters: Vec<Waker>,
}

/// What comes after the last byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// More bytes.
    Open,
    /// The end of this direction.
    Eof,
    /// The end of the connection.
    Close,
}

impl State {
    fn left(&self) -> usize {
        self.buffer.len() - self.start + self.taken
    }

    /// So many bytes are sent. Moves what is left to the front when most of the memory is behind it, since a
    /// peer that is always behind, but never far, never lets the buffer be empty.
    fn skip(&mut self, sent: usize) {
        self.start += sent;
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }
}

impl StreamWriter {
    pub(crate) fn new(
        sink: impl AsyncWrite + Send + Unpin + 'static,
        info: Info,
        handle: Handle,
        close: impl Fn(bool) + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            buffer: Vec::new(),
            start: 0,
            taken: 0,
            sink: Some(Box::new(sink)),
            high: HIGH_WATER,
            low: HIGH_WATER / 4,
            end: End::Open,
            closed: false,
            error: None,
            flushing: false,
            waiters: Vec::new(),
        };
        let close = Box::new(close);
        Self { shared: Arc::new(Shared { state: Mutex::new(state), info, handle, close }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so poison would tell nothing.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `data`, or keeps it until it can be sent. Never waits.
    ///
    /// Follow it by [`drain`](Self::drain), which waits if too much is kept, and where a broken connection is
    /// reported; after the end of the stream the bytes are dropped. asyncio: `write`.
    pub fn write(&self, data: &[u8]) {
        let mut state = self.lock();
        if state.end != End::Open || state.error.is_some() || data.is_empty() {
            return;
        }
        state.buffer.extend_from_slice(data);
        drop(state);
        self.push_on();
    }

    /// [`write`](Self::write) for several pieces. asyncio: `writelines`.
    pub fn writelines<D: AsRef<[u8]>>(&self, pieces: impl IntoIterator<Item = D>) {
        let mut state = self.lock();
        if state.end != End::Open || state.error.is_some() {
            return;
        }
        for piece in pieces {
            state.buffer.extend_from_slice(piece.as_ref());
        }
        drop(state);
        self.push_on();
    }

    /// Sends what can be sent at once, and leaves the rest to a flusher.
    fn push_on(&self) {
        let flusher = {
            let mut state = self.lock();
            if state.flushing || state.sink.is_none() {
                return;
            }
            state.flushing = true;
            drop(state);
            // With a waker that does nothing: the flusher polls again with its own.
            self.poll_flush(&mut Context::from_waker(Waker::noop())).is_pending()
        };
        if flusher {
            let writer = self.clone();
            let flush = async move { poll_fn(|cx| writer.poll_flush(cx)).await };
            self.shared.handle.create_task(flush).detach();
        }
    }

    /// Sends until nothing is left. Whoever calls this has set `flushing`; it is taken back with `Ready`.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut state = self.lock();
            let Some(mut sink) = state.sink.take() else {
                state.flushing = false;
                return Poll::Ready(());
            };
            if state.left() == 0 {
                return self.finish(state, sink, cx);
            }
            let buffer = std::mem::take(&mut state.buffer);
            let start = std::mem::take(&mut state.start);
            state.taken = buffer.len() - start;
            drop(state);
            let polled = Pin::new(&mut sink).poll_write(cx, &buffer[start..]);
            let mut state = self.lock();
            state.taken = 0;
            if state.closed {
                // By an abort in the meantime: what is left goes nowhere.
                drop(state);
                return Poll::Ready(());
            }
            let appended = std::mem::replace(&mut state.buffer, buffer);
            state.start = start;
            state.buffer.extend_from_slice(&appended);
            state.sink = Some(sink);
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => {
                    return self.fail(state, io::ErrorKind::WriteZero.into());
                }
                Poll::Ready(Ok(written)) => {
                    state.skip(written);
                    if state.left() <= state.low {
                        wake_all(state);
                    }
                }
                Poll::Ready(Err(error)) => return self.fail(state, error),
            }
        }
    }

    /// Everything is sent: now for the end, if it was asked for.
    fn finish(
        &self,
        mut state: MutexGuard<'_, State>,
        mut sink: Sink,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let end = state.end;
        if end == End::Open {
            state.sink = Some(sink);
            state.flushing = false;
            wake_all(state);
            return Poll::Ready(());
        }
        drop(state);
        let polled = Pin::new(&mut sink).poll_close(cx);
        let mut state = self.lock();
        match polled {
            Poll::Pending => {
                state.sink = Some(sink);
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => return self.fail(state, error),
            Poll::Ready(Ok(())) => {}
        }
        // Another one may have asked for more than the end of this direction meanwhile.
        let end = state.end;
        state.flushing = false;
        if end == End::Eof {
            state.sink = Some(sink);
            wake_all(state);
            return Poll::Ready(());
        }
        state.closed = true;
        wake_all(state);
        drop(sink);
        (self.shared.close)(true);
        Poll::Ready(())
    }

    fn fail(&self, mut state: MutexGuard<'_, State>, error: io::Error) -> Poll<()> {
        state.error = Some(Arc::new(error));
        state.buffer = Vec::new();
        state.start = 0;
        state.flushing = false;
        state.closed = true;
        let sink = state.sink.take();
        wake_all(state);
        drop(sink);
        (self.shared.close)(false);
        Poll::Ready(())
    }

    /// Waits until not too much is kept: only above the high-water mark, until below the low one.
    ///
    /// asyncio: `drain`. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn drain(&self) -> io::Result<()> {
        let mut waiting = false;
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.lock();
            if let Some(error) = &state.error {
                return Poll::Ready(Err(copy_of(error)));
            }
            let mark = if waiting { state.low } else { state.high };
            if state.left() <= mark {
                return Poll::Ready(Ok(()));
            }
            waiting = true;
            state.waiters.push(waker);
            Poll::Pending
        })
        .await
    }

    /// Sets the marks of [`drain`](Self::drain), in bytes. asyncio: `set_write_buffer_limits`.
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_limits(&self, high: usize, low: usize) {
        let mut state = self.lock();
        state.high = high;
        state.low = low.min(high);
    }

    /// Ends this direction after what was written; the peer's bytes can still be read. asyncio: `write_eof`.
    pub fn write_eof(&self) {
        self.ask_for(End::Eof);
    }

    /// True: every stream here can end one direction. asyncio: `can_write_eof`.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Ends the connection after what was written. asyncio: `close`.
    pub fn close(&self) {
        self.ask_for(End::Close);
    }

    fn ask_for(&self, end: End) {
        let mut state = self.lock();
        if state.end >= end || state.closed {
            return;
        }
        state.end = end;
        drop(state);
        self.push_on();
    }

    /// Ends the connection at once; what was not sent is dropped. asyncio: `transport.abort()`.
    pub fn abort(&self) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.end = End::Close;
        let _ = self.fail(state, io::ErrorKind::ConnectionAborted.into());
    }

    /// True if it is closed, or about to be. asyncio: `is_closing`.
    pub fn is_closing(&self) -> bool {
        let state = self.lock();
        state.end == End::Close || state.closed
    }

    /// Waits until the connection has ended, after [`close`](Self::close). asyncio: `wait_closed`.
    ///
    /// # Errors
    ///
    /// If the connection broke before everything was sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_closed(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.lock();
            if let Some(error) = &state.error {
                return Poll::Ready(Err(copy_of(error)));
            }
            if state.closed {
                return Poll::Ready(Ok(()));
            }
            state.waiters.push(waker);
            Poll::Pending
        })
        .await
    }

    /// The address of the peer, if it has one. asyncio: `get_extra_info("peername")`.
    #[doc(alias = "get_extra_info")]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.info.peer
    }

    /// The address of this end, if it has one. asyncio: `get_extra_info("sockname")`.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.info.local
    }
}

/// Errors of the system cannot be cloned; their kind and text can.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn wake_all(mut state: MutexGuard<'_, State>) {
    let waiters = std::mem::take(&mut state.waiters);
    drop(state);
    waiters.into_iter().for_each(Waker::wake);
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamWriter({} bytes to send)", self.lock().left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::ready;

    /// A sink that is always behind: it takes a little, and then has to be asked again.
    struct Sips {
        rests: bool,
    }

    impl AsyncWrite for Sips {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.rests = !self.rests;
            if self.rests {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(bytes.len().min(1000)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            ready!(self.poll_flush(cx))?;
            Poll::Ready(Ok(()))
        }
    }

    /// A sink that looks at its writer while it is sending.
    struct Watches {
        writer: Arc<Mutex<Option<StreamWriter>>>,
        watch: fn(&StreamWriter),
    }

    impl AsyncWrite for Watches {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let writer = self.writer.lock().unwrap().clone();
            (self.watch)(&writer.unwrap());
            Poll::Ready(Ok(bytes.len().min(500)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes a thousand bytes to a sink that watches; what the writer looks like afterwards.
    fn watched(watch: fn(&StreamWriter)) -> StreamWriter {
        let run = crate::Builder::new().fifo().run(async {
            let (place, handle) = (Arc::default(), Handle::current().unwrap());
            let sink = Watches { writer: Arc::clone(&place), watch };
            let writer = StreamWriter::new(sink, Info::default(), handle, |_| ());
            *place.lock().unwrap() = Some(writer.clone());
            writer.set_limits(100, 10);
            writer.write(&[0; 1000]);
            *place.lock().unwrap() = None;
            writer
        });
        run.unwrap()
    }

    #[test]
    fn what_is_being_sent_is_not_sent_yet() {
        let writer = watched(|writer| {
            let mut drained = std::pin::pin!(writer.drain());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(drained.as_mut().poll(&mut cx).is_pending(), "a thousand bytes are not sent");
        });
        assert_eq!(writer.lock().left(), 0);
    }

    #[test]
    fn nothing_is_sent_after_an_abort_while_something_is_sent() {
        let writer = watched(|writer| {
            assert!(!writer.lock().closed, "it goes on sending");
            writer.abort();
        });
        let state = writer.lock();
        assert!(state.closed && state.sink.is_none() && state.left() == 0);
    }

    #[test]
    fn a_peer_that_is_always_behind_costs_no_more_than_what_is_left() {
        let run = crate::Builder::new().fifo().run(async {
            let handle = Handle::current().unwrap();
            let writer = StreamWriter::new(Sips { rests: false }, Info::default(), handle, |_| ());
            writer.set_limits(5000, 2000);
            let mut most = 0;
            for _ in 0..1000 {
                writer.write(&[0; 1000]);
                writer.drain().await.unwrap();
                assert!(writer.lock().left() > 0, "the buffer was never empty");
                most = most.max(writer.lock().buffer.len());
            }
            assert!(most <= 20_000, "{most} bytes are kept");
        });
        run.unwrap();
    }
}
