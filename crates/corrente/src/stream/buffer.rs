//! The buffer of a reader: bytes that have come and were not read yet.
//!
//! It is filled from a source and emptied from the front. What always holds: the memory is used again and again, and
//! who waits with nothing in hand holds little of it.

use futures_io::AsyncRead;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many bytes are asked of the source at first.
const CHUNK: usize = 16 * 1024;
/// How many bytes are asked at most of a source that gave as many as it was asked for.
const MAX_CHUNK: usize = 64 * 1024;

pub(super) type Source = Box<dyn AsyncRead + Send + Unpin>;

/// Bytes, taken from the front.
pub(super) struct Buffer {
    /// Memory, all of it initialized; the bytes are in `start..end`.
    memory: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes to ask for next.
    chunk: usize,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { memory: Vec::new(), start: 0, end: 0, chunk: CHUNK }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.as_slice()[..count].to_vec();
        self.skip(count);
        taken
    }

    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.make_room(data.len())[..data.len()].copy_from_slice(data);
        self.end += data.len();
    }

    /// The memory behind the bytes, at least `wanted` of it. If there is less, what is left is moved to the front,
    /// provided that more has been taken than is left; if that is not enough, the memory grows.
    pub(super) fn make_room(&mut self, wanted: usize) -> &mut [u8] {
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
    pub(super) fn fill(
        &mut self,
        source: &mut Source,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

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
