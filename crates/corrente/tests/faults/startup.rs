//! Threads and descriptors run out, at the start and later (faults 1, 2, 3, 5).

use crate::child::{Child, assert_nothing_left, belongings, have, is_child, wait_until};
use corrente::{Builder, create_task, sleep, to_thread};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

fn no_thread() -> io::Error {
    io::Error::from(io::ErrorKind::WouldBlock)
}

/// Builds a runtime, uses it, and drops it.
fn works(builder: Builder) {
    let answer = builder.run(async {
        sleep(Duration::from_millis(1)).await;
        create_task(async { 42 }).await
    });
    assert_eq!(answer.expect("a runtime"), 42);
}

#[test]
fn whichever_thread_cannot_be_started() {
    let test = "startup::whichever_thread_cannot_be_started";
    let Some(child) = Child::of(test).run(|_| {
        works(Builder::new().workers(2));
        let before = belongings();
        for workers in [1, 2, 4, 9] {
            // The caller is a worker, but there is the watchdog.
            for failing in 0..workers {
                let asked = AtomicUsize::new(0);
                let fault = move |_: &str| (asked.fetch_add(1, SeqCst) == failing).then(no_thread);
                let built = Builder::new().workers(workers).thread_fault(Arc::new(fault)).build();
                let error = built.expect_err("a thread was refused").to_string();
                assert!(error.contains("could not be started"), "{error}");
                assert_nothing_left(before);
            }
            works(Builder::new().workers(workers));
            assert_nothing_left(before);
        }
    }) else {
        return;
    };
    child.well();
}

/// A user that nobody else is, so that nobody else's threads count, and a program that it may read.
struct Nobody {
    user: u32,
    program: PathBuf,
}

impl Nobody {
    fn new(test: &str) -> Option<Self> {
        if !have(&["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"], test)
            || !have(&["prlimit", "--nproc=1000"], test)
        {
            return None;
        }
        let number = test.bytes().fold(std::process::id(), |sum, byte| sum + u32::from(byte));
        let user = 64_000 + number % 1_500;
        let program = std::env::temp_dir().join(format!("corrente-faults-{user}"));
        // By a process of its own: a child that another test starts meanwhile would inherit a descriptor that writes to
        // the copy, and as long as it has that the copy cannot be executed.
        let original = std::env::current_exe().expect("a path");
        match Command::new("cp").arg(original).arg(&program).status() {
            Ok(status) if status.success() => Some(Self { user, program }),
            outcome => {
                eprintln!("SKIPPED: {test}: no place for a copy of this program: {outcome:?}");
                None
            }
        }
    }

    fn child(&self, test: &'static str, threads: usize) -> Child {
        let (user, group) = (format!("--reuid={}", self.user), format!("--regid={}", self.user));
        let limit = format!("--nproc={threads}:1000");
        Child::of(test)
            .under(&["setpriv", &user, &group, "--clear-groups", "prlimit", &limit])
            .program(self.program.clone())
            .argument(threads)
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.program);
    }
}

#[test]
fn a_real_limit_on_threads() {
    let test = "startup::a_real_limit_on_threads";
    let body = |_: &str| {
        let before = belongings();
        for _ in 0..3 {
            match Builder::new().workers(4).build() {
                Ok(runtime) => {
                    println!("outcome built");
                    assert_eq!(
                        runtime.block_on(async { create_task(async { 1 }).await }).unwrap(),
                        1
                    );
                }
                Err(error) => println!("outcome {error}"),
            }
            assert_nothing_left(before);
        }
    };
    if is_child() {
        Child::of(test).run(body);
        return;
    }
    let Some(nobody) = Nobody::new(test) else { return };
    // The caller is one thread; three workers and the watchdog come to it. The kernel lets go of the count
    // of a thread a moment after its end, so a limit in between may go either way.
    for threads in 1..=8 {
        let Some(child) = nobody.child(test, threads).run(body) else { return };
        let child = child.well();
        if threads < 5 {
            assert!(child.stdout.contains("could not be started"), "{child}");
            assert!(!child.stdout.contains("outcome built"), "{child}");
        }
        if threads == 8 {
            assert!(child.stdout.contains("outcome built"), "{child}");
        }
    }
}

#[test]
fn descriptors_run_out_at_the_start() {
    let test = "startup::descriptors_run_out_at_the_start";
    let body = |_: &str| {
        let low = getrlimit(Resource::Nofile);
        let high = Rlimit { current: Some(100), ..low };
        setrlimit(Resource::Nofile, high).unwrap();
        let before = belongings();
        setrlimit(Resource::Nofile, low).unwrap();
        for _ in 0..3 {
            let built = Builder::new().workers(2).build();
            match &built {
                Ok(_) => println!("outcome built"),
                Err(error) => println!("outcome {error}"),
            }
            drop(built);
        }
        setrlimit(Resource::Nofile, high).unwrap();
        assert_nothing_left(before);
        works(Builder::new().workers(2));
        assert_nothing_left(before);
    };
    if is_child() {
        Child::of(test).run(body);
        return;
    }
    if !have(&["prlimit", "--nofile=64:128"], test) {
        return;
    }
    let (mut built, mut refused) = (0, 0);
    for descriptors in 3..=12 {
        let limit = format!("--nofile={descriptors}:128");
        let tool = ["prlimit", limit.as_str()];
        let Some(child) = Child::of(test).under(&tool).argument(descriptors).run(body) else {
            return;
        };
        if child.stderr.contains("shared libraries") {
            eprintln!("{descriptors} descriptors do not even load this program");
            continue;
        }
        let child = child.well();
        if child.stdout.contains("outcome built") {
            built += 1;
        } else {
            assert!(child.stdout.contains("`ulimit -n`"), "{child}");
            refused += 1;
        }
    }
    assert!(built > 0 && refused > 0, "{built} built, {refused} refused: the sweep shows nothing");
}

