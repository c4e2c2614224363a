//! Panics in user code, wherever they happen: contained, told to whoever asks, else reported.

use crate::common::drops::{Bomb, Counter, OnDrop, bomb, logged};
use crate::common::foreign::{branch, select};
use crate::common::{Fifo, World, check, lock, log, nap, options, spawn};
use corrente_task::{
    Cause, Context as Variables, ContextChoice, ContextVar, Options, Runnable, Schedule,
    SharedContext, Task, TaskError, Unobserved, catch_cancel, exit_with, uncancellable,
    with_cleanup,
};
use std::fmt;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// The task's panic.
#[track_caller]
fn message<T: fmt::Debug>(task: &mut Task<T>) -> String {
    match task.try_outcome() {
        Some(Err(TaskError::Panicked(panic))) => panic.message().to_owned(),
        other => panic!("no panic, but {other:?}"),
    }
}

#[test]
fn a_panic_is_a_value_of_the_outcome() {
    check(
        async {
            let mut task = spawn(async { panic!("number {}", std::hint::black_box(7)) });
            task.set_name("worker");
            task.finished().await;
            let Some(Err(TaskError::Panicked(panic))) = task.try_outcome() else { return };
            assert_eq!((panic.message(), panic.task_name()), ("number 7", "worker"));
            assert_eq!(panic.task(), task.id());
            log(panic.to_string());
            log(*panic.into_payload().downcast::<String>().unwrap());
        },
        &["task worker panicked: number 7", "number 7"],
    );
}

#[test]
fn a_payload_that_is_no_text_is_kept() {
    check(
        async {
            let mut task = spawn(async { panic_any(42_u8) });
            task.finished().await;
            let Some(Err(TaskError::Panicked(panic))) = task.try_outcome() else { return };
            log(panic.message());
            log(format!("{:?}", panic.into_payload().downcast_ref::<u8>()));
        },
        &["a panic whose payload is no text", "Some(42)"],
    );
}

#[test]
fn a_panic_goes_on_in_whoever_awaits_the_task() {
    check(
        async {
            let inner = spawn(async { panic!("from inside") });
            let mut outer = spawn(async move {
                let _guard = OnDrop(|| log("outer's values are dropped"));
                let never = async { log("never: a panic skips clean-ups") };
                let _ = catch_cancel(uncancellable(with_cleanup(inner, never))).await;
            });
            outer.finished().await;
            log(message(&mut outer));
        },
        &["outer's values are dropped", "from inside"],
    );
}

#[test]
fn a_panic_that_nobody_reads_is_reported_once() {
    check(
        async {
            drop(spawn(async { panic!("dropped before") }));
            let task = spawn(async { panic!("dropped after") });
            nap(1).await;
            drop(task);
            let read = spawn(async { panic!("read") });
            assert!(read.outcome().await.unwrap_err().is_panic());
        },
        &["unobserved Panic: dropped before", "unobserved Panic: dropped after"],
    );
}

type End = fn(&Task<()>, &Arc<World>);

/// Each way in which a task may end before its future is done.
const ENDS: [(&str, End); 4] = [
    ("abort", |task, world| {
        task.abort();
        world.run_ready();
    }),
    ("shutdown", |task, _| assert!(task.end_now())),
    ("cancel", |task, world| {
        task.cancel();
        world.run_ready();
    }),
    ("a dropped Runnable", |task, world| {
        task.abort();
        drop(world.take_ready());
    }),
];

#[test]
fn a_panic_while_the_future_is_dropped_is_the_tasks_panic_however_it_ends() {
    for (name, end) in ENDS {
        let world = World::new();
        let mut task = world.spawn_send(async {
            let _bomb = bomb("the future");
            pending::<()>().await;
        });
        world.run_ready();
        end(&task, &world);
        assert_eq!(message(&mut task), "the future went off", "{name}");
        let mut beside = world.spawn_send(async { "unaffected" });
        world.run_ready();
        assert!(matches!(beside.try_outcome(), Some(Ok("unaffected"))), "{name}");
        assert_eq!(world.take_log(), [""; 0], "{name}");
    }
}

