//! A source that gives its pieces as they are asked for, and keeps account of what it gave.

use corrente::io::AsyncRead;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What a source has; no bytes are the end, and nothing is an error.
pub type Piece = Option<Vec<u8>>;

/// A source of pieces.
#[derive(Default)]
pub struct Pipe {
    pub pieces: VecDeque<Piece>,
    /// What was asked for and given, and the model has not seen yet.
    pub given: VecDeque<Piece>,
    pub waker: Option<Waker>,
}

pub struct Source(pub Arc<Mutex<Pipe>>);

impl AsyncRead for Source {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.lock().unwrap();
        let Some(piece) = pipe.pieces.pop_front() else {
            pipe.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let Some(mut bytes) = piece else {
            pipe.given.push_back(None);
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let rest = bytes.split_off(bytes.len().min(room.len()));
        if !rest.is_empty() {
            pipe.pieces.push_front(Some(rest));
        }
        room[..bytes.len()].copy_from_slice(&bytes);
        let len = bytes.len();
        pipe.given.push_back(Some(bytes));
        Poll::Ready(Ok(len))
    }
}
