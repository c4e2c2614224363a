//! The end of a runtime with everything in it, and what is left in the user's hands (faults 42 to 45).

use crate::child::{Child, assert_nothing_left, belongings, is_sanitized, wait_until};
use corrente::io::AsyncReadExt;
use corrente::net::{TcpListener, TcpStream};
use corrente::{Builder, Handle, Runtime, create_task, sleep, timeout, yield_now};
use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Tasks that wait for nothing, for an hour, and for sockets; and functions that block.
fn fill(runtime: &Runtime, drops: &Arc<AtomicUsize>, block: Duration) {
    runtime
        .block_on(async {
            for n in 0..MANY {
                let counted = Counted(drops.clone());
                let task = create_task(async move {
                    let _counted = counted;
                    match n % 3 {
                        0 => pending().await,
                        1 => sleep(Duration::from_secs(3600)).await,
                        _ => drop(timeout(Duration::from_secs(7200), pending::<()>()).await),
                    }
                });
                task.detach();
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            for _ in 0..100 {
                let mut connected = TcpStream::connect(address).await.unwrap();
                let (mut accepted, _) = listener.accept().await.unwrap();
                for _ in 0..2 {
                    let counted = Counted(drops.clone());
                    let mut stream = connected.clone();
                    std::mem::swap(&mut connected, &mut accepted);
                    let task = create_task(async move {
                        let _counted = counted;
                        let _ = stream.read(&mut [0]).await;
                    });
                    task.detach();
                }
            }
            let this = corrente::get_running_loop().unwrap();
            for _ in 0..4 {
                this.run_in_executor(move || std::thread::sleep(block)).detach();
            }
            // Some have begun to wait, others have not run yet.
            for _ in 0..50 {
                yield_now().await;
            }
        })
        .unwrap();
}

const ALL: usize = MANY + 200;

/// Resident memory, in KiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn with_a_hundred_thousand_of_everything() {
    let test = "shutdown::with_a_hundred_thousand_of_everything";
    // One arena for all threads: with several the allocator keeps memory of its own accord, now here, now
    // there.
    let tool = ["env", "MALLOC_ARENA_MAX=1"];
    let Some(child) = Child::of(test).under(&tool).run(|_| {
        let before = belongings();
        let (at_first, mut content, mut sizes) = (memory(), 0, Vec::new());
        for round in 0..6 {
            let drops = Arc::new(AtomicUsize::new(0));
            let runtime = Builder::new().workers(2).build().unwrap();
            fill(&runtime, &drops, Duration::from_millis(50));
            if round == 0 {
                content = memory() - at_first;
            }
            let report = runtime.shutdown(PATIENCE);
            assert!(report.is_clean(), "{report}");
            assert_eq!(drops.load(SeqCst), ALL, "round {round}");
            assert_nothing_left(before);
            sizes.push(memory());
        }
        println!("memory {content} {sizes:?} KiB");
        // What was given back is used again. A fifth of it, left behind each time, would show.
        let (early, late) = (sizes[0], sizes[5]);
        assert!(is_sanitized() || late < early + content, "grows by {content}: {sizes:?} KiB");
    }) else {
        return;
    };
    child.well();
}

#[test]
fn within_a_limit_though_functions_block() {
    let test = "shutdown::within_a_limit_though_functions_block";
    let Some(child) = Child::of(test).run(|_| {
        let drops = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new().workers(2).build().unwrap();
        fill(&runtime, &drops, Duration::from_secs(3600));
        // Time for all tasks to be cancelled and polled once more, which a sanitizer makes ten times as long:
        // one that is in the middle of that when the time is over would be in the report.
        let limit = Duration::from_secs(if is_sanitized() { 10 } else { 1 });
        let begin = Instant::now();
        let report = runtime.shutdown(limit);
        assert!(begin.elapsed() < PATIENCE, "the limit of {limit:?} was not kept");
        assert_eq!(report.jobs.len(), 4, "{report}");
        assert!(report.tasks.is_empty(), "{report}");
        assert_eq!(drops.load(SeqCst), ALL);
    }) else {
        return;
    };
    child.well();
}

