//! What is dropped when, and what user code may do while it is dropped.

use crate::common::drops::{Counted, Counter, OnDrop, logged};
use crate::common::threads::on_a_small_stack;
use crate::common::{Fifo, World, check, how, log, me, nap, now, options, spawn};
use corrente_task::{Cause, ContextVar, Runnable, Schedule, Spawned, Task, TaskRef, current};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[derive(Clone)]
struct Told(Arc<World>);

impl Schedule for Told {
    fn schedule(&self, runnable: Runnable, cause: Cause) {
        Fifo::of(&self.0).schedule(runnable, cause);
    }
    fn complete(&self) {
        self.0.log("the scheduler is told");
    }
}

#[test]
fn a_future_is_dropped_before_the_scheduler_and_then_the_waiters_are_told() {
    let world = World::new();
    let value = logged(&world, "the future");
    let future = async move {
        let _value = value;
        7
    };
    let Spawned { runnable, task, task_ref } =
        corrente_task::spawn(future, Told(world.clone()), options());
    let waiters = world.clone();
    let waiter = world.spawn(async move {
        waiters.log(format!("{:?}", task.outcome().await));
    });
    let others = world.clone();
    let observer = world.spawn(async move {
        task_ref.finished().await;
        others.log("observed");
    });
    world.run_ready();
    runnable.schedule();
    world.run_ready();
    assert!(waiter.done() && observer.done());
    let expected = ["the future dropped", "the scheduler is told", "Ok(7)", "observed"];
    assert_eq!(world.take_log(), expected);
}

#[test]
fn the_output_of_a_detached_task_is_dropped_when_it_ends() {
    check(
        async {
            let world = World::here();
            let output = logged(&world, "the output");
            drop(spawn(async move {
                nap(10).await;
                output
            }));
            nap(10).await;
            nap(10).await;
            log(format!("{}", now()));
        },
        &["the output dropped", "20"],
    );
}

static VARIABLE: ContextVar<&str> = ContextVar::new(|| "unset");

#[test]
fn a_future_is_dropped_with_its_task_current_and_its_context_set() {
    for how in ["output", "abort", "end_now", "Runnable", "last reference"] {
        let world = World::new();
        let told = world.clone();
        let task = world.spawn_send(async move {
            drop(VARIABLE.set("set"));
            let _guard = OnDrop(move || {
                let name = current().map(|task| task.name());
                told.log(format!("{name:?} {}", VARIABLE.get()));
            });
            if how != "output" {
                pending::<()>().await;
            }
        });
        task.set_name("current");
        world.run_ready();
        match how {
            "abort" => {
                task.abort();
                world.run_ready();
            }
            "end_now" => assert!(task.end_now()),
            "Runnable" => {
                task.abort();
                drop(world.take_ready());
            }
            _ => {}
        }
        drop(task);
        assert_eq!(world.take_log(), ["Some(\"current\") set"], "{how}");
        assert_eq!(current(), None);
    }
}

#[test]
fn a_future_may_do_anything_to_its_own_task_while_it_is_dropped() {
    for how in ["output", "abort", "end_now", "cancel"] {
        let world = World::new();
        let told = world.clone();
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let task = world.spawn_send(async move {
            poll_fn(|cx| {
                *waker.lock().unwrap() = Some(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            let _guard = OnDrop(move || {
                let me = me();
                let did = (me.cancel(), me.uncancel(), me.abort(), me.end_now(), me.done());
                waker.lock().unwrap().take().unwrap().wake();
                let spawned = World::here().spawn_send(async { 1 });
                told.log(format!("{did:?} {}", spawned.cancel()));
            });
            if how != "output" {
                pending::<()>().await;
            }
        });
        world.run_ready();
        world.enter(|| match how {
            "abort" => _ = task.abort(),
            "end_now" => assert!(task.end_now()),
            "cancel" => _ = task.cancel(),
            _ => {}
        });
        world.run_ready();
        let left = u32::from(how == "cancel");
        let expected = format!("(true, {left}, true, false, false) true");
        assert_eq!(world.take_log(), [expected], "{how}");
        assert!(task.done() && task.cancelled() == (how != "output"), "{how}");
    }
}

/// Polls at once whatever it is given: every wake runs user code inside the wake.
#[derive(Clone)]
struct Inline;

impl Schedule for Inline {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        runnable.run();
    }
}

/// Pending until its place holds a waker already, which is its own from the first poll.
async fn second_poll(place: Arc<Mutex<Option<Waker>>>) {
    poll_fn(|cx| match place.lock().unwrap().replace(cx.waker().clone()) {
        None => Poll::Pending,
        Some(_) => Poll::Ready(()),
    })
    .await;
}

#[test]
fn a_wake_inside_a_drop_inside_a_poll_inside_a_wake() {
    let (first, second) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
    let waits = corrente_task::spawn(second_poll(second.clone()), Inline, options());
    waits.runnable.run();
    let place = first.clone();
    let wakes = async move {
        let _guard = OnDrop(move || {
            let waker: Option<Waker> = second.lock().unwrap().clone();
            waker.unwrap().wake();
        });
        second_poll(place).await;
    };
    let wakes = corrente_task::spawn(wakes, Inline, options());
    wakes.runnable.run();
    assert!(!wakes.task.done() && !waits.task.done());
    let waker: Option<Waker> = first.lock().unwrap().clone();
    waker.unwrap().wake();
    assert!(wakes.task.done() && waits.task.done());
}

#[test]
fn a_task_that_wakes_itself_under_an_inline_scheduler_is_not_polled_within_its_poll() {
    let mut polls = 0;
    let mut inside = false;
    let spawned = corrente_task::spawn(
        poll_fn(move |cx| {
            assert!(!std::mem::replace(&mut inside, true), "polled within its own poll");
            cx.waker().wake_by_ref();
            let waker = cx.waker().clone();
            waker.wake();
            inside = false;
            polls += 1;
            if polls == 5 { Poll::Ready(polls) } else { Poll::Pending }
        }),
        Inline,
        options(),
    );
    spawned.runnable.run();
    assert!(matches!(spawned.task.result(), Ok(Ok(5))));
}

const CHAIN: usize = 1_000_000;

/// Keeps the next task, in one way or another, and is counted.
struct Link<T> {
    _next: Option<T>,
    _counted: Counted,
}

/// Nobody's scheduler: what it is given is thrown away.
#[derive(Clone)]
struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        drop(runnable);
    }
}

