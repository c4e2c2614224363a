//! Cancels at the edges: after the end, under other executors, outside of every task.

use crate::common::foreign::{branch, select};
use crate::common::{World, check, how, log, me, nap, now, options, spawn};
use corrente_task::{Cancelled, Kind, Options, TaskError, catch_cancel, with_cleanup};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_cancel_after_the_end_is_refused_and_not_counted() {
    check(
        async {
            let task = spawn(async { 5 });
            task.finished().await;
            log(format!("{} {} {}", task.cancel(), task.cancelling(), task.abort()));
            log(format!("{}", task.await));
        },
        &["false 0 false", "5"],
    );
}

#[test]
fn uncancel_never_goes_below_none() {
    check(
        async {
            log(format!("{} {}", me().uncancel(), me().cancelling()));
            let task = spawn(nap(10));
            log(format!("{} {}", task.uncancel(), task.cancelling()));
        },
        &["0 0", "0 0"],
    );
}

#[test]
fn requests_before_the_first_step_are_one_cancel_with_the_newest_reason() {
    check(
        async {
            let task = spawn(async { log("the body ran") });
            task.cancel_with("first");
            task.cancel_with("second");
            log(format!("{:?}", task.outcome().await));
        },
        &[r#"Err(Cancelled(Cancelled("second")))"#],
    );
}

#[test]
fn a_request_withdrawn_before_the_first_step_is_none() {
    check(
        async {
            let task = spawn(async { log("the body ran") });
            task.cancel();
            task.uncancel();
            task.finished().await;
            log(how(&task));
        },
        &["the body ran", "result"],
    );
}

#[test]
fn a_cancelled_task_under_a_foreign_block_on_unwinds_the_task_around_it() {
    check(
        async {
            let gone = spawn(nap(100));
            gone.cancel();
            gone.finished().await;
            let task = spawn(async move {
                let caught = catch_cancel(async { futures_lite::future::block_on(gone) }).await;
                log(format!("{caught:?} cancelling={}", me().cancelling()));
                let gone = spawn(nap(100));
                gone.abort();
                gone.finished().await;
                futures_lite::future::block_on(gone);
                log("never");
            });
            task.finished().await;
            log(how(&task));
        },
        &["Err(Cancelled) cancelling=0", "cancelled"],
    );
}

#[test]
fn a_cancelled_task_awaited_on_a_plain_thread_panics_and_says_why() {
    let world = World::new();
    let (task, other) = (world.spawn(nap(100)), world.spawn(nap(100)));
    task.cancel();
    other.cancel();
    world.run_ready();
    let awaited = catch_unwind(AssertUnwindSafe(|| futures_lite::future::block_on(task)));
    let message = *awaited.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("the task was cancelled, outside of every task"), "{message}");
    let outcome = futures_lite::future::block_on(other.outcome());
    assert!(matches!(outcome, Err(TaskError::Cancelled(_))));
}

#[test]
fn resume_outside_of_every_task_panics_and_says_why() {
    let resumed = catch_unwind(|| {
        let resume = Cancelled::new(Some("too late")).resume();
        futures_lite::future::block_on(async { match resume.await {} })
    });
    let message = *resumed.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("cancelled: too late"), "{message}");
}

#[test]
fn scopes_outside_of_every_task_are_just_futures() {
    let value = futures_lite::future::block_on(async {
        let value = catch_cancel(corrente_task::uncancellable(async { 3 })).await;
        with_cleanup(async { value }, async {}).await
    });
    assert_eq!(value, Ok(3));
}

#[test]
fn a_scope_under_a_foreign_block_on_is_the_tasks_and_waits_for_its_poll() {
    check(
        async {
            let task = World::here().spawn_send(async {
                // The task is being polled all the time, so the request waits for the next suspension.
                let to_be_cancelled = me();
                let slept = futures_lite::future::block_on(catch_cancel(async {
                    let thread = std::thread::spawn(move || to_be_cancelled.cancel());
                    assert!(thread.join().unwrap());
                    crate::common::foreign::yield_once().await;
                }));
                log(format!("{slept:?} cancelling={}", me().cancelling()));
                nap(10).await;
                log("never");
            });
            task.finished().await;
            log(format!("{} {}", now(), how(&task)));
        },
        &["Ok(()) cancelling=1", "0 cancelled"],
    );
}

#[test]
fn a_callback_has_scopes_like_a_task() {
    let world = World::new();
    let options = Options { kind: Kind::Callback, ..options() };
    let fifo = crate::common::Fifo::of(&world);
    let spawned = corrente_task::spawn_local(
        async {
            assert!(corrente_task::current().is_none() && corrente_task::in_task());
            log(format!("{:?}", catch_cancel(nap(100)).await));
        },
        fifo,
        options,
    );
    assert!(spawned.runnable.is_callback());
    spawned.runnable.schedule();
    world.run_ready();
    spawned.task_ref.cancel();
    world.run_ready();
    assert_eq!(world.take_log(), ["Err(Cancelled)"]);
}

#[test]
fn an_abort_runs_no_clean_up_and_no_scope_sees_it() {
    check(
        async {
            let task = spawn(async {
                let _ = catch_cancel(with_cleanup(nap(100), async { log("never") })).await;
                log("never");
            });
            nap(10).await;
            log(format!("{} {}", task.abort(), task.abort()));
            task.finished().await;
            log(format!("{} {} cancelling={}", now(), how(&task), task.cancelling()));
        },
        &["true true", "10 cancelled cancelling=0"],
    );
}

#[test]
fn an_abort_beats_a_request_and_a_request_does_not_undo_an_abort() {
    check(
        async {
            let task = spawn(async {
                let _ = catch_cancel(nap(100)).await;
                log("never");
            });
            nap(10).await;
            task.cancel();
            task.abort();
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["cancelled"],
    );
}

#[test]
fn a_task_that_aborts_itself_ends_at_its_next_wait_or_with_its_output() {
    check(
        async {
            let waits = spawn(async {
                me().abort();
                log("goes on");
                nap(10).await;
                log("never");
            });
            let returns = spawn(async {
                me().abort();
                9
            });
            waits.finished().await;
            returns.finished().await;
            log(format!("{} {}", how(&waits), how(&returns)));
        },
        &["goes on", "cancelled result"],
    );
}

#[test]
fn a_request_during_the_last_poll_comes_too_late() {
    check(
        async {
            let task = World::here().spawn_send(async {
                let me = me();
                std::thread::spawn(move || assert!(me.cancel())).join().unwrap();
                3
            });
            task.finished().await;
            log(format!("{} cancelling={}", how(&task), task.cancelling()));
        },
        &["result cancelling=1"],
    );
}

#[test]
fn a_cancel_of_a_waker_less_wait_reaches_it() {
    check(
        async {
            // Nothing but the request itself ever wakes this task.
            let task = spawn(async {
                let caught = catch_cancel(std::future::pending::<()>()).await;
                log(format!("{caught:?}"));
                select([branch(std::future::pending()), branch(std::future::pending())]).await;
            });
            nap(10).await;
            task.cancel();
            nap(10).await;
            log(how(&task));
            task.cancel();
            task.finished().await;
            log(how(&task));
        },
        &["Err(Cancelled)", "pending", "cancelled"],
    );
}
