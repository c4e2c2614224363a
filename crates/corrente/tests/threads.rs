//! Blocking functions and other threads: the runtime's pool, the user's own, and calling in from outside.

use corrente::{
    Builder, ContextVar, ExecutorJob, Stall, TaskError, create_task, get_running_loop,
    run_in_executor, sleep, timeout, to_thread,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A pool of one thread. It ends when the sender is dropped.
fn own_pool() -> (mpsc::Sender<ExecutorJob>, thread::JoinHandle<()>) {
    let (pool, jobs) = mpsc::channel::<ExecutorJob>();
    (pool, thread::spawn(move || jobs.into_iter().for_each(|job| job())))
}

#[test]
fn a_function_runs_on_the_users_pool() {
    static VAR: ContextVar<u32> = ContextVar::new(|| 0);
    let (pool, thread) = own_pool();
    let own = thread.thread().id();
    let execute = |job| pool.send(job).unwrap();
    corrente::run(async {
        let _ = VAR.set(1);
        let seen = run_in_executor(execute, || {
            (thread::current().id(), VAR.get(), get_running_loop().is_ok())
        });
        assert_eq!(seen.await, (own, 0, true));
        // It has begun before anybody awaits it.
        let (send, received) = mpsc::channel();
        let begun = run_in_executor(execute, move || send.send(()).unwrap());
        received.recv().unwrap();
        begun.await;
        let caught =
            create_task(run_in_executor(execute, || panic!("in the pool"))).outcome().await;
        assert!(
            matches!(caught, Err(TaskError::Panicked(panic)) if panic.to_string().contains("in the pool"))
        );
        // The pool goes on.
        assert_eq!(run_in_executor(execute, || 7).await, 7);
    });
    drop(pool);
    thread.join().unwrap();
}

#[test]
fn on_the_users_pool_a_function_that_has_not_begun_is_dropped_by_a_cancel() {
    let (pool, thread) = own_pool();
    let execute = |job| pool.send(job).unwrap();
    corrente::run(async {
        let (release, released) = mpsc::channel::<()>();
        let first = run_in_executor(execute, move || released.recv().unwrap());
        let owned = Arc::new(());
        let kept = owned.clone();
        let second = run_in_executor(execute, move || panic!("it was called, with {kept:?}"));
        assert!(timeout(Duration::from_millis(5), second).await.is_err());
        assert_eq!(Arc::strong_count(&owned), 1, "dropped, though the pool is busy");
        release.send(()).unwrap();
        first.await;
        assert_eq!(run_in_executor(execute, || 3).await, 3);
    });
    drop(pool);
    thread.join().unwrap();
}

#[test]
fn a_pool_that_drops_its_jobs_is_found_out() {
    corrente::run(async {
        let lost = create_task(run_in_executor(drop, || 1)).outcome().await;
        assert!(
            matches!(lost, Err(TaskError::Panicked(panic)) if panic.to_string().contains("dropped the job"))
        );
    });
}

#[test]
fn on_the_runtimes_pool_a_function_that_has_not_begun_is_never_called() {
    let main = async {
        let blocking = || get_running_loop().unwrap().metrics().blocking;
        let (release, released) = mpsc::channel::<()>();
        let first = create_task(to_thread(move || released.recv().unwrap()));
        while (blocking().threads, blocking().idle, blocking().queued) != (1, 0, 0) {
            sleep(Duration::from_millis(1)).await;
        }
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let second = create_task(to_thread(move || count.fetch_add(1, SeqCst)));
        while blocking().queued == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        second.cancel();
        // At once, though the only thread is busy.
        assert!(matches!(second.outcome().await, Err(TaskError::Cancelled(_))));
        release.send(()).unwrap();
        first.await;
        assert_eq!(to_thread(|| 3).await, 3);
        assert_eq!(calls.load(SeqCst), 0);
    };
    Builder::new().max_blocking_threads(1).run(main).unwrap();
}

#[test]
fn there_are_never_more_threads_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let main = async {
        let together = Arc::new(Barrier::new(3));
        let jobs: Vec<_> = (0..30)
            .map(|_| {
                let (now, most, together) = (now.clone(), most.clone(), together.clone());
                create_task(to_thread(move || {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    together.wait();
                    now.fetch_sub(1, SeqCst);
                }))
            })
            .collect();
        for job in jobs {
            job.await;
        }
        assert_eq!(get_running_loop().unwrap().metrics().blocking.threads, 3);
    };
    Builder::new().max_blocking_threads(3).run(main).unwrap();
    assert_eq!(most.load(SeqCst), 3);
}

/// A job that waits for a job, in a pool of one thread: said after a second, with the place in the program.
#[test]
fn a_pool_that_waits_for_itself_is_reported_by_name() {
    let (told, telling) = mpsc::channel();
    let hook = move |stall: &Stall| told.send((stall.queued, stall.to_string())).unwrap();
    let main = async {
        let handle = get_running_loop().unwrap();
        let (give_up, gave_up) = mpsc::channel::<()>();
        let outer = create_task(to_thread(move || {
            let inner = handle.run_in_executor(|| ());
            gave_up.recv().unwrap();
            inner.done()
        }));
        let (queued, text) = create_task(run_in_executor(
            |job| drop(thread::spawn(job)),
            move || telling.recv().unwrap(),
        ))
        .await;
        assert_eq!(queued, 1);
        assert!(
            text.contains("do they wait for each other") && text.contains("threads.rs:"),
            "{text}"
        );
        give_up.send(()).unwrap();
        assert!(!outer.await, "the inner job could not run");
    };
    Builder::new().max_blocking_threads(1).on_blocking_stall(hook).run(main).unwrap();
}

#[test]
fn a_plain_thread_calls_in() {
    corrente::run(async {
        let handle = get_running_loop().unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let said = order.clone();
        let from_outside = thread::spawn(move || {
            let soon = said.clone();
            handle.call_soon(move || soon.lock().unwrap().push("soon"));
            let waits = handle.run_threadsafe(async move {
                sleep(Duration::from_millis(1)).await;
                said.lock().unwrap().push("task");
                6 * 7
            });
            waits.result()
        });
        let joined = run_in_executor(|job| drop(thread::spawn(job)), move || from_outside.join());
        assert_eq!(joined.await.unwrap().unwrap(), 42);
        assert_eq!(*order.lock().unwrap(), ["soon", "task"]);
    });
}
