//! Groups: errors as a tree, split by type, panics, clean-ups, misuse; nothing outlives a group.

use corrente::{
    Error, ErrorGroup, GroupClosed, TaskGroup, catch_cancel, create_task, join, sleep,
    with_cleanup, yield_now,
};
use std::io;
use std::num::ParseIntError;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

async fn io_error() -> io::Result<()> {
    Err(io::Error::other("no disk"))
}

async fn parse_error() -> Result<u32, ParseIntError> {
    "x".parse::<u32>()
}

#[corrente::test]
async fn errors_are_split_by_type_also_out_of_nested_groups() {
    let error = TaskGroup::run(async |group| {
        group.task().name("disk").spawn(io_error());
        TaskGroup::run(async |inner| {
            inner.create_task(parse_error());
            sleep(LONG).await;
        })
        .await
    })
    .await
    .unwrap_err();
    // Whichever came first, the other may have been cancelled before it could fail.
    let text = error.to_string();
    assert!(text.contains("in a task group"), "{text}");
    let (io, rest) = error.split::<io::Error>();
    let parse = rest.map(|rest| rest.split::<ParseIntError>());
    match parse {
        Some((parse, None)) => assert!(io.len() + parse.len() >= 1),
        None => assert_eq!(io.len(), 1),
        Some((_, Some(rest))) => panic!("what is left? {rest}"),
    }
}

#[test]
fn a_tree_prints_with_names() {
    let error = corrente::Builder::new().fifo().run(async {
        TaskGroup::run(async |group| {
            let both = async {
                TaskGroup::run(async |inner| {
                    // One that fails because it is told to stop.
                    inner.task().name("disk").spawn(async {
                        match catch_cancel(sleep(LONG)).await {
                            Ok(()) => Ok(()),
                            Err(_) => io_error().await,
                        }
                    });
                    sleep(SHORT).await;
                    inner.task().name("parser").spawn(parse_error());
                })
                .await
            };
            group.task().name("worker").spawn(both);
        })
        .await
    });
    let text = error.unwrap().unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "1 error in a task group");
    assert!(lines[1].starts_with("└─ worker: 2 errors in a task group"), "{text}");
    assert!(lines[2].contains("├─ parser: invalid digit"), "{text}");
    assert!(lines[3].contains("└─ disk: no disk"), "{text}");
}

#[corrente::test]
async fn split_by_a_predicate_keeps_the_tree() {
    let mut group = TaskGroup::run(async |group| {
        group.create_task(io_error());
    })
    .await
    .unwrap_err();
    let (yes, no) = group.split_by(|error| error.is::<io::Error>());
    group = yes.unwrap();
    assert!(no.is_none());
    assert_eq!(group.len(), 1);
    assert_eq!(group.into_errors().len(), 1);
}

#[corrente::test]
async fn a_panic_stops_the_siblings_and_comes_out_after_their_clean_ups() {
    let cleaned = Arc::new(AtomicU32::new(0));
    let count = cleaned.clone();
    let outcome = create_task(async move {
        TaskGroup::run(async |group| {
            for _ in 0..3 {
                let count = count.clone();
                group.create_task(with_cleanup(sleep(LONG), async move {
                    sleep(SHORT).await;
                    count.fetch_add(1, SeqCst);
                }));
            }
            sleep(SHORT).await;
            group.create_task(async {
                if true {
                    panic!("a child")
                }
            });
            sleep(LONG).await;
        })
        .await
    })
    .outcome()
    .await;
    let error = outcome.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("a child"), "{error}");
    assert_eq!(cleaned.load(SeqCst), 3);
}

#[corrente::test]
async fn a_panic_is_not_hidden_by_the_error_that_came_first() {
    let group = create_task(TaskGroup::run(async |group| {
        group.create_task(with_cleanup(sleep(LONG), async {
            if true {
                panic!("while cleaning up")
            }
        }));
        sleep(SHORT).await;
        group.create_task(parse_error());
        sleep(LONG).await;
    }));
    let error = group.outcome().await.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("while cleaning up"), "{error}");
}

#[corrente::test]
async fn a_panic_of_the_body_stops_the_children() {
    let cleaned = Arc::new(AtomicU32::new(0));
    let count = cleaned.clone();
    let outcome = create_task(async move {
        TaskGroup::run(async |group| {
            group.create_task(with_cleanup(sleep(LONG), async move {
                count.fetch_add(1, SeqCst);
            }));
            sleep(SHORT).await;
            if true {
                panic!("the body");
            }
        })
        .await
    })
    .outcome()
    .await;
    assert!(outcome.unwrap_err().is_panic());
    assert_eq!(cleaned.load(SeqCst), 1);
}

