//! Context variables: inherited at the spawn, set around every poll and around the drop.

use crate::common::drops::{Counted, Counter, OnDrop};
use crate::common::{Fifo, World, check, log, nap, options, spawn};
use corrente_task::{
    Context, ContextChoice, ContextVar, Kind, Options, SharedContext, Task, in_task,
};
use std::future::Future;
use std::panic::catch_unwind;
use std::sync::Arc;

static NUMBER: ContextVar<u32> = ContextVar::new(|| 0);
static OTHER: ContextVar<&str> = ContextVar::new(|| "default");
static PRIVATE: ContextVar<u32> = ContextVar::private(|| 0);

fn spawn_in<T: 'static>(
    context: ContextChoice,
    future: impl Future<Output = T> + 'static,
) -> Task<T> {
    let options = Options { context, ..options() };
    let spawned = corrente_task::spawn_local(future, Fifo::of(&World::here()), options);
    spawned.runnable.schedule();
    spawned.task
}

#[test]
fn a_task_begins_with_a_copy_of_its_spawners_context() {
    check(
        async {
            drop(NUMBER.set(1));
            let child = spawn(async {
                log(format!("child begins with {}", NUMBER.get()));
                drop(NUMBER.set(2));
                nap(10).await;
                log(format!("child has {}", NUMBER.get()));
            });
            drop(NUMBER.set(3));
            nap(5).await;
            log(format!("parent has {}", NUMBER.get()));
            child.await;
            log(format!("parent has {}", NUMBER.get()));
        },
        &["child begins with 1", "parent has 3", "child has 2", "parent has 3"],
    );
}

#[test]
fn a_token_brings_the_value_from_before_back() {
    check(
        async {
            let first = NUMBER.set(1);
            let second = NUMBER.set(2);
            assert_eq!((NUMBER.get(), OTHER.get()), (2, "default"));
            NUMBER.reset(second);
            assert_eq!(NUMBER.get(), 1);
            NUMBER.reset(first);
            assert_eq!((NUMBER.get(), NUMBER.try_get()), (0, None));
        },
        &[],
    );
}

#[test]
fn private_variables_are_not_inherited() {
    check(
        async {
            drop((NUMBER.set(1), PRIVATE.set(1)));
            spawn(async { log(format!("{} {}", NUMBER.get(), PRIVATE.get())) }).await;
            log(format!("{} {}", NUMBER.get(), PRIVATE.get()));
        },
        &["1 0", "1 1"],
    );
}

#[test]
fn a_task_may_be_given_another_context() {
    check(
        async {
            drop(NUMBER.set(1));
            let (_, context) = Context::new().run(|| drop(NUMBER.set(7)));
            assert_eq!((context.get(&NUMBER), context.get(&OTHER)), (Some(7), None));
            let child = spawn_in(ContextChoice::Own(context), async { NUMBER.get() });
            let blank = spawn_in(ContextChoice::Own(Context::new()), async { NUMBER.get() });
            log(format!("{} {} {}", child.await, blank.await, NUMBER.get()));
        },
        &["7 0 1"],
    );
}

#[test]
fn tasks_with_a_shared_context_see_what_the_others_set_at_their_next_poll() {
    check(
        async {
            drop(NUMBER.set(1));
            let shared = SharedContext::new(Context::current());
            let writer = spawn_in(ContextChoice::Shared(shared.clone()), async {
                nap(10).await;
                drop(NUMBER.set(NUMBER.get() + 1));
                drop(OTHER.set("set"));
            });
            let reader = spawn_in(ContextChoice::Shared(shared.clone()), async {
                log(format!("{} {}", NUMBER.get(), OTHER.get()));
                nap(20).await;
                log(format!("{} {}", NUMBER.get(), OTHER.get()));
                spawn(async { log(format!("a child sees {}", NUMBER.get())) }).await;
            });
            writer.await;
            reader.await;
            log(format!("{} {:?}", NUMBER.get(), shared.snapshot().get(&NUMBER)));
        },
        &["1 default", "2 set", "a child sees 2", "1 Some(2)"],
    );
}