/// In its drop a task does what shutdowns have died of elsewhere.
struct Busybody {
    generation: u32,
    handle: Handle,
    lock: Arc<Mutex<usize>>,
    wakers: Arc<Mutex<Vec<Waker>>>,
    refused: Arc<AtomicUsize>,
}

impl Busybody {
    fn next(&self) -> Self {
        let Self { generation, handle, lock, wakers, refused } = self;
        Self {
            generation: generation + 1,
            handle: handle.clone(),
            lock: lock.clone(),
            wakers: wakers.clone(),
            refused: refused.clone(),
        }
    }
}

impl Drop for Busybody {
    fn drop(&mut self) {
        *self.lock.lock().unwrap() += 1;
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
        if self.generation == 3 {
            return;
        }
        // A child of the same kind, which is refused and so dropped here and now.
        let next = self.next();
        let mut task = self.handle.create_task(async move {
            let _next = next;
            pending::<()>().await;
        });
        if matches!(task.try_outcome(), Some(Err(error)) if error.is_cancelled()) {
            self.refused.fetch_add(1, SeqCst);
        }
    }
}

#[test]
fn drops_that_spawn_wake_and_lock() {
    let test = "shutdown::drops_that_spawn_wake_and_lock";
    let Some(child) = Child::of(test).run(|_| {
        let runtime = Builder::new().workers(2).build().unwrap();
        let lock = Arc::new(Mutex::new(0));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let refused = Arc::new(AtomicUsize::new(0));
        let polled = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let busybody = Busybody {
                generation: 0,
                handle: runtime.handle().clone(),
                lock: lock.clone(),
                wakers: wakers.clone(),
                refused: refused.clone(),
            };
            let (wakers, polled) = (wakers.clone(), polled.clone());
            let task = runtime.create_task(async move {
                let _busybody = busybody;
                // Deaf to cancels, so that the hard end is what ends it.
                loop {
                    let wait = std::future::poll_fn(|cx| {
                        wakers.lock().unwrap().push(cx.waker().clone());
                        polled.fetch_add(1, SeqCst);
                        std::task::Poll::<()>::Pending
                    });
                    let _ = corrente::catch_cancel(wait).await;
                }
            });
            task.detach();
        }
        runtime
            .block_on(async {
                while polled.load(SeqCst) < 200 {
                    sleep(Duration::from_millis(1)).await;
                }
            })
            .unwrap();
        runtime.shutdown(Duration::from_millis(200));
        // Each has three descendants, one after the other.
        assert_eq!(*lock.lock().unwrap(), 800);
        assert_eq!(refused.load(SeqCst), 600, "what was spawned during the end must be cancelled");
    }) else {
        return;
    };
    child.well();
}

/// Polls once, outside of every runtime.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn resources_outlive_their_runtime() {
    let test = "shutdown::resources_outlive_their_runtime";
    let Some(child) = Child::of(test).run(|_| {
        let before = belongings();
        let runtime = Builder::new().workers(2).build().unwrap();
        let (listener, mut stream, _peer, mut nap) = runtime
            .block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let stream = TcpStream::connect(address).await.unwrap();
                let (peer, _) = listener.accept().await.unwrap();
                let mut nap = Box::pin(sleep(Duration::from_secs(3600)));
                assert!(futures_lite::future::poll_once(&mut nap).await.is_none());
                (listener, stream, peer, nap)
            })
            .unwrap();
        let handle = runtime.handle().clone();
        let mut timer = handle.call_later(Duration::from_secs(3600), || unreachable!());
        drop(runtime);
        let error = poll_once(stream.read(&mut [0])).expect("no wait").expect_err("no driver");
        assert!(error.to_string().contains("driver"), "{error}");
        assert!(poll_once(listener.accept()).is_none_or(|accepted| accepted.is_err()));
        assert!(poll_once(&mut nap).is_some(), "a timer that nobody looks at any more");
        timer.cancel();
        // What is queued now is dropped, with all that it holds.
        let held = Arc::new(());
        let inner = held.clone();
        drop(handle.call_later(Duration::from_millis(1), move || drop(inner)));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(
            TcpStream::try_from(
                std::net::TcpListener::bind("127.0.0.1:0")
                    .and_then(|l| { std::net::TcpStream::connect(l.local_addr()?) })
                    .unwrap()
            )
            .is_err()
        );
        // In another runtime they are of no use either, and say so.
        let error = Builder::new().workers(1).run(async { stream.read(&mut [0]).await });
        assert!(error.unwrap().is_err());
        drop((listener, stream, _peer, nap, timer, handle));
        assert_nothing_left(before);
    }) else {
        return;
    };
    let child = child.well();
    assert!(!child.stderr.contains("panicked"), "{child}");
}

