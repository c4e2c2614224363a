//! Ways in which a port of asyncio breaks, and of which no scenario of the conformance suite tells.
//!
//! Each of these was found by breaking corrente so, and seeing every other test stay green.

use corrente::testing::Gate;
use corrente::{
    Builder, ContextVar, DoneCallbacks, Future, TaskGroup, catch_cancel, create_task, current_task,
    get_running_loop, sleep, to_thread, try_gather, yield_now,
};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

static COLOUR: ContextVar<&str> = ContextVar::new(|| "none");

/// On one thread, in asyncio's order, with a clock that jumps.
fn in_fifo_order<F: IntoFuture>(main: F) -> F::Output {
    Builder::new().fifo().virtual_time().run(main).unwrap()
}

#[test]
fn a_done_callback_runs_in_the_context_of_whoever_added_it() {
    in_fifo_order(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = || {
            let seen = seen.clone();
            move |what| seen.lock().unwrap().push((what, COLOUR.get()))
        };
        let (note_task, note_future, future) = (note(), note(), Future::new());
        let setter = future.clone();
        let task = create_task(async move {
            drop(COLOUR.set("blue"));
            yield_now().await;
            setter.set_result(1).unwrap();
        });
        drop(COLOUR.set("red"));
        task.add_done_callback(move |_| note_task("task"));
        future.add_done_callback(move |_| note_future("future"));
        drop(COLOUR.set("green"));
        task.await;
        sleep(SHORT).await;
        assert_eq!(*seen.lock().unwrap(), [("future", "red"), ("task", "red")]);
    });
}

/// A task that has swallowed a cancel goes on with a request in its count.
#[test]
fn a_group_that_cancels_itself_takes_an_old_request_for_no_new_one() {
    let over = in_fifo_order(async {
        let task = create_task(async {
            assert!(catch_cancel(sleep(LONG)).await.is_err());
            let over = TaskGroup::run(async |group| {
                let inside = group.clone();
                group.create_task(async move { inside.cancel() });
                sleep(LONG).await;
            });
            let over = over.await.unwrap_err();
            yield_now().await;
            (over.len(), current_task().unwrap().cancelling())
        });
        sleep(SHORT).await;
        task.cancel();
        task.outcome().await
    });
    assert_eq!(over.unwrap(), (1, 1));
}

#[test]
fn later_errors_of_a_gathering_are_reported_present_ones_and_those_to_come() {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let listener = reports.clone();
    let builder = Builder::new().fifo().virtual_time();
    builder
        .on_unobserved(move |report| listener.lock().unwrap().push(report.message.to_owned()))
        .run(async {
            let fails = |after: u32, text: &'static str| async move {
                sleep(SHORT * after).await;
                Err::<(), _>(text)
            };
            let all = try_gather((fails(1, "first"), fails(1, "present"), fails(9, "to come")));
            assert_eq!(all.await, Err("first"));
            sleep(LONG).await;
        })
        .unwrap();
    let reports = reports.lock().unwrap();
    assert!(reports.len() == 2 && reports[0].contains("present") && reports[1].contains("to come"));
}

#[test]
fn the_reason_of_a_cancel_reaches_the_task_that_is_awaited() {
    let reason = in_fifo_order(async {
        let inner = create_task(async {
            let cancelled = catch_cancel(sleep(LONG)).await.unwrap_err();
            cancelled.reason().map(str::to_owned)
        });
        let outer = create_task(inner);
        sleep(SHORT).await;
        outer.cancel_with("enough");
        outer.await
    });
    assert_eq!(reason.as_deref(), Some("enough"));
}

#[test]
fn a_cancelled_to_thread_never_calls_a_function_that_has_not_begun() {
    let called = Arc::new(AtomicBool::new(false));
    let note = called.clone();
    // In FIFO order, so that one round is enough for the second job to be queued.
    Builder::new()
        .fifo()
        .max_blocking_threads(1)
        .run(async move {
            let gate = Gate::new();
            let (opens, inside) = (gate.clone(), Arc::new(AtomicBool::new(false)));
            let begun = inside.clone();
            let busy = create_task(to_thread(move || {
                begun.store(true, SeqCst);
                gate.pass_through();
            }));
            while !inside.load(SeqCst) {
                sleep(SHORT).await;
            }
            let waiting =
                create_task(async move { to_thread(move || note.store(true, SeqCst)).await });
            yield_now().await;
            assert!(waiting.cancel());
            assert!(waiting.outcome().await.is_err_and(|error| error.is_cancelled()));
            opens.open();
            busy.await;
            // The one thread takes its jobs in order: had the function been kept, it would be next.
            to_thread(|| ()).await;
        })
        .unwrap();
    assert!(!called.load(SeqCst), "it was called after its caller had gone");
}

#[test]
fn a_callback_that_was_taken_back_from_a_future_is_not_called() {
    in_fifo_order(async {
        let (future, called) = (Future::new(), Arc::new(Mutex::new(Vec::new())));
        let keys = ["first", "second"].map(|name| {
            let called = called.clone();
            future.add_done_callback(move |_| called.lock().unwrap().push(name))
        });
        assert!(future.remove_done_callback(keys[0]));
        assert!(!future.remove_done_callback(keys[0]));
        future.set_result(()).unwrap();
        sleep(SHORT).await;
        assert!(!future.remove_done_callback(keys[1]));
        assert_eq!(*called.lock().unwrap(), ["second"]);
    });
}

#[test]
fn a_sleep_counts_from_its_first_poll() {
    in_fifo_order(async {
        let late = sleep(SHORT);
        sleep(LONG).await;
        late.await;
        assert_eq!(get_running_loop().unwrap().time(), LONG + SHORT);
    });
}
