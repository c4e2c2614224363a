//! What a read asks for, and the bytes that come, both read from the input.

use crate::bytes::Bytes;
use crate::waiter::Waiter;
use corrente::StreamReader;
use corrente::stream::ReadError;

/// What comes of a read, so that it can be compared.
pub type Read = Result<Vec<u8>, String>;

/// What a read asks for.
#[derive(Clone)]
pub enum Want {
    Some(usize),
    All,
    Exactly(usize),
    Line,
    Until(Vec<Vec<u8>>),
}

impl Want {
    /// Any of them.
    pub fn read(bytes: &mut Bytes) -> Self {
        match bytes.byte() {
            kind @ 0..50 => Self::Some(usize::from(kind)),
            50..60 => Self::All,
            kind @ 60..110 => Self::Exactly(usize::from(kind - 60)),
            110 => Self::Exactly(bytes.word() as usize % 100_000),
            111..175 => Self::Line,
            kind @ 175.. => Self::Until((0..kind % 4).map(|_| few(bytes, 3)).collect()),
        }
    }

    /// Such a read, not polled yet.
    pub fn begin(self, reader: &StreamReader) -> Waiter<'static, Read> {
        let reader = reader.clone();
        Waiter::idle(async move {
            let read = match self {
                Want::Some(count) => reader.read(count).await,
                Want::All => reader.read_to_end().await,
                Want::Exactly(count) => reader.read_exactly(count).await,
                Want::Line => reader.readline().await,
                Want::Until(separators) => reader.read_until(&separators).await,
            };
            read.map_err(plain)
        })
    }

    /// Whether it is refused whatever the stream is like.
    pub fn has_no_separator(&self) -> bool {
        match self {
            Self::Until(separators) => {
                separators.is_empty() || separators.iter().any(Vec::is_empty)
            }
            _ => false,
        }
    }
}

/// Mostly few different bytes, so that separators come.
fn few(bytes: &mut Bytes, most: usize) -> Vec<u8> {
    let len = bytes.size() % (most + 1);
    let letter = |byte: &u8| match byte {
        0..240 => b"ab\r\n"[usize::from(byte % 4)],
        other => *other,
    };
    bytes.take(len).iter().map(letter).collect()
}

/// A piece, seldom a large one, and never an empty one.
pub fn text(bytes: &mut Bytes) -> Vec<u8> {
    let mut text = few(bytes, 40);
    if text.len() == 13 {
        text.resize(bytes.word() as usize % 70_000, b'b');
    }
    if text.is_empty() {
        text.push(b'a');
    }
    text
}

pub fn plain(error: ReadError) -> String {
    match error {
        ReadError::Broken(_) => "broken".to_owned(),
        other => format!("{other:?}"),
    }
}
