//! The lines of a stream, one after another.

use super::read_error::ReadError;
use super::reader::StreamReader;
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

type ReadLine = Pin<Box<dyn Future<Output = Result<Vec<u8>, ReadError>> + Send>>;

/// The lines of a stream: see [`StreamReader::lines`].
pub struct Lines {
    reader: StreamReader,
    read: Option<ReadLine>,
}

impl Lines {
    pub(super) fn new(reader: StreamReader) -> Self {
        Self { reader, read: None }
    }

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
