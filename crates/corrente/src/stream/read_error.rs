//! Why a read gives no bytes, and what that is as an error of `std::io`.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

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
    /// The connection is broken, or the error was set by [`StreamReader::set_exception`](crate::StreamReader::set_exception).
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
