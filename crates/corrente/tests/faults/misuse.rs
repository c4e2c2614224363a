//! Nested runtimes, foreign executors, calls outside of a runtime (faults 36 to 39, 69).

use crate::child::{Child, assert_nothing_left, belongings, wait_until};
use corrente::net::{TcpListener, TcpStream};
use corrente::sync::{Queue, Semaphore};
use corrente::{Builder, Handle, Runtime, create_task, sleep, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn blocking_functions_from_everywhere() {
    let test = "misuse::blocking_functions_from_everywhere";
    let Some(child) = Child::of(test).run(|_| {
        struct AtTheEnd(Handle, std::sync::mpsc::Sender<bool>);
        impl Drop for AtTheEnd {
            fn drop(&mut self) {
                let mut job = self.0.run_in_executor(|| 4);
                wait_until("the job is over", || job.done());
                // It ran, or was refused: silence is the only wrong answer.
                let ran = matches!(job.try_outcome(), Some(Ok(4)));
                let _ = self.1.send(ran);
            }
        }
        thread_local! {
            static LAST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
        }
        let runtime = Builder::new().workers(2).max_blocking_threads(4).build().unwrap();
        let handle = runtime.handle().clone();
        // From a blocking thread, with the caller waiting for it there.
        let inner = handle.clone();
        let sum = runtime.block_on(async move {
            corrente::to_thread(move || {
                let task = inner.run_in_executor(|| 20);
                futures_lite::future::block_on(task) + 1
            })
            .await
        });
        assert_eq!(sum.unwrap(), 21);
        // From the destructor of a thread's local, while the runtime lives.
        let (send, receive) = channel();
        let last = AtTheEnd(handle.clone(), send.clone());
        std::thread::spawn(move || LAST.with(|cell| *cell.borrow_mut() = Some(last)))
            .join()
            .unwrap();
        assert!(receive.recv_timeout(PATIENCE).unwrap(), "the runtime lived and did not run it");
        // From a blocking function that runs when the end begins, and from the locals of its thread.
        let (begun, has_begun) = channel();
        let (ask, asked) = channel::<()>();
        let inner = handle.clone();
        handle
            .run_in_executor(move || {
                let last = AtTheEnd(inner.clone(), send);
                LAST.with(|cell| *cell.borrow_mut() = Some(last));
                begun.send(()).unwrap();
                asked.recv_timeout(PATIENCE).unwrap();
                let mut late = inner.run_in_executor(|| 5);
                wait_until("the late one is over", || late.done());
                assert!(late.try_outcome().unwrap().is_err_and(|error| error.is_cancelled()));
            })
            .detach();
        has_begun.recv_timeout(PATIENCE).unwrap();
        let end = std::thread::spawn(move || runtime.shutdown(PATIENCE));
        wait_until("the end has begun", || {
            handle.create_task(async {}).try_outcome().is_some_and(|outcome| outcome.is_err())
        });
        ask.send(()).unwrap();
        let report = end.join().unwrap();
        assert!(report.is_clean(), "{report}");
        assert!(!receive.recv_timeout(PATIENCE).unwrap(), "a job ran after the end");
    }) else {
        return;
    };
    child.well();
}

#[test]
fn block_on_inside_of_a_task_is_refused_and_the_thread_goes_on() {
    let test = "misuse::block_on_inside_of_a_task_is_refused_and_the_thread_goes_on";
    let Some(child) = Child::of(test).run(|_| {
        let runtime = Arc::new(Builder::new().workers(2).build().unwrap());
        for round in 0..3 {
            let inner = runtime.clone();
            let text = runtime.block_on(async move {
                let outer = inner.clone();
                let here = inner.block_on(async { 1 }).expect_err("nested").to_string();
                let there = create_task(async move { outer.block_on(async { 1 }).err() });
                let there = there.await.expect("nested").to_string();
                assert!(there.contains("await"), "{there}");
                // Those who unwrap it unwind; the thread is as good as before.
                let unwound = catch_unwind(AssertUnwindSafe(|| corrente::run(async { 1 })));
                assert!(unwound.is_err());
                here
            });
            let text = text.unwrap();
            assert!(text.contains("await"), "{text}");
            assert_eq!(runtime.block_on(async { create_task(async { 3 }).await }).unwrap(), 3);
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _ = runtime.block_on(async { panic!("main {round}") });
            }));
            assert!(unwound.is_err());
            assert_eq!(corrente::run(async { 4 }), 4);
        }
    }) else {
        return;
    };
    child.well();
}

