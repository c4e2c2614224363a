//! What the scopes other than `catch_cancel` do with a request.

use crate::common::foreign::{branch, join_all, yield_once};
use crate::common::timeout::timeout;
use crate::common::{check, how, log, me, nap, now, spawn};
use corrente_task::{
    Cancelled, Failed, TaskError, catch_cancel, exit_with, forward_cancel, on_cancel,
    uncancellable, with_cleanup,
};
use std::sync::{Arc, Mutex};

#[test]
fn uncancellable_puts_a_request_off_to_the_next_wait() {
    check(
        async {
            let task = spawn(async {
                uncancellable(async {
                    nap(50).await;
                    log(format!("{} done, cancelling={}", now(), me().cancelling()));
                })
                .await;
                log("no wait yet");
                nap(50).await;
                log("never");
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["50 done, cancelling=1", "no wait yet", "50 cancelled"],
    );
}

#[test]
fn scopes_inside_uncancellable_see_no_request_but_their_own_deadline() {
    check(
        async {
            let task = spawn(uncancellable(async {
                let body = timeout(30, with_cleanup(nap(100), async { log("cleaned") }));
                log(format!("{:?}", catch_cancel(body).await));
                log(format!("{} cancelling={}", now(), me().cancelling()));
            }));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["cleaned", "Ok(Err(Elapsed))", "30 cancelling=1", "result"],
    );
}

#[test]
fn a_request_stops_at_the_outermost_mask() {
    check(
        async {
            let task = spawn(async {
                let caught = catch_cancel(async {
                    uncancellable(async {
                        uncancellable(nap(20)).await;
                        nap(20).await;
                    })
                    .await;
                    log(format!("{} both masks are done", now()));
                    nap(20).await;
                });
                let caught = caught.await;
                log(format!("{} {caught:?}", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
        },
        &["40 both masks are done", "40 Err(Cancelled)"],
    );
}

#[test]
fn uncancel_withdraws_what_a_mask_remembers() {
    check(
        async {
            let task = spawn(async {
                uncancellable(async {
                    nap(20).await;
                    log(format!("uncancel gives {}", me().uncancel()));
                })
                .await;
                nap(20).await;
                log(format!("{} undisturbed", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["uncancel gives 0", "40 undisturbed", "result"],
    );
}

#[test]
fn an_unwinding_goes_through_uncancellable() {
    check(
        async {
            let task = spawn(async {
                let inner = uncancellable(async {
                    Cancelled::new(Some("from inside")).resume().await;
                });
                log(format!("{:?}", catch_cancel(inner).await));
            });
            task.finished().await;
        },
        &[r#"Err(Cancelled("from inside"))"#],
    );
}

#[test]
fn on_cancel_is_told_of_each_request_and_goes_on() {
    check(
        async {
            let task = spawn(async {
                let mut requests = 0;
                on_cancel(nap(50), |_, cancelled| {
                    requests += 1;
                    log(format!("{} {cancelled}", now()));
                })
                .await;
                log(format!("{} done after {requests}", now()));
                nap(10).await;
                log("they count as delivered");
            });
            nap(10).await;
            task.cancel_with("one");
            nap(10).await;
            task.cancel_with("two");
            task.finished().await;
            log(how(&task));
        },
        &[
            "10 cancelled: one",
            "20 cancelled: two",
            "50 done after 2",
            "they count as delivered",
            "result",
        ],
    );
}

#[test]
fn on_cancel_gives_its_handler_the_future() {
    check(
        async {
            let children = Arc::new(Mutex::new(Some(spawn(nap(100)))));
            let theirs = children.clone();
            let waiting = Box::pin(async move {
                let child = theirs.lock().unwrap().take().unwrap();
                log(format!("{:?}", child.finished().await));
                how(&child)
            });
            let cancel = children.lock().unwrap().as_ref().unwrap().as_ref().clone();
            let task = spawn(async move {
                let state = on_cancel(waiting, |_, again| {
                    cancel.cancel_as(again);
                });
                let state = state.await;
                log(format!("{} {state}", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
        },
        &["()", "10 cancelled"],
    );
}

#[test]
fn forward_cancel_asks_all_targets_and_waits() {
    check(
        async {
            let child = |ms: u64| {
                spawn(async move {
                    if catch_cancel(nap(1000)).await.is_err() {
                        nap(ms).await;
                        log(format!("{} child cleaned, cancelling={}", now(), me().cancelling()));
                    }
                })
            };
            let (a, b) = (child(5), child(15));
            let targets = Arc::from([a.as_ref().clone(), b.as_ref().clone()]);
            let task = spawn(async move {
                forward_cancel(targets, async move {
                    a.finished().await;
                    b.finished().await;
                })
                .await;
                log(format!("{} all are done, cancelling={}", now(), me().cancelling()));
                nap(10).await;
                log("the request was theirs");
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &[
            "15 child cleaned, cancelling=1",
            "25 child cleaned, cancelling=1",
            "25 all are done, cancelling=1",
            "the request was theirs",
            "result",
        ],
    );
}

#[test]
fn forward_cancel_unwinds_if_no_target_is_left() {
    check(
        async {
            let done = spawn(async {});
            done.finished().await;
            let targets = Arc::from([done.as_ref().clone()]);
            let task = spawn(async move {
                let waiting = forward_cancel(targets, nap(100));
                let caught = catch_cancel(waiting).await;
                log(format!("{} {caught:?}", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["10 Err(Cancelled)", "10 result"],
    );
}

#[test]
fn exit_with_passes_every_scope() {
    check(
        async {
            let mut task = spawn(async {
                let failing = async {
                    let error = TaskError::Failed(Failed::new("no such thing".to_owned()));
                    exit_with(error).await;
                };
                let caught = catch_cancel(uncancellable(on_cancel(failing, |_, _| ()))).await;
                log(format!("never: {caught:?}"));
            });
            task.finished().await;
            log(format!("{}", task.try_outcome().unwrap().unwrap_err()));
        },
        &["the task failed, and its group has the error: no such thing"],
    );
}

#[test]
fn an_interrupter_reaches_the_inside_of_its_scope_and_nothing_else() {
    check(
        async {
            let handle = Arc::new(Mutex::new(None));
            let theirs = handle.clone();
            let task = spawn(async move {
                let mut scope = Box::pin(catch_cancel(with_cleanup(nap(1000), nap(5))));
                assert!(scope.interrupter().is_none(), "not polled yet");
                let beside = branch(async {
                    let slept = catch_cancel(nap(50)).await;
                    log(format!("{} beside: {slept:?}", now()));
                });
                let inside = branch(async move {
                    let interrupted = std::future::poll_fn(|cx| {
                        let poll = scope.as_mut().poll(cx);
                        *theirs.lock().unwrap() = scope.interrupter();
                        poll
                    });
                    let interrupted = interrupted.await;
                    log(format!("{} inside: {interrupted:?}", now()));
                    log(format!("uncancel gives {}", me().uncancel()));
                });
                join_all([inside, beside]).await;
            });
            nap(10).await;
            let interrupter = handle.lock().unwrap().clone().unwrap();
            assert!(interrupter.interrupt(Some("enough")));
            nap(10).await;
            log(format!("cancelling={}", task.cancelling()));
            assert!(interrupter.interrupt(None), "void, but the task lives");
            log(format!("cancelling={}, to be taken back", task.cancelling()));
            interrupter.task().uncancel();
            task.finished().await;
            assert!(!interrupter.interrupt(None), "the task is over");
            log(format!("{} cancelling={}", how(&task), task.cancelling()));
        },
        &[
            r#"15 inside: Err(Cancelled("enough"))"#,
            "uncancel gives 0",
            "cancelling=0",
            "cancelling=1, to be taken back",
            "50 beside: Ok(())",
            "result cancelling=0",
        ],
    );
}

#[test]
fn whoever_prefers_a_token_waits_for_a_request() {
    check(
        async {
            let task = spawn(async {
                uncancellable(async {
                    let me = me();
                    me.cancel_requested().await;
                    log(format!("{} asked: {}", now(), me.is_cancel_requested()));
                })
                .await;
            });
            let other = task.as_ref().clone();
            let watcher = spawn(async move {
                other.cancel_requested().await;
                log(format!("{} the watcher knows", now()));
            });
            nap(10).await;
            task.cancel();
            watcher.finished().await;
            log(how(&task));
        },
        &["10 asked: true", "10 the watcher knows", "result"],
    );
}

#[test]
fn a_deadline_is_a_request_for_those_who_wait_for_one() {
    check(
        async {
            let task = spawn(async {
                let _ = timeout(10, with_cleanup(nap(100), nap(5))).await;
            });
            let other = task.as_ref().clone();
            let watcher = spawn(async move {
                other.cancel_requested().await;
                log(format!("{} the watcher knows", now()));
            });
            task.finished().await;
            log(format!("{} watcher: {}", now(), how(&watcher)));
        },
        &["10 the watcher knows", "15 watcher: result"],
    );
}

#[test]
fn a_task_that_yields_is_interrupted_at_the_yield() {
    check(
        async {
            let task = spawn(async {
                let caught = catch_cancel(async {
                    loop {
                        yield_once().await;
                    }
                });
                let caught: Result<(), _> = caught.await;
                log(format!("{} {caught:?}", now()));
            });
            yield_once().await;
            task.cancel();
            task.finished().await;
        },
        &["0 Err(Cancelled)"],
    );
}

/// The next scope may look just like the one that is over.
#[test]
fn an_interrupter_of_a_scope_that_is_over_leaves_the_next_one_alone() {
    check(
        async {
            let handle = Arc::new(Mutex::new(None));
            let theirs = handle.clone();
            let task = spawn(async move {
                let mut scope = Box::pin(catch_cancel(nap(10)));
                let first = std::future::poll_fn(|cx| {
                    let poll = scope.as_mut().poll(cx);
                    if let Some(interrupter) = scope.interrupter() {
                        *theirs.lock().unwrap() = Some(interrupter);
                    }
                    poll
                });
                log(format!("{:?}", first.await));
                log(format!("{} {:?}", now(), catch_cancel(nap(30)).await));
                log(format!("{} {:?}", now(), catch_cancel(nap(30)).await));
            });
            nap(20).await;
            let interrupter = handle.lock().unwrap().take().unwrap();
            assert!(interrupter.interrupt(None), "void, but the task lives");
            task.finished().await;
        },
        &["Ok(())", "10 Ok(())", "40 Ok(())"],
    );
}