#[test]
fn a_panic_while_a_future_is_dropped_that_nobody_reads_is_reported() {
    for (name, end) in ENDS {
        let world = World::new();
        let task = world.spawn_send(async {
            let _bomb = bomb("the future");
            pending::<()>().await;
        });
        world.run_ready();
        end(&task, &world);
        drop(task);
        assert_eq!(world.take_log(), ["unobserved Panic: the future went off"], "{name}");
    }
}

#[test]
fn a_panic_in_the_drop_of_a_future_that_nobody_can_wake_is_reported() {
    let world = World::new();
    let task = world.spawn_send(async {
        let _bomb = bomb("the future");
        pending::<()>().await;
    });
    world.run_ready();
    drop(task);
    assert_eq!(world.take_log(), ["unobserved Panic: the future went off"]);
}

/// Ready at once; its drop panics.
struct ReadyThenBomb<T> {
    output: Option<T>,
    _bomb: Bomb,
}

impl<T: Unpin> Future for ReadyThenBomb<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(self.output.take().unwrap())
    }
}

#[test]
fn a_future_whose_drop_panics_after_its_output_takes_the_output_with_it() {
    let (world, counter) = (World::new(), Counter::default());
    let output = Some(counter.one());
    let task = world.spawn_send(ReadyThenBomb { output, _bomb: bomb("the future") });
    world.run_ready();
    let error = task.result().err().map(|_| ());
    assert!(error.is_none() && counter.dropped() == 1);
    drop(task);
    // With an output that panics, too, and a payload that panics when it is dropped.
    let output = Some(Bomb { name: "the output", again: true });
    let task = world.spawn_send(ReadyThenBomb { output, _bomb: bomb("the future") });
    world.run_ready();
    drop(task);
    assert_eq!(world.take_log(), ["unobserved Panic: the future went off"; 2]);
}

#[test]
fn a_panic_in_the_poll_and_another_in_the_drop() {
    let world = World::new();
    let mut task = world.spawn_send(async {
        // Not dropped by the unwinding, but with the rest of the future afterwards.
        struct PanicsThenBomb(Bomb);
        impl Future for PanicsThenBomb {
            type Output = ();
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                panic!("the poll, before {}", self.0.name)
            }
        }
        PanicsThenBomb(bomb("the drop")).await;
    });
    world.run_ready();
    assert_eq!(message(&mut task), "the poll, before the drop");
    let again = bomb("a second time");
    let mut task = world.spawn_send(PanicsWith(Some(again), bomb("the drop")));
    world.run_ready();
    assert!(task.try_outcome().is_some_and(|outcome| {
        let TaskError::Panicked(panic) = outcome.unwrap_err() else { return false };
        let payload = panic.into_payload().downcast::<Bomb>().unwrap();
        catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err()
    }));
    assert_eq!(world.take_log(), ["unobserved DropPanic: the drop went off"]);
}

/// Panics with the first, and has the second dropped afterwards.
struct PanicsWith<P>(Option<P>, Bomb);

impl<P: Send + Unpin + 'static> Future for PanicsWith<P> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert_eq!(self.1.name, "the drop");
        panic_any(self.0.take().unwrap())
    }
}

#[test]
fn a_payload_whose_drop_panics_does_no_harm_wherever_it_is_dropped() {
    let world = World::new();
    let payload = || Bomb { name: "payload", again: true };
    // Unread by a detached task, and by a handle that comes too late.
    drop(world.spawn_send(async move { panic_any(payload()) }));
    world.run_ready();
    let task = world.spawn_send(async move { panic_any(payload()) });
    world.run_ready();
    drop(task);
    // The payload of a destructor that panics when the outcome is settled already.
    let mut task =
        world.spawn_send(PanicsWith(Some("the poll"), Bomb { name: "the drop", again: true }));
    world.run_ready();
    assert_eq!(message(&mut task), "the poll");
    // An error that was to end the task, dropped because the task did not want to end after all.
    let mut task = world.spawn(async move {
        let mut bad = World::here().spawn_send(async move { panic_any(payload()) });
        bad.finished().await;
        let error = bad.try_outcome().unwrap().unwrap_err();
        let leave = branch(async move { match exit_with(error).await {} });
        select([leave, branch(async {})]).await
    });
    world.run_until(&task);
    assert!(matches!(task.try_outcome(), Some(Ok(1))));
    let text = "a panic whose payload is no text";
    let unread = format!("unobserved Panic: {text}");
    let drop_panic = format!("unobserved DropPanic: {text}");
    assert_eq!(world.take_log(), [unread.as_str(), &unread, &drop_panic]);
}