#[test]
fn runtimes_in_statics_and_in_locals_of_threads() {
    let test = "shutdown::runtimes_in_statics_and_in_locals_of_threads";
    let Some(child) = Child::of(test).run(|_| {
        struct User(Handle);
        impl Drop for User {
            fn drop(&mut self) {
                let mut task = self.0.create_task(async { 1 });
                wait_until("the task is over", || task.done());
                drop(task.try_outcome());
                assert!(corrente::get_running_loop().is_err());
                assert!(corrente::current_task().is_none());
            }
        }
        thread_local! {
            static BEFORE: RefCell<Option<User>> = const { RefCell::new(None) };
            static LOCAL: Runtime = Builder::new().workers(2).build().unwrap();
            static AFTER: RefCell<Option<User>> = const { RefCell::new(None) };
        }
        static STATIC: OnceLock<Runtime> = OnceLock::new();
        let before = belongings();
        for _ in 0..10 {
            std::thread::spawn(|| {
                BEFORE.with(|user| drop(user.borrow()));
                let handle = LOCAL.with(|runtime| runtime.handle().clone());
                AFTER.with(|user| *user.borrow_mut() = Some(User(handle.clone())));
                BEFORE.with(|user| *user.borrow_mut() = Some(User(handle)));
                LOCAL.with(|runtime| {
                    runtime.create_task(pending::<()>()).detach();
                    runtime.block_on(async { sleep(Duration::from_millis(1)).await }).unwrap();
                });
            })
            .join()
            .expect("a destructor has panicked");
        }
        assert_nothing_left(before);
        let runtime = STATIC.get_or_init(|| Builder::new().workers(2).build().unwrap());
        runtime.create_task(pending::<()>()).detach();
        assert_eq!(runtime.block_on(async { create_task(async { 2 }).await }).unwrap(), 2);
        // The process ends with this runtime alive, which nobody ever drops.
    }) else {
        return;
    };
    let child = child.well();
    assert!(!child.stderr.contains("panicked"), "{child}");
}

#[test]
fn the_process_exits_with_workers_alive() {
    let test = "shutdown::the_process_exits_with_workers_alive";
    for place in ["main", "task", "blocking thread", "plain thread"] {
        for _ in 0..5 {
            let Some(child) = Child::of(test).argument(place).run(|place| {
                let runtime = Builder::new().workers(3).build().unwrap();
                let handle = runtime.handle().clone();
                for _ in 0..20 {
                    let task = handle.create_task(async {
                        loop {
                            sleep(Duration::from_micros(50)).await;
                            create_task(yield_now()).await;
                        }
                    });
                    task.detach();
                }
                let exit = || std::process::exit(7);
                let (send, receive) = channel::<()>();
                match place {
                    "main" => runtime
                        .block_on(async {
                            sleep(Duration::from_millis(2)).await;
                            exit()
                        })
                        .unwrap(),
                    "task" => handle
                        .create_task(async move {
                            sleep(Duration::from_millis(2)).await;
                            exit()
                        })
                        .detach(),
                    "blocking thread" => handle.run_in_executor(exit).detach(),
                    _ => drop(std::thread::spawn(exit)),
                }
                let _ = receive.recv_timeout(PATIENCE);
                drop(send);
            }) else {
                return;
            };
            assert_eq!(child.status.code(), Some(7), "{child}");
            assert!(!child.stderr.contains("panicked"), "{child}");
        }
    }
}