/// A foreign executor polls again and again within one poll of ours: a budget must not stop it for good.
#[test]
fn a_foreign_executor_inside_of_a_task() {
    let test = "misuse::a_foreign_executor_inside_of_a_task";
    let Some(child) = Child::of(test).run(|_| {
        for workers in [1, 2] {
            let run = Builder::new().workers(workers).on_long_poll(|_| {}).run(async move {
                create_task(async move {
                    futures_lite::future::block_on(async move {
                        let semaphore = Semaphore::new(1);
                        let queue = Queue::unbounded();
                        for n in 0..1000 {
                            drop(semaphore.acquire().await);
                            queue.put(n).await.unwrap();
                            assert_eq!(queue.get().await.unwrap(), n);
                            yield_now().await;
                        }
                        if workers == 2 {
                            // These need somebody in the driver, who can only be the other worker.
                            for _ in 0..5 {
                                sleep(Duration::from_millis(1)).await;
                                create_task(async {}).await;
                            }
                        }
                    });
                    1
                })
                .await
            });
            assert_eq!(run.unwrap(), 1);
        }
    }) else {
        return;
    };
    child.well();
}

/// The runtime, what it had to drop, and whoever drops the runtime.
type Kept = Arc<Mutex<Option<Runtime>>>;

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn kept(workers: usize, drops: &Arc<AtomicUsize>) -> (Kept, Handle) {
    let runtime = Builder::new().workers(workers).build().unwrap();
    let handle = runtime.handle().clone();
    for _ in 0..10 {
        let counted = Counted(drops.clone());
        handle
            .create_task(async move {
                let _counted = counted;
                sleep(Duration::from_secs(3600)).await;
            })
            .detach();
    }
    (Arc::new(Mutex::new(Some(runtime))), handle)
}

#[test]
fn a_runtime_dropped_in_the_wrong_place() {
    let test = "misuse::a_runtime_dropped_in_the_wrong_place";
    for place in ["its own task", "its own callback", "its own blocking thread", "another's main"] {
        let Some(child) = Child::of(test).argument(place).run(|place| {
            let before = belongings();
            let drops = Arc::new(AtomicUsize::new(0));
            let (kept, handle) = kept(3, &drops);
            let (send, receive) = channel();
            let let_go = move || {
                drop(kept.lock().unwrap().take());
                send.send(()).unwrap();
            };
            match place {
                "its own task" => handle.create_task(async move { let_go() }).detach(),
                "its own callback" => drop(handle.call_soon(let_go)),
                "its own blocking thread" => handle.run_in_executor(let_go).detach(),
                _ => Builder::new().workers(2).run(async move { let_go() }).unwrap(),
            }
            receive.recv_timeout(PATIENCE).expect("whoever dropped it was blocked");
            wait_until("every future is dropped", || drops.load(SeqCst) == 10);
            let task = handle.create_task(async {});
            wait_until("new tasks are refused", || task.done());
            // A handle keeps the driver's descriptors.
            drop((task, handle));
            assert_nothing_left(before);
        }) else {
            return;
        };
        let child = child.well();
        assert!(!child.stderr.contains("panicked"), "{child}");
    }
}

#[test]
fn outside_of_a_runtime() {
    let test = "misuse::outside_of_a_runtime";
    let places = ["create_task", "sleep", "to_thread", "run in run", "socket"];
    for place in places {
        let Some(child) = Child::of(test).argument(place).run(|place| match place {
            "create_task" => drop(corrente::create_task(async {})),
            "sleep" => futures_lite::future::block_on(sleep(Duration::from_millis(1))),
            "to_thread" => drop(corrente::to_thread(|| ())),
            "run in run" => corrente::run(async { corrente::run(async {}) }),
            _ => {
                let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listening.local_addr().unwrap();
                let connected = futures_lite::future::block_on(TcpStream::connect(address));
                let error = connected.expect_err("no runtime").to_string();
                let again = TcpListener::try_from(listening).expect_err("no runtime").to_string();
                panic!("{error} / {again}");
            }
        }) else {
            return;
        };
        assert_eq!(child.status.code(), Some(101), "{child}");
        let remedy = if place == "run in run" { "await the future here" } else { "corrente::run" };
        assert!(child.stderr.contains(remedy), "{child}");
    }
}
