//! A panic in a user's code ends that code and nothing else.

use crate::support::{Flag, World, block_on, config, named, pool, pool_in, signal, spawn};
use corrente_scheduler::{BlockOnError, Handle, Hooks, NoDriver, Pool, spawn_local};
use corrente_task::{Options, TaskError};
use std::sync::Arc;
use std::task::{Wake, Waker};

struct PanicsOnDrop;
impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("drop of a future");
    }
}

fn message<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(TaskError::Panicked(panic)) => panic.message().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn workers_and_others_go_on_after_panics() {
    for workers in [1, 2] {
        let pool = pool(workers);
        block_on(&pool, async {
            for n in 0..50 {
                let task = spawn(async move { panic!("poll {n}") });
                assert_eq!(message::<()>(task.outcome().await), format!("poll {n}"));
                let held = PanicsOnDrop;
                let task = spawn(async move {
                    let _held = &held;
                });
                assert_eq!(message(task.outcome().await), "drop of a future");
                let local = async { panic!("local") };
                let local = spawn_local(local, Options::default()).expect("in block_on");
                assert_eq!(message::<()>(local.outcome().await), "local");
            }
            assert_eq!(spawn(async { 42 }).await, 42);
        });
    }
}

#[test]
fn a_panic_of_main_is_an_error_and_the_thread_can_be_used_again() {
    let pool = pool(2);
    let error = pool.block_on(async { panic!("main") }, Options::default());
    match error {
        Err(BlockOnError::Task(TaskError::Panicked(panic))) => assert_eq!(panic.message(), "main"),
        other => panic!("{other:?}"),
    }
    assert_eq!(block_on(&pool, async { spawn(async { 1 }).await }), 1);
}

#[test]
fn a_waker_that_panics_costs_the_others_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a user's waker");
        }
    }
    let world = World::real();
    let pool = pool_in(config(2), &world);
    let outside = world.clone();
    block_on(&pool, async {
        for _ in 0..20 {
            outside.event(Waker::from(Arc::new(Panics)));
            let flag = Flag::default();
            struct Sets(Flag);
            impl Wake for Sets {
                fn wake(self: Arc<Self>) {
                    self.0.set();
                }
            }
            outside.event(Waker::from(Arc::new(Sets(flag.clone()))));
            spawn(flag.wait()).await;
        }
    });
}

#[test]
fn a_panic_that_nobody_reads_is_reported_with_name_and_place() {
    let (report, reported) = signal();
    let hooks = Hooks {
        unobserved: Some(Arc::new(move |trouble| {
            let _ =
                report.send((trouble.task.name(), trouble.location().file(), trouble.to_string()));
        })),
        ..Hooks::default()
    };
    let pool = Pool::start(config(2), Box::new(NoDriver::new()), hooks).expect("the pool starts");
    block_on(&pool, async {
        let handle = Handle::current().expect("in a pool");
        drop(handle.spawn(async { panic!("unread") }, named("forgotten")));
    });
    let (name, file, text) = reported.wait("the report");
    assert_eq!(name, "forgotten");
    assert!(file.ends_with("panics.rs"));
    assert!(text.contains("unread"), "{text}");
}

#[test]
fn hooks_that_panic_are_contained() {
    let hook: Arc<dyn Fn(usize) + Send + Sync> = Arc::new(|_| panic!("a hook"));
    let hooks =
        Hooks { worker_start: Some(hook.clone()), worker_stop: Some(hook), ..Hooks::default() };
    let pool = Pool::start(config(2), Box::new(NoDriver::new()), hooks).expect("the pool starts");
    assert_eq!(block_on(&pool, async { spawn(async { 5 }).await }), 5);
    assert!(pool.shutdown(crate::support::PATIENCE).is_clean());
}
