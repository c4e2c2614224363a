//! The reading end: a buffer, and a source that fills it.
//!
//! What always holds: bytes leave the buffer in the same step in which a read returns them, and not before.
//! The source is polled only on behalf of a read, so a slow reader slows its peer down by the kernel's
//! buffers; what was fed by hand is kept without limit, as in asyncio.
//!
//! One read at a time: the handle can be cloned, and a second read beside a first gets an error at once. The
//! source and the buffer are taken out of the lock while the source is polled, so no code of the source's
//! runs under it; the `busy` flag keeps everybody else away from both.

use super::buffer::{Buffer, Source};
use super::lines::Lines;
use super::read_error::ReadError;
use super::search::{self, LineSearch, SeparatorSearch, Step};
use futures_io::AsyncRead;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// The reading end of a stream, with a buffer. Clones are the same end. asyncio: `StreamReader`.
///
/// # Cancel safety
///
/// No read loses a byte, of whatever kind it is: bytes leave the buffer only when a read returns them.
#[derive(Clone)]
pub struct StreamReader {
    shared: Arc<Mutex<State>>,
    limit: usize,
}

struct State {
    buffer: Buffer,
    source: Option<Source>,
    eof: bool,
    error: Option<Arc<dyn Error + Send + Sync>>,
    /// A read waits, or polls the source.
    busy: bool,
    waker: Option<Waker>,
}

/// Gives the stream back to others when a read ends, however it ends.
struct Reading<'a>(&'a StreamReader);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy = false;
        drop(state.waker.take());
    }
}

impl StreamReader {
    /// A reader that is fed by hand: by [`feed_data`](Self::feed_data) and [`feed_eof`](Self::feed_eof).
    pub fn new(limit: usize) -> Self {
        Self::with_source(None, limit)
    }

    /// A reader of any source. `limit` is the most that a line may have, in bytes.
    pub fn from_source(source: impl AsyncRead + Send + Unpin + 'static, limit: usize) -> Self {
        Self::with_source(Some(Box::new(source)), limit)
    }

    fn with_source(source: Option<Source>, limit: usize) -> Self {
        let state = State {
            buffer: Buffer::new(),
            source,
            eof: false,
            error: None,
            busy: false,
            waker: None,
        };
        Self { shared: Arc::new(Mutex::new(state)), limit: limit.max(1) }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so poison would tell nothing.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes at the end, as if they came from the peer. asyncio: `feed_data`.
    pub fn feed_data(&self, data: &[u8]) {
        let mut state = self.lock();
        state.buffer.push(data);
        wake(state);
    }

    /// Ends the stream, as if the peer had. asyncio: `feed_eof`.
    pub fn feed_eof(&self) {
        let mut state = self.lock();
        state.eof = true;
        wake(state);
    }

    /// Breaks the stream: the read that waits, and all later ones, give this error. asyncio:
    /// `set_exception`.
    pub fn set_exception(&self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        let mut state = self.lock();
        state.error = Some(Arc::from(error.into()));
        wake(state);
    }

    /// True if the stream has ended and everything was read. asyncio: `at_eof`.
    pub fn at_eof(&self) -> bool {
        let state = self.lock();
        state.eof && state.buffer.len() == 0
    }

    /// Runs `look` on the buffer whenever there is more in it, until it has what it wants.
    async fn read_by<T>(
        &self,
        mut look: impl FnMut(&mut Buffer, bool) -> Step<Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        {
            let mut state = self.lock();
            if let Some(error) = &state.error {
                return Err(ReadError::Broken(error.clone()));
            }
            if state.busy {
                return Err(ReadError::Busy);
            }
            // What is in the buffer already costs nothing but this lock.
            let eof = state.eof;
            if let Step::Done(result) = look(&mut state.buffer, eof) {
                return result;
            }
            state.busy = true;
        }
        let _reading = Reading(self);
        poll_fn(|cx| {
            loop {
                let mut state = self.lock();
                let eof = state.eof;
                if let Step::Done(result) = look(&mut state.buffer, eof) {
                    return Poll::Ready(result);
                }
                if let Some(error) = &state.error {
                    return Poll::Ready(Err(ReadError::Broken(error.clone())));
                }
                ready!(self.fill(state, cx));
            }
        })
        .await
    }

    /// Ready when something has changed: more bytes, the end, an error. `state` is as the read has found it to be
    /// too little: what is fed from then on is noticed.
    fn fill<'a>(&'a self, mut state: MutexGuard<'a, State>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut source) = state.source.take() else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let mut buffer = std::mem::replace(&mut state.buffer, Buffer::new());
        drop(state);
        let polled = buffer.fill(&mut source, cx);
        let mut state = self.lock();
        // What was fed meanwhile came after what the source had given before.
        let fed = std::mem::replace(&mut state.buffer, buffer);
        if fed.len() > 0 {
            state.buffer.push(fed.as_slice());
        }
        state.source = Some(source);
        match polled {
            Poll::Pending if fed.len() == 0 && !state.eof && state.error.is_none() => {
                // The source wakes when it has something, this one when something is fed.
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Pending | Poll::Ready(Ok(1..)) => {}
            Poll::Ready(Ok(0)) => state.eof = true,
            Poll::Ready(Err(error)) => state.error = Some(Arc::new(error)),
        }
        Poll::Ready(())
    }

    /// Reads what there is, at most `count` bytes, and waits only if there is nothing. Empty at the end.
    ///
    /// asyncio: `read(n)`.
    ///
    /// # Errors
    ///
    /// If the stream is broken, or read by another task.
    pub async fn read(&self, count: usize) -> Result<Vec<u8>, ReadError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.read_by(|buffer, eof| match buffer.len() {
            0 if !eof => Step::More,
            len => Step::Done(Ok(buffer.take(len.min(count)))),
        })
        .await
    }