#[test]
fn an_output_whose_drop_panics_is_reported() {
    let world = World::new();
    drop(world.spawn_send(async { bomb("a detached output") }));
    world.run_ready();
    let task = world.spawn_send(async { bomb("an output never taken") });
    world.run_ready();
    drop(task);
    assert_eq!(
        world.take_log(),
        [
            "unobserved DropPanic: a detached output went off",
            "unobserved DropPanic: an output never taken went off",
        ]
    );
}

static VALUE: ContextVar<Arc<Option<Bomb>>> = ContextVar::new(Arc::default);

#[test]
fn a_context_value_whose_drop_panics_is_reported() {
    let world = World::new();
    let mut task = world.spawn_send(async {
        let _ = VALUE.set(Arc::new(Some(bomb("at the end"))));
        3
    });
    world.run_ready();
    assert!(matches!(task.try_outcome(), Some(Ok(3))));
    assert_eq!(world.take_log(), ["unobserved DropPanic: at the end went off"]);
}

#[test]
fn a_shared_context_value_whose_drop_panics_before_a_poll_is_reported() {
    let world = World::new();
    let shared = SharedContext::new(Variables::new());
    let with_shared = |future: Pin<Box<dyn Future<Output = u32> + Send>>| {
        let options = Options { context: ContextChoice::Shared(shared.clone()), ..options() };
        let spawned = corrente_task::spawn(future, Fifo::of(&world), options);
        spawned.runnable.schedule();
        spawned.task
    };
    let mut holds = with_shared(Box::pin(async {
        drop(VALUE.set(Arc::new(Some(bomb("the old snapshot")))));
        nap(10).await;
        4
    }));
    let mut replaces = with_shared(Box::pin(async {
        let before = VALUE.try_get();
        drop((VALUE.set(Arc::default()), before));
        5
    }));
    world.run_until(&holds);
    assert!(matches!(holds.try_outcome(), Some(Ok(4))));
    assert!(matches!(replaces.try_outcome(), Some(Ok(5))));
    assert_eq!(world.take_log(), ["unobserved DropPanic: the old snapshot went off"]);
}

struct Unspeakable;

impl fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

#[test]
fn an_error_whose_text_panics_is_reported_all_the_same() {
    let world = World::new();
    let task = world.spawn_send(async { Err::<(), _>(Unspeakable) });
    let waiter = world.spawn_send(task.finished());
    task.detach();
    world.run_ready();
    assert!(waiter.done());
    assert_eq!(world.take_log(), ["unobserved Error: no words"]);
}

/// Does something when it is woken, and something when its last clone is dropped.
struct Touchy<W: Fn() + Send + Sync, D: FnMut() + Send + Sync> {
    wake: W,
    _dropped: OnDrop<D>,
}

impl<W: Fn() + Send + Sync, D: FnMut() + Send + Sync> Wake for Touchy<W, D> {
    fn wake(self: Arc<Self>) {
        (self.wake)();
    }
}