#[test]
fn writes_of_parallel_tasks_to_a_shared_context_are_neither_torn_nor_lost() {
    static VARIABLES: [ContextVar<usize>; 4] = [const { ContextVar::new(|| 0) }; 4];
    let pool = crate::common::threads::Pool::new(2);
    let shared = SharedContext::new(Context::new());
    let tasks: Vec<_> = VARIABLES
        .iter()
        .map(|variable| {
            let context = ContextChoice::Shared(shared.clone());
            let options = Options { context, ..options() };
            let future = async move {
                for number in 1..=500 {
                    drop(variable.set(number));
                    crate::common::foreign::yield_once().await;
                    assert_eq!(variable.get(), number, "nobody else sets it");
                }
            };
            let spawned = corrente_task::spawn(future, pool.queue.clone(), options);
            spawned.runnable.schedule();
            spawned.task
        })
        .collect();
    for task in tasks {
        futures_lite::future::block_on(task);
    }
    let all = shared.snapshot();
    assert!(VARIABLES.iter().all(|variable| all.get(variable) == Some(500)));
}

#[test]
fn run_leaves_the_context_around_it_alone_also_when_it_panics() {
    let run = || {
        let (inside, after) = Context::new().run(|| {
            drop(NUMBER.set(5));
            let panicked = catch_unwind(|| {
                Context::new().run(|| {
                    drop(NUMBER.set(6));
                    panic!("inside");
                })
            });
            assert!(panicked.is_err());
            NUMBER.get()
        });
        (inside, after.get(&NUMBER), NUMBER.get())
    };
    assert_eq!(run(), (5, Some(5), 0));
    check(
        async move {
            drop(NUMBER.set(1));
            log(format!("{:?}", run()));
        },
        &["(5, Some(5), 1)"],
    );
}

#[test]
fn there_is_nothing_to_set_outside_of_tasks() {
    assert_eq!((NUMBER.get(), NUMBER.try_get(), in_task()), (0, None, false));
    assert!(Context::current().is_empty());
    let message = catch_unwind(|| NUMBER.set(1)).err().unwrap();
    let message = message.downcast_ref::<&str>().unwrap();
    assert!(message.contains("there is no context here to set a variable in"), "{message}");
}

#[test]
fn a_token_of_another_variable_is_refused() {
    check(
        async {
            let token = NUMBER.set(1);
            static ALSO: ContextVar<u32> = ContextVar::new(|| 0);
            let refused = catch_unwind(std::panic::AssertUnwindSafe(|| ALSO.reset(token)));
            let message = refused.unwrap_err();
            log(*message.downcast_ref::<&str>().unwrap());
        },
        &["this token was made by another ContextVar"],
    );
}

#[test]
fn a_callback_has_a_context_and_no_current_task() {
    check(
        async {
            drop(NUMBER.set(4));
            let options = Options { kind: Kind::Callback, ..options() };
            let callback = async {
                assert!(corrente_task::current().is_none());
                assert!(corrente_task::with_current(|task| task.is_none()) && in_task());
                log(format!("{}", NUMBER.get()));
            };
            let spawned = corrente_task::spawn_local(callback, Fifo::of(&World::here()), options);
            spawned.runnable.schedule();
            spawned.task.await;
        },
        &["4"],
    );
}

#[test]
fn values_are_dropped_with_the_last_context_that_holds_them() {
    static COUNTED: ContextVar<Arc<Option<Counted>>> = ContextVar::new(Arc::default);
    let counter = Counter::default();
    let world = World::new();
    let counted = counter.one();
    let theirs = counter.clone();
    let task = world.spawn_send(async move {
        drop(COUNTED.set(Arc::new(Some(counted))));
        let child = World::here().spawn_send(async { nap(10).await });
        let _guard = OnDrop(move || assert!(theirs.dropped() == 0 && COUNTED.get().is_some()));
        Some(child)
    });
    world.run_ready();
    assert!(task.done() && counter.dropped() == 0, "the child still has it");
    let Ok(Ok(Some(child))) = task.result() else { panic!("no child") };
    assert!(child.end_now());
    assert_eq!(counter.dropped(), 1);
}
