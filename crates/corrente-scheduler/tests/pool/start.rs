//! Starting: a pool whose threads all run, or an error and nothing left behind.

use crate::support::{block_on, config, pool, spawn, wait_until};
use corrente_scheduler::{Config, Hooks, NoDriver, Order, Pool, StartError};
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn try_start(config: Config) -> Result<Pool, StartError> {
    Pool::start(config, Box::new(NoDriver::new()), Hooks::default())
}

#[test]
fn from_one_worker_to_sixty_four() {
    for workers in [1, 2, 3, 64] {
        let pool = pool(workers);
        assert_eq!(pool.handle().workers(), workers);
        assert_eq!(block_on(&pool, async { spawn(async { 42 }).await }), 42);
    }
}

#[test]
fn misuse_is_refused() {
    assert!(matches!(try_start(config(0)), Err(StartError::NoWorkers)));
    assert!(matches!(try_start(config(65)), Err(StartError::TooManyWorkers { asked: 65 })));
    let fifo = Config { order: Order::Fifo, ..config(2) };
    assert!(matches!(try_start(fifo), Err(StartError::FifoIsSerial { asked: 2 })));
    let stack = Config { stack_size: Some(1), ..config(1) };
    assert!(matches!(try_start(stack), Err(StartError::BadStackSize { asked: 1 })));
}

fn threads_named(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: &std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.filter(|task| name(task).is_ok_and(|name| name.starts_with(prefix))).count()
}

#[test]
fn whichever_thread_cannot_be_started() {
    // Three workers beside the caller, and the watchdog.
    for failing in 0..4 {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let fault = move |_: &str| {
            let this = count.fetch_add(1, Ordering::Relaxed);
            (this == failing).then(|| io::Error::from(io::ErrorKind::WouldBlock))
        };
        let config =
            Config { name: "refused".into(), thread_fault: Some(Arc::new(fault)), ..config(4) };
        match try_start(config) {
            Err(error @ StartError::Thread { .. }) => {
                assert!(error.to_string().contains("refused-"), "{error}");
                assert!(error.to_string().contains("could not be started"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(asked.load(Ordering::Relaxed), failing + 1);
        wait_until("its threads are gone", || threads_named("refused") == 0);
    }
}

const CHILD: &str = "CORRENTE_TEST_THREADS_LEFT";

/// What the child of the next test does: under a real limit on threads it must end by an error.
#[test]
fn child_under_a_limit() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let outcome = try_start(Config { name: "limited".into(), ..config(4) });
    println!("outcome: {:?}", outcome.map(|_| ()));
    wait_until("its threads are gone", || threads_named("limited") == 0);
    println!("left: 0");
}

#[test]
fn a_real_limit_on_threads() {
    // As nobody, who may have only so many threads; this one and the test's own are two.
    let exe = std::env::current_exe().expect("this program");
    let copy = std::env::temp_dir().join(format!("corrente-start-{}", std::process::id()));
    if std::fs::copy(&exe, &copy).is_err() {
        return eprintln!("skipped: no place for a copy of the test program");
    }
    for threads in 3..7 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65533", "--regid=65533", "--clear-groups", "prlimit"]);
        command.arg(format!("--nproc={threads}")).arg("timeout").args(["-k1", "20"]).arg(&copy);
        command.args(["--exact", "start::child_under_a_limit", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, "1");
        let Ok(output) = command.output() else {
            eprintln!("skipped: no setpriv here");
            break;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        if !text.contains("outcome:") {
            eprintln!("skipped at {threads} threads: the test's own thread was refused ({text})");
            continue;
        }
        // `timeout`, the test's main thread and the test take three; the pool wants four more.
        if threads < 7 {
            assert!(text.contains("outcome: Err(Thread"), "{threads} threads: {text}");
        }
        assert!(text.contains("left: 0"), "{text}");
    }
    let _ = std::fs::remove_file(copy);
}
