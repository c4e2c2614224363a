//! The reading end: a buffer, and a source that fills it.
//!
//! What always holds: bytes leave the buffer in the same step in which a read returns them, and not before.
//! The source is polled only on behalf of a read, so a slow reader slows its peer down by the kernel's
//! buffers; what was fed by hand is kept without limit, as in asyncio.
//!
//! One read at a time: the handle can be cloned, and a second read beside a first gets an error at once. The
//! source and the buffer are taken out of the lock while the source is polled, so no code of the source's
//! runs under it; the `busy` flag keeps everybody else away from both.

use futures_core::Stream;
use futures_io::AsyncRead;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// How many bytes are asked of the source at first.
const CHUNK: usize = 16 * 1024;
/// How many bytes are asked at most of a source that gave as many as it was asked for.
const MAX_CHUNK: usize = 64 * 1024;

type Source = Box<dyn AsyncRead + Send + Unpin>;

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

/// Bytes, taken from the front.
struct Buffer {
    /// Memory, all of it initialized; the bytes are in `start..end`.
    memory: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes to ask for next.
    chunk: usize,
}

impl Buffer {
    const fn new() -> Self {
        Self { memory: Vec::new(), start: 0, end: 0, chunk: CHUNK }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    #[inline]
    fn len(&self) -> usize {
        self.end - self.start
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.as_slice()[..count].to_vec();
        self.skip(count);
        taken
    }

    #[inline]
    fn skip(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    fn push(&mut self, data: &[u8]) {
        self.make_room(data.len())[..data.len()].copy_from_slice(data);
        self.end += data.len();
    }

    /// The memory behind the bytes, at least `wanted` of it. If there is less, what is left is moved to the front,
    /// provided that more has been taken than is left; if that is not enough, the memory grows.
    fn make_room(&mut self, wanted: usize) -> &mut [u8] {
        if self.memory.len() - self.end < wanted && self.start > self.end / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.memory.len() - self.end < wanted {
            // The same memory is used again and again, so it is cleared only when it grows.
            self.memory.resize(self.end + wanted, 0);
        }
        &mut self.memory[self.end..]
    }

    /// Reads from a source behind what is there.
    fn fill(&mut self, source: &mut Source, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let chunk = self.chunk;
        let room = &mut self.make_room(chunk)[..chunk];
        let polled = Pin::new(source).poll_read(cx, room);
        match polled {
            Poll::Ready(Ok(read)) => {
                self.end += read.min(chunk);
                // Who gives all that it was asked for has more, and every call costs.
                self.chunk = if read < chunk { CHUNK } else { MAX_CHUNK.min(chunk * 2) };
            }
            // Who waits with nothing in hand, maybe for long, holds little memory.
            Poll::Pending if self.len() == 0 && self.memory.len() > CHUNK => *self = Self::new(),
            _ => {}
        }
        polled
    }
}

/// Why a read gives no bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended too early. asyncio: `IncompleteReadError`.
    Incomplete {
        /// What there was; it has been taken out of the stream.
        partial: Vec<u8>,
        /// How many bytes were wanted, if that is known.
        expected: Option<usize>,
    },
    /// The separator is not within the limit. The bytes stay in the stream. asyncio: `LimitOverrunError`.
    LimitOverrun {
        /// How many bytes can be taken to get past it.
        consumed: usize,
    },
    /// A line is longer than the limit. What had come of it was dropped; if its end had not come yet, the rest
    /// looks like a line of its own, as in asyncio: better end the connection. asyncio: `ValueError`.
    LineTooLong,
    /// Another read is under way on this stream. asyncio: `RuntimeError`.
    Busy,
    /// A separator must have at least one byte. asyncio: `ValueError`.
    NoSeparator,
    /// The connection is broken, or the error was set by [`StreamReader::set_exception`].
    Broken(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { partial, expected: Some(expected) } => {
                write!(f, "the stream ended after {} of {expected} bytes", partial.len())
            }
            Self::Incomplete { partial, expected: None } => {
                write!(f, "the stream ended after {} bytes, without the separator", partial.len())
            }
            Self::LimitOverrun { consumed } => {
                write!(
                    f,
                    "no separator within the limit, after {consumed} bytes; they are still there"
                )
            }
            Self::LineTooLong => f.write_str("the line is longer than the limit"),
            Self::Busy => f.write_str("another task reads from this stream: one read at a time"),
            Self::NoSeparator => f.write_str("a separator must have at least one byte"),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Incomplete { .. } => io::ErrorKind::UnexpectedEof,
            ReadError::LimitOverrun { .. } | ReadError::LineTooLong => io::ErrorKind::InvalidData,
            ReadError::Busy | ReadError::NoSeparator => io::ErrorKind::InvalidInput,
            ReadError::Broken(inner) => match inner.downcast_ref::<io::Error>() {
                Some(inner) => inner.kind(),
                None => io::ErrorKind::Other,
            },
        };
        Self::new(kind, error)
    }
}

