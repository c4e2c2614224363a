//! How a run may end, and how it may be misused: each with its own clear answer.

use corrente::{Builder, RunError, Runner, create_task, sleep, try_run, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

fn panic_text(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it should have panicked");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a text").to_string(),
    }
}

#[test]
fn run_gives_mains_value() {
    let text = String::from("borrowed");
    assert_eq!(corrente::run(async { text.len() }), 8);
}

#[test]
fn main_need_not_be_send() {
    let shared = std::rc::Rc::new(std::cell::Cell::new(0));
    let inner = shared.clone();
    corrente::run(async move {
        inner.set(1);
        sleep(Duration::from_millis(1)).await;
        inner.set(2);
    });
    assert_eq!(shared.get(), 2);
}

#[test]
fn a_cancelled_main_is_an_error() {
    let result = try_run(async {
        corrente::current_task().unwrap().cancel();
        sleep(Duration::from_millis(1)).await;
    });
    assert!(matches!(result, Err(RunError::Cancelled(_))));
    let text = panic_text(|| {
        corrente::run(async {
            corrente::current_task().unwrap().cancel();
            sleep(Duration::from_millis(1)).await;
        });
    });
    assert!(text.contains("try_run"), "{text}");
}

#[test]
fn a_panic_of_main_comes_out() {
    assert_eq!(panic_text(|| corrente::run(async { panic!("from main") })), "from main");
}

#[test]
fn run_inside_run_is_refused() {
    corrente::run(async {
        assert!(matches!(try_run(async {}), Err(RunError::Nested)));
        create_task(async {
            assert!(matches!(try_run(async {}), Err(RunError::Nested)));
            let text = panic_text(|| corrente::run(async {}));
            assert!(text.contains("await the future here"), "{text}");
        })
        .await;
        sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn bad_settings_are_refused_with_a_remedy() {
    for (builder, word) in [
        (Builder::new().workers(0), "worker"),
        (Builder::new().workers(65), "64"),
        (Builder::new().name("a\0b"), "name"),
        (Builder::new().max_blocking_threads(0), "blocking"),
    ] {
        let error = builder.build().expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn outside_of_a_runtime_the_message_says_where_to_go() {
    for text in [
        panic_text(|| drop(create_task(async {}))),
        panic_text(|| futures_lite::future::block_on(sleep(Duration::from_millis(1)))),
        panic_text(|| drop(corrente::all_tasks())),
        panic_text(|| drop(corrente::to_thread(|| ()))),
        panic_text(|| drop(corrente::gather((async {},)))),
    ] {
        assert!(text.contains("corrente::run"), "{text}");
    }
    assert!(corrente::get_running_loop().is_err());
}

#[test]
fn leftovers_are_cancelled_and_clean_up() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let flag = cleaned.clone();
    corrente::run(async {
        let cleanup = async move {
            sleep(Duration::from_millis(20)).await;
            flag.store(true, SeqCst);
        };
        create_task(corrente::with_cleanup(sleep(Duration::from_secs(3600)), cleanup)).detach();
        sleep(Duration::from_millis(5)).await;
    });
    assert!(cleaned.load(SeqCst));
}

struct CountDrops(Arc<AtomicU32>);

impl Drop for CountDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_shutdown_drops_every_future_once() {
    let drops = Arc::new(AtomicU32::new(0));
    let runtime = Builder::new().workers(2).build().unwrap();
    for n in 0..10_000 {
        let counter = CountDrops(drops.clone());
        runtime
            .create_task(async move {
                let _counter = counter;
                if n % 3 == 0 {
                    sleep(Duration::from_secs(3600)).await;
                }
                if n % 3 == 1 {
                    std::future::pending::<()>().await;
                }
            })
            .detach();
    }
    let report = runtime.shutdown(Duration::from_secs(20));
    assert!(report.is_clean(), "{report}");
    assert_eq!(drops.load(SeqCst), 10_000);
}

#[test]
fn a_stubborn_task_is_dropped_when_the_time_is_over() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let swallowed = Arc::new(AtomicU32::new(0));
    let count = swallowed.clone();
    let task = runtime.create_task(async move {
        loop {
            if corrente::catch_cancel(sleep(Duration::from_secs(3600))).await.is_err() {
                count.fetch_add(1, SeqCst);
            }
        }
    });
    runtime.block_on(async { sleep(Duration::from_millis(5)).await }).unwrap();
    runtime.shutdown(Duration::from_millis(50));
    assert!(task.done() && task.cancelled());
    assert_eq!(swallowed.load(SeqCst), 1, "asyncio's end is one round of cancels");
}

#[test]
fn a_runtime_dropped_in_its_own_task_ends_in_the_background() {
    let (send, receive) = std::sync::mpsc::channel();
    let runtime = Arc::new(std::sync::Mutex::new(Some(Builder::new().workers(2).build().unwrap())));
    let inner = runtime.clone();
    let handle = runtime.lock().unwrap().as_ref().unwrap().handle().clone();
    handle
        .create_task(async move {
            drop(inner.lock().unwrap().take());
            send.send(()).unwrap();
        })
        .detach();
    receive.recv_timeout(Duration::from_secs(20)).expect("dropping it blocked its worker");
}

#[test]
fn a_runtime_dropped_in_another_runtime_does_not_block_it() {
    corrente::run(async {
        let other = Builder::new().workers(1).build().unwrap();
        other.create_task(std::future::pending::<()>()).detach();
        drop(other);
        sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn a_handle_outlives_its_runtime() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let mut task = handle.create_task(async { 1 });
    assert!(task.done() && matches!(task.try_outcome(), Some(Err(error)) if error.is_cancelled()));
}

#[test]
fn two_runtimes_live_side_by_side() {
    let a = Builder::new().workers(1).build().unwrap();
    let b = Builder::new().workers(2).build().unwrap();
    let from_b = b.create_task(async { 2 });
    assert_eq!(a.block_on(from_b).unwrap(), 2);
    drop(b);
    assert_eq!(a.block_on(async { 1 }).unwrap(), 1);
}

#[test]
fn a_runner_keeps_its_tasks_and_stands_still_between_runs() {
    let mut runner = Runner::new().unwrap();
    let mut left = None;
    runner
        .run(async {
            left = Some(create_task(async {
                for _ in 0..3 {
                    sleep(Duration::from_millis(1)).await;
                }
                7
            }));
        })
        .unwrap();
    let task = left.unwrap();
    assert_eq!(runner.run(task).unwrap(), 7);
    runner.close();
    runner.close();
    assert!(matches!(runner.run(async {}), Err(RunError::Closed)));
}

#[test]
fn between_two_runs_no_worker_polls_anything() {
    let mut runner = Builder::new().workers(2).runner().unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    runner
        .run(async {
            drop(create_task(async move {
                loop {
                    count.fetch_add(1, SeqCst);
                    yield_now().await;
                }
            }));
            sleep(Duration::from_millis(5)).await;
        })
        .unwrap();
    let frozen = polls.load(SeqCst);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(polls.load(SeqCst), frozen, "it went on although nothing runs");
    runner
        .run(async {
            while polls.load(SeqCst) == frozen {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .unwrap();
}

#[test]
fn a_runtime_in_a_thread_local_dies_with_its_thread() {
    thread_local! {
        static RUNTIME: corrente::Runtime = Builder::new().workers(2).build().unwrap();
    }
    std::thread::spawn(|| {
        RUNTIME
            .with(|runtime| runtime.block_on(async { sleep(Duration::from_millis(1)).await }))
            .unwrap();
    })
    .join()
    .unwrap();
}
