//! Where a line ends, and where a separator: searches that go on when more bytes come, within a limit.
//!
//! What always holds: no byte is looked at twice, but those in which a separator may have begun.

use super::buffer::Buffer;
use super::read_error::ReadError;
use std::cmp::Reverse;

/// Says what a read makes of the buffer: a result, or that it needs more.
pub(super) enum Step<T> {
    Done(T),
    More,
}

/// So many bytes are looked at in one go, at first.
const BLOCK: usize = 32;
/// After so many blocks without an end the line is long, and a call of memchr is worth its price.
const BLOCKS: usize = 4;

/// Where the first line feed is.
///
/// Most lines are short, and memchr costs more to call than to run on them. A loop over a block of a fixed size becomes
/// a few vector instructions without being asked.
#[inline]
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    for (number, block) in bytes.chunks_exact(BLOCK).take(BLOCKS).enumerate() {
        if block.iter().fold(false, |found, byte| found | (*byte == b'\n')) {
            return words(block).map(|at| number * BLOCK + at);
        }
    }
    let seen = bytes.len().min(BLOCK * BLOCKS) / BLOCK * BLOCK;
    memchr::memchr(b'\n', &bytes[seen..]).map(|at| seen + at)
}

/// The same for a block, by words: the lowest byte that is a line feed is the lowest that is zero after the xor, and
/// the lowest from which the subtraction borrows.
#[inline]
fn words(block: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    block.chunks_exact(8).enumerate().find_map(|(number, word)| {
        let word = u64::from_le_bytes(word.try_into().ok()?);
        let other = word ^ (ONES * u64::from(b'\n'));
        let feeds = other.wrapping_sub(ONES) & !other & (ONES << 7);
        (feeds != 0).then(|| number * 8 + feeds.trailing_zeros() as usize / 8)
    })
}

/// The search for the end of a line of at most `limit` bytes.
pub(super) struct LineSearch {
    limit: usize,
    seen: usize,
}

impl LineSearch {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, seen: 0 }
    }

    /// Appends the line to `line`, and gives its length.
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        eof: bool,
        line: &mut Vec<u8>,
    ) -> Step<Result<usize, ReadError>> {
        let Self { limit, seen } = *self;
        let bytes = buffer.as_slice();
        let end = line_end(&bytes[seen..]).map(|at| seen + at + 1);
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
                buffer.skip(buffer.len());
                Step::Done(Err(ReadError::LineTooLong))
            }
            None if eof => {
                let len = bytes.len();
                line.extend_from_slice(bytes);
                buffer.skip(len);
                Step::Done(Ok(len))
            }
            None => {
                self.seen = bytes.len();
                Step::More
            }
        }
    }
}

/// The search for the first of some separators, which must begin within the limit.
pub(super) struct SeparatorSearch<'a, S> {
    separators: &'a [S],
    longest: usize,
    limit: usize,
    seen: usize,
}

impl<'a, S: AsRef<[u8]>> SeparatorSearch<'a, S> {
    /// A separator has at least one byte.
    pub(super) fn new(separators: &'a [S], limit: usize) -> Result<Self, ReadError> {
        let longest = separators.iter().map(|s| s.as_ref().len()).max().unwrap_or(0);
        if longest == 0 || separators.iter().any(|s| s.as_ref().is_empty()) {
            return Err(ReadError::NoSeparator);
        }
        Ok(Self { separators, longest, limit, seen: 0 })
    }

    /// Takes everything through the separator.
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        eof: bool,
    ) -> Step<Result<Vec<u8>, ReadError>> {
        let bytes = buffer.as_slice();
        match self.find(bytes) {
            Some((_, start)) if start > self.limit => {
                Step::Done(Err(ReadError::LimitOverrun { consumed: start }))
            }
            Some((end, _)) => Step::Done(Ok(buffer.take(end))),
            None => {
                // A separator may have begun at the end of what there is.
                self.seen = bytes.len().saturating_sub(self.longest - 1);
                if self.seen > self.limit {
                    return Step::Done(Err(ReadError::LimitOverrun { consumed: self.seen }));
                }
                if !eof {
                    return Step::More;
                }
                let partial = buffer.take(buffer.len());
                Step::Done(Err(ReadError::Incomplete { partial, expected: None }))
            }
        }
    }

    /// End and start of the one that ends first, and of several the shortest.
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let found = self.separators.iter().map(AsRef::as_ref).filter_map(|s| {
            let start = self.seen + memchr::memmem::find(&bytes[self.seen..], s)?;
            Some((start + s.len(), start))
        });
        found.min_by_key(|(end, start)| (*end, Reverse(*start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_memchr_says() {
        // Bytes next to a line feed and with its bits, so that a carry or a mask that is off shows.
        let like = [b'\t', 0x0b, 0x8a, 0, 0x80, 0xff, b'x'];
        for filler in like {
            for len in 0..300 {
                let mut bytes = vec![filler; len];
                assert_eq!(line_end(&bytes), None, "{len} bytes {filler}");
                for at in (0..len).rev() {
                    // From the back: what comes behind the first one does not matter.
                    bytes[at] = b'\n';
                    assert_eq!(line_end(&bytes), Some(at), "{len} bytes {filler}");
                }
            }
        }
    }
}