/// Builds a chain from its end with `link`, drops its head, and tells how many links were dropped.
fn drop_a_chain<T: Send>(link: impl Fn(Link<T>) -> T + Send) -> usize {
    on_a_small_stack(move || {
        let counter = Counter::default();
        let mut head = None;
        for _ in 0..CHAIN {
            head = Some(link(Link { _next: head, _counted: counter.one() }));
        }
        assert_eq!(counter.dropped(), 0);
        drop(head);
        counter.dropped()
    })
}

async fn rest<T>(link: Link<T>) {
    pending::<()>().await;
    drop(link);
}

#[test]
fn a_million_resting_tasks_each_with_the_last_reference_to_the_next() {
    let dropped = drop_a_chain::<TaskRef>(|link| {
        let spawned = corrente_task::spawn(rest(link), Nowhere, options());
        spawned.runnable.run();
        spawned.task_ref
    });
    assert_eq!(dropped, CHAIN);
}

#[test]
fn a_million_tasks_each_with_the_runnable_of_the_next() {
    let dropped = drop_a_chain::<Runnable>(|link| {
        corrente_task::spawn(rest(link), Nowhere, options()).runnable
    });
    assert_eq!(dropped, CHAIN);
}

/// The output that holds the handle of a task with such an output.
struct Nested {
    _link: Link<Task<Nested>>,
}

#[test]
fn a_million_outputs_each_with_the_handle_of_the_next() {
    let dropped = drop_a_chain::<Task<Nested>>(|link| {
        let ready = async move { Nested { _link: link } };
        let spawned = corrente_task::spawn(ready, Nowhere, options());
        spawned.runnable.run();
        assert!(spawned.task.done());
        spawned.task
    });
    assert_eq!(dropped, CHAIN);
}

#[test]
fn a_million_tasks_each_woken_by_the_end_of_the_one_before() {
    let ended = on_a_small_stack(|| {
        let world = World::new();
        let first = world.spawn_send(pending::<()>());
        let head = first.as_ref().clone();
        let mut last = first;
        // A tenth: the queue of the test's executor is what takes the time here.
        for _ in 1..CHAIN / 10 {
            last = world.spawn_send(last);
        }
        world.run_ready();
        head.abort();
        world.run_ready();
        assert_eq!(how(&last), "cancelled");
        world.ended() as usize
    });
    assert_eq!(ended, CHAIN / 10);
}

#[test]
fn ends_nest_to_a_bounded_depth_and_are_over_when_the_first_comes_back() {
    let world = World::new();
    let mut head: Option<Runnable> = None;
    for number in (0..40).rev() {
        let (told, mut next) = (world.clone(), head.take());
        let guard = OnDrop(move || {
            told.log(format!("{number} begins"));
            drop(next.take());
            told.log(format!("{number} ends"));
        });
        let future = async move {
            let _guard = guard;
        };
        head = Some(corrente_task::spawn(future, Nowhere, options()).runnable);
    }
    drop(head);
    let begin = |number: i32| format!("{number} begins");
    let end = |number: i32| format!("{number} ends");
    let nested = (0..16).map(begin).chain([end(15)]);
    let one_by_one = (16..40).flat_map(|number| [begin(number), end(number)]);
    let expected: Vec<String> = nested.chain(one_by_one).chain((0..15).rev().map(end)).collect();
    assert_eq!(world.take_log(), expected);
}
