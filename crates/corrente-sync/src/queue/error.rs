//! Why a queue did not do what it was asked for. Whoever wanted to put gets the item back.

use std::error::Error;
use std::fmt;

/// The queue was shut down. After a failed `put` it holds the item.
#[doc(alias = "asyncio.QueueShutDown")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(
    /// What could not be put.
    pub T,
);

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was shut down")
    }
}

impl<T> Error for QueueShutDown<T> {}

/// Why `get_nowait` has no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetNowaitError {
    /// There is none now.
    #[doc(alias = "asyncio.QueueEmpty")]
    QueueEmpty,
    /// There is none, and the queue was shut down.
    QueueShutDown,
}

impl fmt::Display for GetNowaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueEmpty => "the queue is empty",
            Self::QueueShutDown => "the queue was shut down",
        })
    }
}

impl Error for GetNowaitError {}

/// Why `put_nowait` did not put the item. It is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutNowaitError<T> {
    /// There is no room now.
    #[doc(alias = "asyncio.QueueFull")]
    QueueFull(T),
    /// The queue was shut down.
    QueueShutDown(T),
}

impl<T> PutNowaitError<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        match self {
            Self::QueueFull(item) | Self::QueueShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull(_) => "QueueFull",
            Self::QueueShutDown(_) => "QueueShutDown",
        })
    }
}

impl<T> fmt::Display for PutNowaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull(_) => "the queue is full",
            Self::QueueShutDown(_) => "the queue was shut down",
        })
    }
}

impl<T> Error for PutNowaitError<T> {}

/// `task_done` was called more often than items were put.
///
/// asyncio raises `ValueError`.
#[doc(alias = "ValueError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyDone;

impl fmt::Display for TooManyDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done() was called more often than items were put")
    }
}

impl Error for TooManyDone {}