    /// Reads to the end of the stream. asyncio: `read()`.
    ///
    /// # Errors
    ///
    /// If the stream is broken, or read by another task.
    pub async fn read_to_end(&self) -> Result<Vec<u8>, ReadError> {
        self.read_by(|buffer, eof| match eof {
            true => Step::Done(Ok(buffer.take(buffer.len()))),
            false => Step::More,
        })
        .await
    }

    /// Reads exactly `count` bytes. asyncio: `readexactly`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] if the stream ends before; also if it is broken, or read by another task.
    #[doc(alias = "readexactly")]
    pub async fn read_exactly(&self, count: usize) -> Result<Vec<u8>, ReadError> {
        self.read_by(|buffer, eof| {
            if buffer.len() >= count {
                return Step::Done(Ok(buffer.take(count)));
            }
            if !eof {
                return Step::More;
            }
            let partial = buffer.take(buffer.len());
            Step::Done(Err(ReadError::Incomplete { partial, expected: Some(count) }))
        })
        .await
    }

    /// Reads a line with its end; at the end of the stream what is left, and then nothing.
    ///
    /// asyncio: `readline`.
    ///
    /// # Errors
    ///
    /// [`ReadError::LineTooLong`], if the line is longer than the limit: it is dropped, as far as it has come;
    /// what comes of it later looks like a line of its own. Also if the stream is broken, or read by another
    /// task.
    pub async fn readline(&self) -> Result<Vec<u8>, ReadError> {
        let mut line = Vec::new();
        self.readline_into(&mut line).await?;
        Ok(line)
    }

    /// [`readline`](Self::readline) into a buffer, which is used again: appends the line and returns its
    /// length.
    ///
    /// # Errors
    ///
    /// As [`readline`](Self::readline).
    pub async fn readline_into(&self, line: &mut Vec<u8>) -> Result<usize, ReadError> {
        let at_hand = self.lock().line_at_hand(self.limit, line);
        match at_hand {
            Some(len) => Ok(len),
            None => self.wait_for_line(line).await,
        }
    }

    async fn wait_for_line(&self, line: &mut Vec<u8>) -> Result<usize, ReadError> {
        let mut search = LineSearch::new(self.limit);
        self.read_by(|buffer, eof| search.step(buffer, eof, line)).await
    }

    /// Reads through the first of the separators that comes, the shortest match if several end together.
    ///
    /// asyncio: `readuntil`.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] if there is no separator within the limit, and the bytes stay;
    /// [`ReadError::Incomplete`] if the stream ends before one, with no more bytes than the limit allows. Also if
    /// the stream is broken, or read by another task.
    #[doc(alias = "readuntil")]
    pub async fn read_until<S: AsRef<[u8]>>(&self, separators: &[S]) -> Result<Vec<u8>, ReadError> {
        let mut search = SeparatorSearch::new(separators, self.limit)?;
        self.read_by(|buffer, eof| search.step(buffer, eof)).await
    }

    /// The lines as a stream, until the end. asyncio: `async for line in reader`.
    pub fn lines(&self) -> Lines {
        Lines::new(self.clone())
    }
}

impl State {
    /// Takes a line that is in the buffer already, if nothing stands in the way: most are.
    #[inline]
    fn line_at_hand(&mut self, limit: usize, line: &mut Vec<u8>) -> Option<usize> {
        if self.error.is_some() || self.busy {
            return None;
        }
        let bytes = self.buffer.as_slice();
        let len = search::line_end(bytes)? + 1;
        if len - 1 > limit {
            return None;
        }
        line.extend_from_slice(&bytes[..len]);
        self.buffer.skip(len);
        Some(len)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        write!(
            f,
            "StreamReader({} bytes{})",
            state.buffer.len(),
            if state.eof { ", ended" } else { "" }
        )
    }
}
