//! Timeouts that are polled from more than one place: whoever polls last is woken at the end of the time.

use corrente::{TimeoutError, create_task, timeout, yield_now};
use std::future::{Future, Pending, pending, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

type Limited = Pin<Box<corrente::Timeout<Pending<()>>>>;

async fn poll_once(limited: &mut Limited) {
    poll_fn(|cx| {
        assert!(limited.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// The error of `limited`, which must come, and by itself.
async fn expires(limited: Limited) {
    let error = timeout(LONG, limited).await.expect("nobody was woken");
    assert_eq!(error, Err::<(), TimeoutError>(error.unwrap_err()));
}

#[corrente::test]
async fn it_ends_in_the_task_that_has_it_now() {
    let first = create_task(async {
        let mut limited: Limited = Box::pin(timeout(SHORT, pending()));
        poll_once(&mut limited).await;
        yield_now().await;
        poll_once(&mut limited).await;
        [limited]
    });
    let [mut limited] = first.await;
    poll_once(&mut limited).await;
    expires(limited).await;
}

#[corrente::test]
async fn it_ends_although_it_was_polled_with_another_waker_before() {
    let mut limited: Limited = Box::pin(timeout(SHORT, pending()));
    for _ in 0..2 {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(limited.as_mut().poll(&mut cx).is_pending());
    }
    expires(limited).await;

    let mut limited: Limited = Box::pin(timeout(SHORT, pending()));
    poll_once(&mut limited).await;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(limited.as_mut().poll(&mut cx).is_pending());
    poll_once(&mut limited).await;
    expires(limited).await;
}

#[corrente::test]
async fn it_adds_nine_words_to_its_future() {
    let plain = size_of::<std::future::Ready<u64>>();
    assert_eq!(size_of_val(&timeout(LONG, ready(7_u64))) - plain, 72);
}
