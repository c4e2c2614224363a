//! A timeout as it is built on this crate: a scope that interrupts itself, and gives the request back.

use super::{World, me};
use corrente_task::{CatchCancel, Resume, cancelling_here, catch_cancel};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

pub struct Timeout<F> {
    scope: Pin<Box<CatchCancel<F>>>,
    after: u64,
    /// When it expires, and how many requests the task had when it began.
    began: Option<(u64, u32)>,
    expired: bool,
    leaving: Option<Resume>,
}

/// Runs `future` for at most `after` milliseconds of the world's clock; then it is interrupted and may
/// clean up.
pub fn timeout<F: Future>(after: u64, future: F) -> Timeout<F> {
    let scope = Box::pin(catch_cancel(future));
    Timeout { scope, after, began: None, expired: false, leaving: None }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(leaving) = &mut this.leaving {
            match ready!(Pin::new(leaving).poll(cx)) {}
        }
        let world = World::here();
        let (until, requests) = *this.began.get_or_insert_with(|| {
            let until = world.now() + this.after;
            world.wake_at(until, cx.waker().clone());
            (until, cancelling_here())
        });
        if world.now() >= until && !this.expired {
            this.expired = this.scope.as_mut().interrupt(Some("deadline"));
        }
        let result = ready!(this.scope.as_mut().poll(cx));
        if this.expired {
            me().uncancel();
        }
        let ours = this.expired && cancelling_here() <= requests;
        match result {
            Ok(output) => Poll::Ready(Ok(output)),
            Err(_) if ours => Poll::Ready(Err(Elapsed)),
            Err(cancelled) => {
                match ready!(Pin::new(this.leaving.insert(cancelled.resume())).poll(cx)) {}
            }
        }
    }
}

impl<F> Unpin for Timeout<F> {}
