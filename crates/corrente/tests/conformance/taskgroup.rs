//! Groups: who is cancelled, who is waited for, which errors come out.

use crate::vocabulary::*;

scenarios!("taskgroup":
    success, empty_group, child_failure, child_failure_after_body, several_failures, body_failure,
    body_and_child_errors, outer_cancel_in_body, outer_cancel_while_waiting, child_cancelled_alone, spawn_from_child,
    create_after_exit, create_while_aborting, nested_failure, nested_outer_failure, error_and_outer_cancel,
    stubborn_sibling, children_start_lazily, child_names,
);

async fn val(v: &'static str, d: u64) -> &'static str {
    nap(d).await;
    log!("{} {v} done", now());
    v
}

async fn fail(tag: &'static str, d: u64) -> Result<(), Boom> {
    nap(d).await;
    Err(Boom(tag))
}

async fn victim(name: &'static str) {
    if let Err(cancelled) = catch_cancel(nap(1000)).await {
        log!("{} {name} Cancelled", now());
        cancelled.resume().await;
    }
}

async fn success() {
    let group = TaskGroup::run(async |g| {
        let a = g.create_task(val("a", 20));
        let b = g.create_task(val("b", 10));
        log!("{} body ends", now());
        (a, b)
    });
    let (a, b) = group.await.unwrap();
    log!("{} {} {}", now(), a.await, b.await);
}

async fn empty_group() {
    TaskGroup::run(async |_| log!("body")).await.unwrap();
    log!("{} out", now());
}

async fn child_failure() {
    let group = TaskGroup::run(async |g| {
        g.create_task(victim("sibling"));
        g.create_task(fail("x", 10));
        if let Err(cancelled) = catch_cancel(nap(1000)).await {
            log!("{} body Cancelled", now());
            cancelled.resume().await;
        }
    });
    if let Err(eg) = group.await {
        log!("{} {}", now(), kind(&eg));
    }
    log!("cancelling={}", me().cancelling());
    nap(5).await;
    log!("{} parent goes on", now());
}

async fn child_failure_after_body() {
    let group = TaskGroup::run(async |g| {
        g.create_task(victim("sibling"));
        g.create_task(fail("x", 10));
    });
    if let Err(eg) = group.await {
        log!("{} {} cancelling={}", now(), kind(&eg), me().cancelling());
    }
}

async fn several_failures() {
    async fn bad_cleanup() -> Result<(), Boom> {
        let _ = catch_cancel(nap(1000)).await;
        nap(5).await;
        Err(Boom("cleanup"))
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(bad_cleanup());
        g.create_task(fail("first", 10));
    });
    if let Err(eg) = group.await {
        log!("{} {}", now(), kind(&eg));
    }
}

async fn body_failure() {
    let group = TaskGroup::run(async |g| {
        g.create_task(victim("child"));
        nap(10).await;
        Err::<(), _>(Boom("body"))
    });
    if let Err(eg) = group.await {
        log!("{} {}", now(), kind(&eg));
    }
}

async fn body_and_child_errors() {
    async fn bad_cleanup() -> Result<(), Boom> {
        let _ = catch_cancel(nap(1000)).await;
        Err(Boom("child"))
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(bad_cleanup());
        nap(10).await;
        Err::<(), _>(Boom("body"))
    });
    if let Err(eg) = group.await {
        log!("{}", kind(&eg));
    }
}

