//! Several scopes side by side in one task, in joins and selects that know nothing of them.

use crate::common::foreign::{branch, join_all, poll_once, select};
use crate::common::timeout::timeout;
use crate::common::{check, how, log, me, nap, now, spawn};
use corrente_task::{Cancelled, catch_cancel, uncancellable, with_cleanup};

#[test]
fn every_scope_in_a_join_with_private_wakers_gets_the_request() {
    check(
        async {
            let scoped = |name: &'static str| {
                branch(async move {
                    if catch_cancel(nap(1000)).await.is_err() {
                        nap(5).await;
                        log(format!("{} {name} cleaned", now()));
                    }
                })
            };
            let task = spawn(join_all([scoped("a"), scoped("b")]));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["15 a cleaned", "15 b cleaned", "result"],
    );
}

#[test]
fn a_bare_branch_beside_a_scope_is_not_interrupted() {
    check(
        async {
            let scoped = branch(async {
                let _ = catch_cancel(nap(1000)).await;
            });
            let bare = branch(async {
                nap(300).await;
                log(format!("{} the bare branch ran on", now()));
            });
            let task = spawn(join_all([scoped, bare]));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["300 the bare branch ran on", "result"],
    );
}

#[test]
fn a_request_dropped_with_its_branch_strikes_at_the_next_wait() {
    check(
        async {
            let task = spawn(async {
                let loser = branch(async {
                    let _ = catch_cancel(nap(1000)).await;
                });
                let winner = select([branch(nap(10)), loser]).await;
                log(format!("branch {winner}"));
                nap(1000).await;
                log("never");
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["branch 0", "10 cancelled"],
    );
}

#[test]
fn a_request_that_one_branch_took_is_not_put_back_by_the_other() {
    check(
        async {
            let task = spawn(async {
                let scoped = || {
                    branch(async {
                        let _ = catch_cancel(nap(1000)).await;
                    })
                };
                let winner = select([scoped(), scoped()]).await;
                log(format!("branch {winner}"));
                nap(20).await;
                log(format!("{} undisturbed", now()));
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["branch 0", "30 undisturbed", "result"],
    );
}

#[test]
fn a_clean_up_in_a_branch_that_a_select_drops_does_not_run() {
    check(
        async {
            let task = spawn(async {
                let loser = branch(with_cleanup(nap(1000), async { log("clean-up") }));
                select([branch(nap(10)), loser]).await;
            });
            task.finished().await;
            log(how(&task));
        },
        &["result"],
    );
}

#[test]
fn a_request_to_the_task_outlives_a_deadline_that_met_it_and_was_dropped() {
    check(
        async {
            // Two requests, for different scopes, reach one leaf in one poll. The select drops both;
            // the deadline's is void then, the task's own is not.
            let task = spawn(async {
                let limited = branch(async {
                    let _ = timeout(10, catch_cancel(uncancellable(nap(1000)))).await;
                });
                let winner = select([limited, branch(nap(10))]).await;
                log(format!("branch {winner}, cancelling={}", me().cancelling()));
                nap(1000).await;
                log("never");
            });
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["branch 1, cancelling=2", "10 cancelled"],
    );
}

#[test]
fn an_own_request_that_was_put_back_still_costs_the_output() {
    check(
        async {
            let task = spawn(async {
                me().cancel();
                let loser = branch(async {
                    let _ = catch_cancel(nap(1000)).await;
                });
                let winner = select([branch(nap(0)), loser]).await;
                log(format!("branch {winner}"));
            });
            task.finished().await;
            log(how(&task));
        },
        &["branch 0", "cancelled"],
    );
}

#[test]
fn an_unwinding_dropped_by_a_select_is_off() {
    check(
        async {
            let caught = catch_cancel(async {
                let leave = branch(async {
                    Cancelled::new(None).resume().await;
                });
                let winner = select([leave, branch(nap(0))]).await;
                log(format!("branch {winner}"));
                nap(10).await;
                log(format!("{} went on", now()));
            });
            log(format!("{:?}", caught.await));
        },
        &["branch 1", "10 went on", "Ok(())"],
    );
}

#[test]
fn a_cancelled_task_dropped_by_a_select_does_not_unwind() {
    check(
        async {
            let gone = spawn(nap(100));
            gone.cancel();
            gone.finished().await;
            let task = spawn(async move {
                let winner = select([branch(gone), branch(nap(0))]).await;
                log(format!("branch {winner}"));
                nap(10).await;
                log(format!("{} went on", now()));
            });
            task.finished().await;
            log(how(&task));
        },
        &["branch 1", "10 went on", "result"],
    );
}

#[test]
fn a_scope_that_passes_an_unwinding_on_and_is_dropped_does_not_unwind() {
    check(
        async {
            let task = spawn(async {
                let leave = uncancellable(Box::pin(async {
                    Cancelled::new(None).resume().await;
                }));
                log(format!("{:?}", poll_once(leave).await));
                nap(10).await;
                log(format!("{} went on", now()));
            });
            task.finished().await;
            log(how(&task));
        },
        &["None", "10 went on", "result"],
    );
}

#[test]
fn a_cancelled_task_in_a_join_with_private_wakers_unwinds_the_awaiter() {
    check(
        async {
            let inner = spawn(nap(100));
            let cancel = inner.as_ref().clone();
            let outer = spawn(async move {
                let caught = catch_cancel(join_all([branch(inner), branch(nap(1000))])).await;
                log(format!("{} {caught:?} cancelling={}", now(), me().cancelling()));
            });
            nap(10).await;
            cancel.cancel();
            outer.finished().await;
            log(how(&outer));
        },
        &["10 Err(Cancelled) cancelling=0", "result"],
    );
}

#[test]
fn a_cancelled_task_in_a_bare_join_with_private_wakers_cancels_the_awaiter() {
    check(
        async {
            let inner = spawn(nap(100));
            let cancel = inner.as_ref().clone();
            let outer = spawn(join_all([branch(inner), branch(nap(1000))]));
            nap(10).await;
            cancel.cancel();
            outer.finished().await;
            log(format!("{} {}", now(), how(&outer)));
        },
        &["10 cancelled"],
    );
}

#[test]
fn a_select_inside_a_join_reaches_scopes_on_both_levels() {
    check(
        async {
            let scoped = |name: &'static str| {
                branch(async move {
                    let _ = catch_cancel(nap(1000)).await;
                    log(format!("{} {name}", now()));
                })
            };
            let inner = branch(async move {
                let winner = select([branch(nap(500)), scoped("in the select")]).await;
                log(format!("branch {winner}"));
            });
            let task = spawn(join_all([inner, scoped("in the join")]));
            nap(10).await;
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["10 in the select", "branch 1", "10 in the join", "result"],
    );
}
