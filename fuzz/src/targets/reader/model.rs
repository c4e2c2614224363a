//! What a reader should be: a `Vec<u8>` that is searched byte by byte whenever a read is polled.

use super::source::Pipe;
use super::want::{Read, Want, plain};
use corrente::stream::ReadError;
use std::sync::{Arc, Mutex};

/// What a reader should be.
pub struct Model {
    pub buffer: Vec<u8>,
    pub eof: bool,
    pub broken: bool,
    pub limit: usize,
    pub pipe: Arc<Mutex<Pipe>>,
}

impl Model {
    /// What a read gives after it was polled; `None` if it waits.
    pub fn poll(&mut self, want: &Want) -> Option<Read> {
        loop {
            if let Some(read) = self.look(want) {
                return Some(read);
            }
            if self.broken {
                return Some(Err("broken".to_owned()));
            }
            match self.pipe.lock().unwrap().given.pop_front()? {
                Some(bytes) if bytes.is_empty() => self.eof = true,
                Some(bytes) => self.buffer.extend(bytes),
                None => self.broken = true,
            }
        }
    }

    fn look(&mut self, want: &Want) -> Option<Read> {
        let len = self.buffer.len();
        match want {
            Want::Some(count) => (len > 0 || self.eof).then(|| self.take(len.min(*count))),
            Want::All => self.eof.then(|| self.take(len)),
            Want::Exactly(count) if len >= *count => Some(self.take(*count)),
            Want::Exactly(count) => self.eof.then(|| self.incomplete(Some(*count))),
            Want::Line => match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) if at <= self.limit => Some(self.take(at + 1)),
                None if len <= self.limit => self.eof.then(|| self.take(len)),
                at => {
                    self.buffer.drain(..at.map_or(len, |at| at + 1));
                    Some(Err(plain(ReadError::LineTooLong)))
                }
            },
            Want::Until(separators) => {
                let shortest_at = |end: usize| {
                    let ending = separators.iter().filter(|s| self.buffer[..end].ends_with(s));
                    Some((end, end - ending.map(Vec::len).min()?))
                };
                let longest = separators.iter().map(Vec::len).max().unwrap_or(0);
                // Without a separator, what cannot be the beginning of one.
                let consumed = (len + 1).saturating_sub(longest);
                match (1..=len).find_map(shortest_at) {
                    Some((end, start)) if start <= self.limit => Some(self.take(end)),
                    None if consumed <= self.limit => self.eof.then(|| self.incomplete(None)),
                    found => {
                        let consumed = found.map_or(consumed, |(_, start)| start);
                        Some(Err(plain(ReadError::LimitOverrun { consumed })))
                    }
                }
            }
        }
    }

    fn take(&mut self, count: usize) -> Read {
        Ok(self.buffer.drain(..count).collect())
    }

    fn incomplete(&mut self, expected: Option<usize>) -> Read {
        Err(plain(ReadError::Incomplete { partial: std::mem::take(&mut self.buffer), expected }))
    }
}