async fn outer_cancel_in_body() {
    let p = spawn(async {
        let group = TaskGroup::run(async |g| {
            g.create_task(victim("child"));
            nap(1000).await;
        });
        if let Err(cancelled) = catch_cancel(group).await {
            log!("{} out with Cancelled, cancelling={}", now(), me().cancelling());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{}", outcome(&p));
}

async fn outer_cancel_while_waiting() {
    let p = spawn(TaskGroup::run(async |g| {
        g.create_task(victim("child"));
        log!("body ended");
    }));
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{} {}", now(), outcome(&p));
}

async fn child_cancelled_alone() {
    let group = TaskGroup::run(async |g| {
        let t = g.create_task(victim("a"));
        g.create_task(val("b", 30));
        nap(10).await;
        t.cancel();
        t
    });
    let t = group.await.unwrap();
    log!("{} a is {}", now(), outcome(&t));
}

async fn spawn_from_child() {
    async fn parent_child(g: TaskGroup) {
        nap(10).await;
        g.create_task(val("grandchild", 10));
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(parent_child(g.clone()));
        log!("body ends");
    });
    group.await.unwrap();
    log!("{} out", now());
}

async fn create_after_exit() {
    let g = TaskGroup::run(async |g| Ok::<_, Boom>(g)).await.unwrap();
    if let Err(e) = g.try_create_task(val("never", 1)) {
        log!("{}", kind(&e));
    }
}

async fn create_while_aborting() {
    async fn late(g: TaskGroup) {
        if let Err(cancelled) = catch_cancel(nap(1000)).await {
            if let Err(e) = g.try_create_task(val("never", 1)) {
                log!("{} {}", now(), kind(&e));
            }
            cancelled.resume().await;
        }
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(late(g.clone()));
        g.create_task(fail("x", 10));
    });
    if let Err(eg) = group.await {
        log!("{}", kind(&eg));
    }
}

async fn nested_failure() {
    let group = TaskGroup::run(async |outer| {
        outer.create_task(victim("outer child"));
        TaskGroup::run(async |inner| {
            inner.create_task(victim("inner child"));
            inner.create_task(fail("x", 10));
        })
        .await
    });
    if let Err(eg) = group.await {
        log!("{} {}", now(), kind(&eg));
    }
}

async fn nested_outer_failure() {
    let group = TaskGroup::run(async |outer| {
        outer.create_task(fail("x", 10));
        let inner = TaskGroup::run(async |inner| {
            inner.create_task(victim("inner child"));
        });
        match catch_cancel(inner).await {
            Ok(ended) => ended,
            Err(cancelled) => {
                log!("{} inner group left with Cancelled", now());
                match cancelled.resume().await {}
            }
        }
    });
    if let Err(eg) = group.await {
        log!("{} {} cancelling={}", now(), kind(&eg), me().cancelling());
    }
}

async fn error_and_outer_cancel() {
    async fn slow_cleanup() {
        with_cleanup(nap(1000), nap(50)).await;
    }
    let p = spawn(async {
        let group = TaskGroup::run(async |g| {
            g.create_task(slow_cleanup());
            g.create_task(fail("x", 10));
        });
        if let Err(eg) = group.await {
            log!("{} {} cancelling={}", now(), kind(&eg), me().cancelling());
        }
        if let Err(cancelled) = catch_cancel(nap(1000)).await {
            log!("{} Cancelled at next await", now());
            cancelled.resume().await;
        }
    });
    nap(20).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{}", outcome(&p));
}

async fn stubborn_sibling() {
    async fn stubborn() -> &'static str {
        if catch_cancel(nap(1000)).await.is_err() {
            log!("{} ignoring", now());
        }
        nap(40).await;
        "kept"
    }
    let mut t = None;
    let group = TaskGroup::run(async |g| {
        t = Some(g.create_task(stubborn()));
        g.create_task(fail("x", 10));
    });
    if let Err(eg) = group.await {
        log!("{} {} stubborn {}", now(), kind(&eg), outcome(&t.unwrap()));
    }
}

async fn children_start_lazily() {
    async fn child(n: i32) {
        log!("child {n}");
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(child(1));
        g.create_task(child(2));
        log!("body before any child");
        sleep_zero().await;
        log!("body after children");
    });
    group.await.unwrap();
}

async fn child_names() {
    let group = TaskGroup::run(async |g| {
        let t = g.task().name("worker-1").spawn(nap(1));
        log!("{}", t.name());
    });
    group.await.unwrap();
}
