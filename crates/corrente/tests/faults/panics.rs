//! Panics in places where they are least welcome (fault 13).

use crate::child::Child;
use corrente::{Builder, create_task, sleep};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::time::Duration;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        panic!("the payload's own panic");
    }
}

#[test]
fn a_payload_whose_drop_panics() {
    let test = "panics::a_payload_whose_drop_panics";
    let Some(child) = Child::of(test).run(|_| {
        for workers in [1, 2] {
            let run = Builder::new().workers(workers).on_unobserved(|_| {}).run(async {
                for n in 0..50 {
                    let task = create_task(async { panic_any(Bomb) });
                    match n % 4 {
                        // Never read.
                        0 => task.detach(),
                        1 => {
                            let error = task.outcome().await.expect_err("it panicked");
                            assert!(error.is_panic());
                            // Whoever drops the error is its owner: contained or not, nobody else suffers.
                            let _ = catch_unwind(AssertUnwindSafe(|| drop(error)));
                        }
                        2 => {
                            // It goes on in another task, and ends there.
                            let outer = create_task(task);
                            assert!(outer.outcome().await.is_err_and(|error| {
                                let is_panic = error.is_panic();
                                let _ = catch_unwind(AssertUnwindSafe(|| drop(error)));
                                is_panic
                            }));
                        }
                        _ => {
                            task.finished().await;
                            task.abort();
                            drop(task);
                        }
                    }
                }
                sleep(Duration::from_millis(5)).await;
                create_task(async { 5 }).await
            });
            assert_eq!(run.expect("main returns"), 5);
        }
    }) else {
        return;
    };
    child.well();
}

#[test]
fn a_panic_while_panicking_aborts_and_only_that() {
    let test = "panics::a_panic_while_panicking_aborts_and_only_that";
    for (case, aborts) in [("poll", false), ("drop", false), ("both", true)] {
        let Some(child) = Child::of(test).argument(case).run(|case| {
            struct Always;
            impl Drop for Always {
                fn drop(&mut self) {
                    panic!("from the drop");
                }
            }
            let case = case.to_owned();
            let run = Builder::new().workers(2).run(async {
                let task = create_task(async move {
                    let _bomb = (case != "poll").then_some(Always);
                    sleep(Duration::from_millis(1)).await;
                    if case != "drop" {
                        panic!("from the poll");
                    }
                });
                assert!(task.outcome().await.is_err_and(|error| error.is_panic()));
                create_task(async { 5 }).await
            });
            assert_eq!(run.unwrap(), 5);
        }) else {
            return;
        };
        if aborts {
            assert_eq!(child.status.signal(), Some(6), "{child}");
            assert!(child.stderr.contains("from the poll"), "{child}");
            assert!(child.stderr.contains("from the drop"), "{child}");
        } else {
            child.well();
        }
    }
}