fn touchy<W, D>(wake: W, dropped: D) -> Waker
where
    W: Fn() + Send + Sync + 'static,
    D: FnMut() + Send + Sync + 'static,
{
    Waker::from(Arc::new(Touchy { wake, _dropped: OnDrop(dropped) }))
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn wakers_that_panic_stop_nobody_else_from_being_woken() {
    let world = World::new();
    let mut task = world.spawn_send(async { 6 });
    let panics = |name: &'static str| touchy(move || panic!("{name}"), || ());
    assert!(
        task.poll_finished(&mut Context::from_waker(&panics("the owner's waker"))).is_pending()
    );
    let mut bad = task.finished();
    assert!(poll_with(&mut bad, &panics("an observer's waker")).is_pending());
    let good = world.spawn_send(task.finished());
    world.run_ready();
    assert!(good.done() && matches!(task.try_outcome(), Some(Ok(6))));
    assert_eq!(
        world.take_log(),
        ["unobserved WakerPanic: the owner's waker", "unobserved WakerPanic: an observer's waker",]
    );
}

#[test]
fn a_waker_that_panics_stops_no_cancel() {
    let world = World::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = |name: &'static str| {
        let log = log.clone();
        branch(async move {
            let caught = catch_cancel(pending::<()>()).await;
            lock(&log).push(format!("{name}: {caught:?}"));
        })
    };
    let mut branches = [("panics", told("panics")), ("works", told("works"))];
    let task = world.spawn(std::future::poll_fn(move |cx| {
        let waker = cx.waker().clone();
        let mut left = 0;
        for (name, branch) in &mut branches {
            let (waker, name) = (waker.clone(), *name);
            let wake = move || {
                waker.wake_by_ref();
                assert!(name != "panics", "a branch's waker");
            };
            left += usize::from(poll_with(branch, &touchy(wake, || ())).is_pending());
        }
        if left > 0 { Poll::Pending } else { Poll::Ready(()) }
    }));
    world.run_ready();
    assert!(task.cancel());
    world.run_ready();
    assert_eq!(*lock(&log), ["panics: Err(Cancelled)", "works: Err(Cancelled)"]);
}

#[test]
fn a_waker_whose_drop_panics_is_reported() {
    let world = World::new();
    let bomb = |name: &'static str| touchy(|| (), move || panic!("{name}"));
    let mut task = world.spawn_send(pending::<()>());
    let _ = task.poll_finished(&mut Context::from_waker(&bomb("the owner's")));
    let mut watch = task.cancel_requested();
    let _ = poll_with(&mut watch, &bomb("a watcher's"));
    world.run_ready();
    let reference = task.as_ref().clone();
    drop(task);
    assert!(reference.end_now());
    assert_eq!(
        world.take_log(),
        ["unobserved WakerPanic: the owner's", "unobserved WakerPanic: a watcher's"]
    );
}

/// A scheduler that panics wherever it can without losing a Runnable.
#[derive(Clone)]
struct Nervous(Arc<World>);

impl Schedule for Nervous {
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        Fifo::of(&self.0).schedule(runnable, cause);
    }
    fn complete(&self) {
        panic!("complete");
    }
    fn unobserved(&self, _: &Unobserved<'_>) {
        panic_any(Bomb { name: "unobserved", again: true });
    }
}

#[test]
fn a_scheduler_that_panics_does_not_keep_waiters_waiting() {
    let world = World::new();
    let spawned = corrente_task::spawn(async { 8 }, Nervous(world.clone()), options());
    let waiter = world.spawn_send(spawned.task_ref.finished());
    let owner = world.spawn_send(spawned.task);
    world.run_ready();
    spawned.runnable.schedule();
    world.run_ready();
    assert!(waiter.done());
    assert!(matches!(owner.result(), Ok(Ok(8))));
    let spawned =
        corrente_task::spawn(async { panic!("unread") }, Nervous(world.clone()), options());
    drop(spawned.task);
    spawned.runnable.run();
    assert!(spawned.task_ref.done());
}

#[test]
fn values_are_dropped_in_the_usual_order_by_a_panic() {
    let world = World::new();
    let (first, second) = (logged(&world, "first"), logged(&world, "second"));
    let mut task = world.spawn_send(async move {
        let (_first, _second) = (first, second);
        panic!("now");
    });
    world.run_ready();
    assert_eq!(message(&mut task), "now");
    assert_eq!(world.take_log(), ["second dropped", "first dropped"]);
}

#[test]
fn a_panic_while_a_scope_drops_its_inside_is_the_tasks_panic() {
    let world = World::new();
    let mut task = world.spawn_send(async {
        let inside = async {
            let _bomb = bomb("the inside");
            pending::<()>().await;
        };
        catch_cancel(inside).await
    });
    world.run_ready();
    task.cancel();
    world.run_ready();
    assert_eq!(message(&mut task), "the inside went off");
}
