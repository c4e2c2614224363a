//! Joins and selects as other crates have them: they know nothing of tasks and scopes.

use super::lock;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

pub type Branch = Pin<Box<dyn Future<Output = ()>>>;

/// A branch in a box.
pub fn branch(future: impl Future<Output = ()> + 'static) -> Branch {
    Box::pin(future)
}

/// Waits for all branches; polls only those whose own waker was used, as `FuturesUnordered` does.
pub struct JoinAll(Vec<(Option<Branch>, Arc<Flag>)>);

struct Flag(Mutex<(bool, Option<Waker>)>);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        let waker = {
            let mut inner = lock(&self.0);
            inner.0 = true;
            inner.1.clone()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

pub fn join_all(branches: impl IntoIterator<Item = Branch>) -> JoinAll {
    let flag = || Arc::new(Flag(Mutex::new((true, None))));
    JoinAll(branches.into_iter().map(|branch| (Some(branch), flag())).collect())
}

impl Future for JoinAll {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut left = 0;
        for (branch, flag) in &mut self.0 {
            let Some(future) = branch else { continue };
            left += 1;
            let woken = {
                let mut inner = lock(&flag.0);
                inner.1 = Some(cx.waker().clone());
                std::mem::take(&mut inner.0)
            };
            let waker = Waker::from(flag.clone());
            if woken && future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                *branch = None;
                left -= 1;
            }
        }
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Polls its branches in order until one is ready, and drops the others in the same poll. The output is
/// the number of the winner.
pub struct Select(Vec<Branch>);

pub fn select(branches: impl IntoIterator<Item = Branch>) -> Select {
    Select(branches.into_iter().collect())
}

impl Future for Select {
    type Output = usize;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let ready = |branch: &mut Branch| branch.as_mut().poll(cx).is_ready();
        match self.0.iter_mut().position(ready) {
            Some(winner) => {
                self.0.clear();
                Poll::Ready(winner)
            }
            None => Poll::Pending,
        }
    }
}

/// Yields once.
pub fn yield_once() -> impl Future<Output = ()> {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Polls `future` once, under the caller's own waker.
pub async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
