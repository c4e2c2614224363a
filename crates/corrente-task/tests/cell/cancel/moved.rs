//! Futures that leave the task that polled them first.

use crate::common::{World, check, how, log, me, nap, now, spawn};
use corrente_task::{CatchCancel, catch_cancel, uncancellable};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

type Inner = Pin<Box<dyn Future<Output = ()> + Send>>;
type Scope = Pin<Box<CatchCancel<Inner>>>;

fn scope(inner: impl Future<Output = ()> + Send + 'static) -> Scope {
    let inner: Inner = Box::pin(inner);
    Box::pin(catch_cancel(inner))
}

/// Polls `scope` once in this task and leaves it registered here.
async fn poll_first(scope: &mut Scope) {
    poll_fn(|cx| {
        assert!(scope.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_scope_moved_to_another_task_is_cancelled_there() {
    check(
        async {
            let mut scope = scope(nap(100));
            poll_first(&mut scope).await;
            let task = spawn(async move {
                let caught = scope.await;
                log(format!("{} {caught:?} cancelling={}", now(), me().cancelling()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            nap(200).await;
            log("the task that polled it first is undisturbed");
        },
        &["10 Err(Cancelled) cancelling=1", "the task that polled it first is undisturbed"],
    );
}

#[test]
fn a_request_that_met_a_scope_on_the_move_comes_back() {
    check(
        async {
            let passed = Arc::new(Mutex::new(None));
            let theirs = passed.clone();
            let first = spawn(async move {
                let mut scope = scope(nap(100));
                poll_first(&mut scope).await;
                *theirs.lock().unwrap() = Some(scope);
                nap(1000).await;
                log("never");
            });
            nap(10).await;
            // The scope is a leaf of the first task still, which cannot know where it went.
            first.cancel();
            nap(10).await;
            log(how(&first));
            let scope = passed.lock().unwrap().take().unwrap();
            let second = spawn(async move {
                scope.await.unwrap();
                log(format!("{} undisturbed", now()));
            });
            first.finished().await;
            log(format!("{} first {}", now(), how(&first)));
            second.finished().await;
        },
        &["pending", "20 first cancelled", "100 undisturbed"],
    );
}

#[test]
fn a_scope_dropped_by_another_task_gives_its_request_back() {
    check(
        async {
            let passed = Arc::new(Mutex::new(None));
            let theirs = passed.clone();
            let first = spawn(async move {
                let mut scope = scope(nap(100));
                poll_first(&mut scope).await;
                *theirs.lock().unwrap() = Some(scope);
                nap(1000).await;
            });
            nap(10).await;
            first.cancel();
            nap(10).await;
            log(how(&first));
            drop(passed.lock().unwrap().take());
            first.finished().await;
            log(format!("{} {}", now(), how(&first)));
        },
        &["pending", "20 cancelled"],
    );
}

#[test]
fn a_scope_dropped_on_a_plain_thread_gives_its_request_back() {
    check(
        async {
            let passed = Arc::new(Mutex::new(None));
            let theirs = passed.clone();
            let first = World::here().spawn_send(async move {
                let mut scope = scope(std::future::pending());
                poll_first(&mut scope).await;
                *theirs.lock().unwrap() = Some(scope);
                std::future::pending::<()>().await;
            });
            nap(10).await;
            first.cancel();
            nap(10).await;
            let scope = passed.lock().unwrap().take();
            std::thread::spawn(move || drop(scope)).join().unwrap();
            first.finished().await;
            log(format!("{} {}", now(), how(&first)));
        },
        &["20 cancelled"],
    );
}

#[test]
fn a_scope_polled_on_a_plain_thread_belongs_to_nobody() {
    check(
        async {
            let passed = Arc::new(Mutex::new(None));
            let theirs = passed.clone();
            let first = World::here().spawn_send(async move {
                let mut scope = scope(std::future::pending());
                poll_first(&mut scope).await;
                *theirs.lock().unwrap() = Some(scope);
                std::future::pending::<()>().await;
            });
            nap(10).await;
            let mut scope: Scope = passed.lock().unwrap().take().unwrap();
            let scope = std::thread::spawn(move || {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(scope.as_mut().poll(&mut cx).is_pending());
                scope
            });
            let scope = scope.join().unwrap();
            first.cancel();
            first.finished().await;
            log(format!("{} {}", now(), how(&first)));
            drop(scope);
        },
        &["10 cancelled"],
    );
}

#[test]
fn a_handle_moved_to_another_task_passes_the_request_on_from_there() {
    check(
        async {
            let mut inner = spawn(nap(100));
            let passed = Arc::new(Mutex::new(None));
            let theirs = passed.clone();
            let first = spawn(async move {
                poll_fn(|cx| {
                    assert!(inner.poll_outcome(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                *theirs.lock().unwrap() = Some(inner);
                nap(50).await;
                log(format!("{} first", now()));
            });
            nap(10).await;
            let inner = passed.lock().unwrap().take().unwrap();
            let second = spawn(inner.outcome());
            nap(10).await;
            second.cancel();
            log(format!("{:?}", second.await));
            log(format!("{} second", now()));
            first.await;
        },
        &["Err(Cancelled(Cancelled))", "20 second", "50 first"],
    );
}

#[test]
fn a_scope_that_comes_out_of_its_task_as_the_output_is_harmless() {
    check(
        async {
            let polled = || async {
                let mut scope = scope(nap(100));
                poll_first(&mut scope).await;
                Some(scope)
            };
            let came_out = spawn(polled()).await.unwrap();
            log(format!("{:?}", came_out.await));
            // And one that nobody ever looks at.
            let task = spawn(polled());
            task.finished().await;
            drop(task);
            log(format!("{}", now()));
        },
        &["Ok(())", "100"],
    );
}

#[test]
fn whoever_swallows_a_request_may_await_the_same_future_again() {
    check(
        async {
            let task = spawn(async {
                let mut body = Box::pin(async {
                    uncancellable(nap(20)).await;
                    let caught = catch_cancel(nap(80)).await;
                    log(format!("{} inside: {caught:?}", now()));
                    nap(50).await;
                    7
                });
                let caught = catch_cancel(&mut body).await;
                log(format!("{} {caught:?}", now()));
                let output = body.await;
                log(format!("{} {output}", now()));
            });
            nap(10).await;
            task.cancel();
            nap(40).await;
            task.cancel();
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        // The first request is put off by the mask and taken by the inner scope at once, the second one
        // by the outer scope, the third one ends the task.
        &["20 inside: Err(Cancelled)", "50 Err(Cancelled)", "cancelled"],
    );
}

#[test]
fn a_pinned_future_keeps_its_scopes_when_the_scope_around_it_goes() {
    check(
        async {
            let task = spawn(async {
                let mut body = Box::pin(async {
                    let caught = catch_cancel(async {
                        nap(100).await;
                    });
                    let caught = caught.await;
                    log(format!("{} inside: {caught:?}", now()));
                });
                {
                    // Polled once below a scope that is dropped while `body` lives on.
                    let mut around = Box::pin(catch_cancel(&mut body));
                    poll_fn(|cx| {
                        assert!(around.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                }
                body.await;
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["10 inside: Err(Cancelled)", "result"],
    );
}