#[corrente::test]
async fn a_group_that_has_ended_takes_no_more() {
    let kept = Arc::new(Mutex::new(None::<TaskGroup>));
    let slot = kept.clone();
    TaskGroup::run(async |group| *slot.lock().unwrap() = Some(group)).await.unwrap();
    let group = kept.lock().unwrap().take().unwrap();
    let error: GroupClosed = group.try_create_task(async {}).unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
    let outcome = create_task(async move { drop(group.create_task(async {})) }).outcome().await;
    assert!(outcome.unwrap_err().to_string().contains("has ended"));
}

#[corrente::test]
async fn a_group_that_is_shutting_down_takes_no_more() {
    let error = TaskGroup::run(async |group| {
        group.create_task(io_error());
        if let Err(cancelled) = catch_cancel(sleep(LONG)).await {
            assert!(group.is_closed());
            assert!(group.try_create_task(async {}).is_err());
            assert!(
                group
                    .create_task(async { assert!(std::hint::black_box(false), "it never starts") })
                    .outcome()
                    .await
                    .is_err()
            );
            match cancelled.resume().await {}
        }
    })
    .await
    .unwrap_err();
    assert_eq!(error.len(), 1);
}

#[corrente::test]
async fn a_group_can_be_cancelled_from_inside() {
    let value = TaskGroup::run(async |group| {
        let stop = group.clone();
        group.create_task(sleep(LONG));
        group.create_task(async move {
            sleep(SHORT).await;
            stop.cancel();
        });
        "the body has its value"
    });
    assert_eq!(value.await.unwrap(), "the body has its value");
    let interrupted = TaskGroup::run(async |group| {
        group.cancel();
        sleep(LONG).await;
    });
    let errors: ErrorGroup = interrupted.await.unwrap_err();
    assert!(errors.errors().all(|error| error.is::<corrente::Cancelled>()));
    // The request was taken back: this waits.
    sleep(SHORT).await;
    assert_eq!(corrente::current_task().unwrap().cancelling(), 0);
}

#[corrente::test]
async fn a_dropped_group_aborts_its_children() {
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let inside = Dropped(dropped.clone());
    let mut group = Box::pin(TaskGroup::run(async move |group: TaskGroup| {
        group.create_task(async move {
            let _inside = inside;
            sleep(LONG).await;
        });
        sleep(LONG).await;
    }));
    std::future::poll_fn(|cx| {
        assert!(group.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(group);
    while dropped.load(SeqCst) == 0 {
        sleep(SHORT).await;
    }
}

#[corrente::test]
async fn many_children_on_all_workers() {
    for _ in 0..20 {
        let sum = Arc::new(AtomicU32::new(0));
        let total = sum.clone();
        TaskGroup::run(async |group| {
            for n in 0..500 {
                let (sum, inner) = (sum.clone(), group.clone());
                group.create_task(async move {
                    if n % 10 == 0 {
                        let sum = sum.clone();
                        inner.create_task(async move { sum.fetch_add(1, SeqCst) });
                    }
                    sum.fetch_add(1, SeqCst);
                    Ok::<(), Error>(())
                });
            }
        })
        .await
        .unwrap();
        assert_eq!(total.load(SeqCst), 550);
    }
}

/// The group asks the child to stop, and so does the body, which waits for it: here late, since it is held up
/// until the child's clean-up has begun. A second request would cut that short.
#[corrente::test(workers = 2)]
async fn a_child_that_the_body_awaits_is_asked_once() {
    let (held_up, cleaned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, begun) = std::sync::mpsc::channel();
    let (until, note) = (held_up.clone(), cleaned.clone());
    let ended = TaskGroup::run(async move |group| {
        let child = group.create_task(with_cleanup(std::future::pending::<()>(), async move {
            begins.send(()).unwrap();
            sleep(Duration::from_millis(20)).await;
            note.store(true, SeqCst);
        }));
        group.create_task(async move {
            while !until.load(SeqCst) {
                yield_now().await;
            }
            Err::<(), _>("stop")
        });
        join!(child, async move {
            yield_now().await;
            held_up.store(true, SeqCst);
            begun.recv_timeout(Duration::from_secs(60)).unwrap();
        });
    });
    assert_eq!(ended.await.unwrap_err().len(), 1);
    assert!(cleaned.load(SeqCst), "the clean-up was cut short");
}