/// Says what a read makes of the buffer: a result, or that it needs more.
enum Step<T> {
    Done(T),
    More,
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
        if let Some(len) = self.line_at_hand(line) {
            return Ok(len);
        }
        let limit = self.limit;
        let mut seen = 0;
        self.read_by(|buffer, eof| {
            let bytes = buffer.as_slice();
            let end = memchr::memchr(b'\n', &bytes[seen..]).map(|at| seen + at + 1);
            match end {
                Some(end) if end - 1 > limit => {
                    buffer.skip(end);
                    Step::Done(Err(ReadError::LineTooLong))
                }
                Some(end) => {
                    line.extend_from_slice(&bytes[..end]);
                    buffer.skip(end);
                    Step::Done(Ok(end))
                }
                None if bytes.len() > limit => {
                    // What there is of the line goes; its rest will look like a line of its own.
                    let len = bytes.len();
                    buffer.skip(len);
                    Step::Done(Err(ReadError::LineTooLong))
                }
                None if eof => {
                    let len = bytes.len();
                    line.extend_from_slice(bytes);
                    buffer.skip(len);
                    Step::Done(Ok(len))
                }
                None => {
                    seen = bytes.len();
                    Step::More
                }
            }
        })
        .await
    }

    /// Takes a line that is in the buffer already, if nothing stands in the way: most are, and it costs one lock.
    #[inline]
    fn line_at_hand(&self, line: &mut Vec<u8>) -> Option<usize> {
        let mut state = self.lock();
        if state.error.is_some() || state.busy {
            return None;
        }
        let bytes = state.buffer.as_slice();
        let len = memchr::memchr(b'\n', bytes)? + 1;
        if len - 1 > self.limit {
            return None;
        }
        line.extend_from_slice(&bytes[..len]);
        state.buffer.skip(len);
        Some(len)
    }

    /// Reads through the first of the separators that comes, the shortest match if several end together.
    ///
    /// asyncio: `readuntil`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] if the stream ends before a separator; [`ReadError::LimitOverrun`] if there
    /// is none within the limit, and the bytes stay. Also if the stream is broken, or read by another task.
    #[doc(alias = "readuntil")]
    pub async fn read_until<S: AsRef<[u8]>>(&self, separators: &[S]) -> Result<Vec<u8>, ReadError> {
        let longest = separators.iter().map(|s| s.as_ref().len()).max().unwrap_or(0);
        if separators.iter().any(|s| s.as_ref().is_empty()) || longest == 0 {
            return Err(ReadError::NoSeparator);
        }
        let limit = self.limit;
        let mut seen = 0;
        self.read_by(|buffer, eof| {
            let bytes = buffer.as_slice();
            let found = separators
                .iter()
                .map(AsRef::as_ref)
                .filter_map(|s| {
                    let at = seen + memchr::memmem::find(&bytes[seen..], s)?;
                    Some((at + s.len(), at))
                })
                .min();
            match found {
                Some((_, start)) if start > limit => {
                    Step::Done(Err(ReadError::LimitOverrun { consumed: start }))
                }
                Some((end, _)) => Step::Done(Ok(buffer.take(end))),
                None if eof => {
                    let partial = buffer.take(buffer.len());
                    Step::Done(Err(ReadError::Incomplete { partial, expected: None }))
                }
                None => {
                    // A separator may have begun at the end of what there is.
                    seen = bytes.len().saturating_sub(longest - 1);
                    if seen > limit {
                        return Step::Done(Err(ReadError::LimitOverrun { consumed: seen }));
                    }
                    Step::More
                }
            }
        })
        .await
    }

    /// The lines as a stream, until the end. asyncio: `async for line in reader`.
    pub fn lines(&self) -> Lines {
        Lines { reader: self.clone(), read: None }
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

type ReadLine = Pin<Box<dyn Future<Output = Result<Vec<u8>, ReadError>> + Send>>;

/// The lines of a stream: see [`StreamReader::lines`].
pub struct Lines {
    reader: StreamReader,
    read: Option<ReadLine>,
}

impl Lines {
    /// The next line with its end; None at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`StreamReader::readline`].
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ReadError>> {
        match self.reader.readline().await {
            Ok(line) if line.is_empty() => None,
            result => Some(result),
        }
    }
}

impl Stream for Lines {
    type Item = Result<Vec<u8>, ReadError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = self.reader.clone();
        let read =
            self.read.get_or_insert_with(|| Box::pin(async move { reader.readline().await }));
        let result = ready!(read.as_mut().poll(cx));
        self.read = None;
        Poll::Ready(match result {
            Ok(line) if line.is_empty() => None,
            result => Some(result),
        })
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({:?})", self.reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives all that is asked for, so many times, and then nothing.
    struct Gives(u32);

    impl AsyncRead for Gives {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Pending };
            self.0 = left;
            Poll::Ready(Ok(room.len()))
        }
    }

    #[test]
    fn more_is_asked_of_a_full_source_and_nothing_is_kept_for_an_empty_one() {
        let mut source: Source = Box::new(Gives(4));
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = Buffer::new();
        for expected in [CHUNK, 2 * CHUNK, 4 * CHUNK, MAX_CHUNK] {
            assert!(
                matches!(buffer.fill(&mut source, &mut cx), Poll::Ready(Ok(read)) if read == expected)
            );
            // All but one byte is read.
            buffer.skip(buffer.len() - 1);
        }
        assert!(buffer.memory.len() <= 2 * MAX_CHUNK);
        assert!(buffer.fill(&mut source, &mut cx).is_pending());
        assert_eq!(buffer.len(), 1, "what is there stays");
        buffer.skip(1);
        assert!(buffer.fill(&mut source, &mut cx).is_pending());
        assert_eq!(buffer.memory.capacity(), 0);
    }
}
