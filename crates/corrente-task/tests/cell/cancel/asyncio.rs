//! Single tasks, tasks that wait for tasks, and deadlines, line by line as asyncio has them.

use crate::common::timeout::{Elapsed, timeout};
use crate::common::{check, how, log, me, nap, now, spawn};
use corrente_task::{Cancelled, catch_cancel, with_cleanup};
use std::future::Future;
use std::pin::Pin;

#[test]
fn a_clean_up_may_await() {
    check(
        async {
            let clean_up = async {
                log(format!("{} cleaning", now()));
                nap(20).await;
                log(format!("{} cleaned", now()));
            };
            let task = spawn(with_cleanup(nap(100), clean_up));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["10 cleaning", "30 cleaned", "30 cancelled"],
    );
}

#[test]
fn a_request_strikes_once() {
    check(
        async {
            let task = spawn(async {
                let _ = catch_cancel(nap(100)).await;
                nap(30).await;
                let requests = me().cancelling();
                log(format!("{} the second nap was undisturbed, cancelling={requests}", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
        },
        &["40 the second nap was undisturbed, cancelling=1"],
    );
}

/// Waits for the next link; the last one sleeps.
fn link(number: u32) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let body = async move {
            match number {
                0 => nap(1000).await,
                _ => spawn(link(number - 1)).await,
            }
        };
        let clean_up = async move {
            log(format!("{} link {number}, cancelling={}", now(), me().cancelling()));
            nap(1).await;
        };
        with_cleanup(body, clean_up).await;
    })
}

#[test]
fn a_request_goes_down_a_chain_of_tasks_and_its_news_come_up() {
    check(
        async {
            let task = spawn(link(3));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &[
            "10 link 0, cancelling=1",
            "11 link 1, cancelling=1",
            "12 link 2, cancelling=1",
            "13 link 3, cancelling=1",
            "14 cancelled",
        ],
    );
}

/// A clean-up around a clean-up, `number` deep.
fn layer(number: u32) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let body = async move {
            match number {
                0 => nap(1000).await,
                _ => layer(number - 1).await,
            }
        };
        let clean_up = async move {
            log(format!("{} layer {number} closes", now()));
            nap(20).await;
            log(format!("{} layer {number} closed", now()));
        };
        with_cleanup(body, clean_up).await;
    })
}

#[test]
fn a_second_request_cuts_one_clean_up_short() {
    check(
        async {
            let task = spawn(layer(2));
            nap(10).await;
            task.cancel();
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {} cancelling={}", now(), how(&task), task.cancelling()));
        },
        &[
            "10 layer 0 closes",
            "20 layer 1 closes",
            "40 layer 1 closed",
            "40 layer 2 closes",
            "60 layer 2 closed",
            "60 cancelled cancelling=2",
        ],
    );
}

#[test]
fn who_awaits_a_task_that_swallows_the_request_gets_its_output() {
    check(
        async {
            let inner = spawn(async {
                match catch_cancel(nap(100)).await {
                    Err(_) => "swallowed",
                    Ok(()) => "slept",
                }
            });
            let outer = spawn(async move {
                let output = inner.await;
                log(format!("outer got {output}, cancelling={}", me().cancelling()));
            });
            nap(10).await;
            outer.cancel();
            outer.finished().await;
            log(format!("outer {}", how(&outer)));
        },
        &["outer got swallowed, cancelling=1", "outer result"],
    );
}

#[test]
fn a_task_cancelled_before_its_first_step_never_runs() {
    check(
        async {
            let task = spawn(async { log("the body ran") });
            task.cancel();
            nap(1).await;
            log(how(&task));
        },
        &["cancelled"],
    );
}

#[test]
fn who_cancels_himself_and_returns_is_cancelled() {
    check(
        async {
            let task = spawn(async {
                me().cancel();
                1
            });
            task.finished().await;
            log(how(&task));
        },
        &["cancelled"],
    );
}

#[test]
fn uncancel_withdraws_what_was_not_delivered() {
    check(
        async {
            let task = spawn(async {
                me().cancel();
                log(format!("uncancel gives {}", me().uncancel()));
                nap(5).await;
                log(format!("{} not interrupted", now()));
            });
            task.finished().await;
            log(how(&task));
        },
        &["uncancel gives 0", "5 not interrupted", "result"],
    );
}

#[test]
fn the_outer_of_two_deadlines_comes_first() {
    check(
        async {
            let body = async {
                if let Err(cancelled) = catch_cancel(timeout(50, nap(100))).await {
                    log(format!("{} the inner one was cancelled", now()));
                    cancelled.resume().await;
                }
            };
            if timeout(10, body).await == Err(Elapsed) {
                log(format!("{} the outer one elapsed", now()));
            }
        },
        &["10 the inner one was cancelled", "10 the outer one elapsed"],
    );
}