/// The system call that fails, and what its failure says.
#[test]
fn whichever_system_call_fails_at_the_start() {
    let test = "startup::whichever_system_call_fails_at_the_start";
    if !have(&["strace", "-f", "-o", "/dev/null"], test) {
        return;
    }
    // Counted by thread. The harness starts one for the test; refused that too, it calls the test itself.
    let threads = ["1..2", "2", "3", "4"]
        .map(|which| (format!("clone3:error=EAGAIN:when={which}"), "could not be started"));
    let descriptors = ["epoll_create1", "eventfd2", "timerfd_create"]
        .map(|call| (format!("{call}:error=EMFILE:when=1+"), "`ulimit -n`"));
    for (fault, remedy) in threads.into_iter().chain(descriptors) {
        let call = fault.split_once(':').map_or("", |(call, _)| call);
        let (trace, inject) = (format!("trace={call}"), format!("inject={fault}"));
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let Some(child) = Child::of(test).under(&strace).argument(&fault).run(|_| {
            let before = belongings();
            match Builder::new().workers(4).build() {
                Ok(_) => println!("outcome built"),
                Err(error) => println!("outcome {error}"),
            }
            assert_nothing_left(before);
        }) else {
            return;
        };
        let child = child.well();
        assert!(child.stdout.contains("outcome ") && child.stdout.contains(remedy), "{child}");
    }
}

#[test]
fn no_thread_for_a_blocking_function() {
    let test = "startup::no_thread_for_a_blocking_function";
    let Some(child) = Child::of(test).run(|_| {
        // How many may be started; then the system refuses.
        for allowed in [0, 1, 3] {
            let started = AtomicUsize::new(0);
            let refusing = Arc::new(AtomicBool::new(true));
            let on = refusing.clone();
            let fault = move |name: &str| {
                let counts = name.contains("blocking") && on.load(SeqCst);
                (counts && started.fetch_add(1, SeqCst) >= allowed).then(no_thread)
            };
            let builder = Builder::new().workers(2).thread_fault(Arc::new(fault));
            let run = builder.run(async {
                let this = corrente::get_running_loop().unwrap();
                let jobs: Vec<_> = (0..40)
                    .map(|n| {
                        this.run_in_executor(move || {
                            std::thread::sleep(Duration::from_millis(1));
                            n
                        })
                    })
                    .collect();
                for (n, job) in jobs.into_iter().enumerate() {
                    match job.outcome().await {
                        Ok(value) => assert!(value == n && allowed > 0),
                        Err(error) => {
                            assert!(allowed == 0 && error.is_cancelled(), "{error}");
                            let text = error.to_string();
                            assert!(text.contains("no thread could be started"), "{text}");
                        }
                    }
                }
                // The next one comes when there are threads again.
                refusing.store(false, SeqCst);
                sleep(Duration::from_millis(30)).await;
                while this.run_in_executor(|| 7).outcome().await.ok() != Some(7) {
                    sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(to_thread(|| 8).await, 8);
            });
            run.expect("main returns");
        }
    }) else {
        return;
    };
    child.well();
}

#[test]
fn a_real_limit_on_blocking_threads() {
    let test = "startup::a_real_limit_on_blocking_threads";
    let body = |_: &str| {
        let high = getrlimit(Resource::Nproc);
        let low = Rlimit { current: Some(1), ..high };
        let before = belongings();
        for with_pool in [false, true] {
            let runtime = Builder::new().workers(2).build().unwrap();
            runtime
                .block_on(async {
                    let this = corrente::get_running_loop().unwrap();
                    if with_pool {
                        assert_eq!(to_thread(|| 1).await, 1);
                    }
                    setrlimit(Resource::Nproc, low).unwrap();
                    let jobs: Vec<_> = (0..20).map(|n| this.run_in_executor(move || n)).collect();
                    for (n, job) in jobs.into_iter().enumerate() {
                        match job.outcome().await {
                            Ok(value) => assert_eq!((value, with_pool), (n, true)),
                            Err(error) => {
                                assert!(
                                    !with_pool && error.to_string().contains("no thread could")
                                );
                            }
                        }
                    }
                    setrlimit(Resource::Nproc, high).unwrap();
                    while this.run_in_executor(|| 7).outcome().await.ok() != Some(7) {
                        sleep(Duration::from_millis(1)).await;
                    }
                })
                .unwrap();
            drop(runtime);
            assert_nothing_left(before);
        }
    };
    if is_child() {
        Child::of(test).run(body);
        return;
    }
    let Some(nobody) = Nobody::new(test) else { return };
    if let Some(child) = nobody.child(test, 900).run(body) {
        child.well();
    }
}

#[test]
fn from_one_worker_to_sixty_four_and_not_none() {
    let test = "startup::from_one_worker_to_sixty_four_and_not_none";
    let Some(child) = Child::of(test).run(|_| {
        let before = belongings();
        for workers in [1, 2, 64] {
            works(Builder::new().workers(workers));
        }
        let error = Builder::new().workers(0).build().expect_err("no worker").to_string();
        assert!(error.contains("worker"), "{error}");
        wait_until("all threads are gone", || belongings().0 <= before.0);
        assert_nothing_left(before);
    }) else {
        return;
    };
    child.well();
}