#[test]
fn a_cancel_during_the_clean_up_of_a_deadline_wins() {
    check(
        async {
            let task = spawn(async {
                let limited = timeout(10, with_cleanup(nap(1000), nap(50)));
                if let Err(cancelled) = catch_cancel(limited).await {
                    log(format!("{} cancelled, cancelling={}", now(), me().cancelling()));
                    cancelled.resume().await;
                }
            });
            nap(30).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["30 cancelled, cancelling=1", "cancelled"],
    );
}

#[test]
fn a_deadline_lets_the_clean_up_run_whole() {
    check(
        async {
            let clean_up = async {
                nap(50).await;
                log(format!("{} cleaned", now()));
            };
            let result = timeout(10, with_cleanup(nap(1000), clean_up)).await;
            log(format!("{} {result:?} cancelling={}", now(), me().cancelling()));
        },
        &["60 cleaned", "60 Err(Elapsed) cancelling=0"],
    );
}

#[test]
fn of_three_equal_deadlines_the_outermost_tells() {
    check(
        async {
            let body = async {
                if timeout(10, timeout(10, nap(1000))).await.is_err() {
                    log("an inner one elapsed");
                }
            };
            let result = timeout(10, body).await;
            log(format!("{} {result:?} cancelling={}", now(), me().cancelling()));
        },
        &["10 Err(Elapsed) cancelling=0"],
    );
}

#[test]
fn a_deadline_inside_a_clean_up_leaves_the_cancel_alone() {
    check(
        async {
            let task = spawn(async {
                if let Err(cancelled) = catch_cancel(nap(1000)).await {
                    if timeout(20, nap(1000)).await.is_err() {
                        log(format!("{} elapsed, cancelling={}", now(), me().cancelling()));
                    }
                    cancelled.resume().await;
                }
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {} cancelling={}", now(), how(&task), task.cancelling()));
        },
        &["30 elapsed, cancelling=1", "30 cancelled cancelling=1"],
    );
}

#[test]
fn a_deadline_after_a_cancel_is_a_second_request() {
    check(
        async {
            let task = spawn(timeout(20, async {
                if catch_cancel(nap(1000)).await.is_err() {
                    log(format!("{} first", now()));
                    if let Err(second) = catch_cancel(nap(1000)).await {
                        log(format!("{} second, cancelling={}", now(), me().cancelling()));
                        second.resume().await;
                    }
                }
            }));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} cancelling={}", how(&task), task.cancelling()));
        },
        &["10 first", "20 second, cancelling=2", "cancelled cancelling=1"],
    );
}

#[test]
fn a_request_wins_over_an_event_that_woke_the_task_but_has_not_resumed_it() {
    check(
        async {
            let task = spawn(async {
                if let Err(cancelled) = catch_cancel(nap(10)).await {
                    log("cancelled although the nap was over");
                    cancelled.resume().await;
                }
            });
            nap(10).await; // This timer is the older one: we wake first.
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["cancelled although the nap was over", "cancelled"],
    );
}

#[test]
fn who_awaits_a_task_that_others_cancel_unwinds() {
    check(
        async {
            let inner = spawn(nap(100));
            let cancel = inner.as_ref().clone();
            let outer = spawn(async move {
                if let Err(cancelled) = catch_cancel(inner).await {
                    log(format!("outer unwinds, cancelling={}", me().cancelling()));
                    cancelled.resume().await;
                }
            });
            nap(10).await;
            cancel.cancel();
            outer.finished().await;
            log(format!("outer {}", how(&outer)));
        },
        &["outer unwinds, cancelling=0", "outer cancelled"],
    );
}

#[test]
fn the_outcome_shows_a_cancel_as_a_value() {
    check(
        async {
            let inner = spawn(nap(100));
            let cancel = inner.as_ref().clone();
            let outer = spawn(async move { inner.outcome().await });
            nap(10).await;
            cancel.cancel_with("no more time");
            log(format!("{:?}", outer.await));
        },
        &[r#"Err(Cancelled(Cancelled("no more time")))"#],
    );
}

#[test]
fn the_newest_reason_counts() {
    check(
        async {
            let task = spawn(async {
                match catch_cancel(nap(100)).await {
                    Err(cancelled) => log(format!("{cancelled}, {}", me().cancelling())),
                    Ok(()) => log("slept"),
                }
            });
            nap(10).await;
            task.cancel_with("first");
            task.cancel_as(Cancelled::new(Some("second")));
            task.finished().await;
        },
        &["cancelled: second, 2"],
    );
}
