//! Limits on time: `timeout` around a block, `wait_for` around one awaitable.

use crate::vocabulary::*;

scenarios!("timeouts":
    basic, in_time, none_then_reschedule, at, reschedule_later, zero_without_await, zero_with_await, negative,
    nested_inner_first, nested_outer_first, foreign_cancel, cancel_and_timeout, foreign_error_after_expiry, swallowed,
    around_taskgroup, wait_for_in_time, wait_for_waits_for_cleanup, wait_for_swallow_wins, wait_for_error_wins,
    wait_for_cancelled, wait_for_shield, same_deadline_nested, cleanup_timeout_keeps_cancel,
    cancel_then_deadline,
);

async fn basic() {
    let mut t = None;
    let block = timeout_scope(ms(20), async |limit| {
        t = Some(limit);
        if let Err(cancelled) = catch_cancel(nap(100)).await {
            log!("{} inside: Cancelled", now());
            cancelled.resume().await;
        }
    });
    if block.await.is_err() {
        log!("{} outside: Timeout expired={}", now(), t.unwrap().expired());
    }
    log!("cancelling={}", me().cancelling());
}

async fn in_time() {
    let block = timeout_scope(ms(20), async |t| {
        nap(10).await;
        t
    });
    let t = block.await.unwrap();
    log!("{} expired={}", now(), t.expired());
    nap(50).await;
    log!("{} fine", now());
}

async fn none_then_reschedule() {
    let block = timeout_scope(None, async |t| {
        log!("when={}", t.when().map_or("none".into(), |when| when.as_millis().to_string()));
        nap(500).await;
        t.reschedule(the_loop().time() + ms(10)).unwrap();
        log!("when={}", t.when().unwrap().as_millis());
        nap(100).await;
    });
    if block.await.is_err() {
        log!("{} Timeout", now());
    }
}

async fn at() {
    nap(30).await;
    if timeout_at(ms(50), nap(100)).await.is_err() {
        log!("{} Timeout", now());
    }
}

async fn reschedule_later() {
    let block = timeout_scope(ms(20), async |t| {
        nap(10).await;
        t.reschedule(ms(100)).unwrap();
        nap(80).await;
        log!("{} alive", now());
        t
    });
    log!("expired={}", block.await.unwrap().expired());
}

async fn zero_without_await() {
    let block = timeout_scope(ms(0), async |t| {
        log!("body");
        t
    });
    log!("expired={}", block.await.unwrap().expired());
}

async fn zero_with_await() {
    let mut t = None;
    let block = timeout_scope(ms(0), async |limit| {
        t = Some(limit);
        nap(10).await;
        log!("never");
    });
    if block.await.is_err() {
        log!("{} Timeout expired={}", now(), t.unwrap().expired());
    }
}

async fn negative() {
    let block = timeout(ms(-5), async {
        nap(10).await;
        log!("never");
    });
    if block.await.is_err() {
        log!("{} Timeout", now());
    }
}

async fn nested_inner_first() {
    let mut inner = None;
    let block = timeout_scope(ms(50), async |outer| {
        let block = timeout_scope(ms(10), async |limit| {
            inner = Some(limit);
            nap(100).await;
        });
        if block.await.is_err() {
            log!("{} inner Timeout", now());
        }
        nap(10).await;
        log!("{} outer goes on", now());
        outer
    });
    let outer = block.await.unwrap();
    log!("inner={} outer={}", inner.unwrap().expired(), outer.expired());
}

async fn nested_outer_first() {
    let (mut outer, mut inner) = (None, None);
    let block = timeout_scope(ms(10), async |limit| {
        outer = Some(limit);
        let block = timeout_scope(ms(50), async |limit| {
            inner = Some(limit);
            nap(100).await;
        });
        if let Err(cancelled) = catch_cancel(block).await {
            log!("{} inner left with Cancelled", now());
            cancelled.resume().await;
        }
    });
    if block.await.is_err() {
        log!(
            "{} outer Timeout inner={} outer={}",
            now(),
            inner.unwrap().expired(),
            outer.unwrap().expired()
        );
    }
}

async fn foreign_cancel() {
    let w = spawn(async {
        let mut t = None;
        let block = timeout_scope(ms(100), async |limit| {
            t = Some(limit);
            nap(1000).await;
        });
        if let Err(cancelled) = catch_cancel(block).await {
            log!("{} Cancelled expired={}", now(), t.unwrap().expired());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    w.cancel();
    wait([&w]).await.unwrap();
    log!("{}", outcome(&w));
}

async fn cancel_and_timeout() {
    let w = spawn(async {
        let mut t = None;
        let block = timeout_scope(ms(10), async |limit| {
            t = Some(limit);
            with_cleanup(nap(1000), nap(50)).await;
        });
        if let Err(cancelled) = catch_cancel(block).await {
            let expired = t.unwrap().expired();
            log!("{} Cancelled expired={expired} cancelling={}", now(), me().cancelling());
            cancelled.resume().await;
        }
    });
    nap(30).await;
    w.cancel();
    wait([&w]).await.unwrap();
    log!("{}", outcome(&w));
}

async fn foreign_error_after_expiry() {
    let mut t = None;
    let block = timeout_scope(ms(10), async |limit| {
        t = Some(limit);
        catch_cancel(nap(100)).await.map_err(|_| Boom("cleanup"))
    });
    if let Ok(Err(e)) = block.await {
        log!("{} expired={} cancelling={}", kind(&e), t.unwrap().expired(), me().cancelling());
    }
    nap(5).await;
    log!("goes on");
}

async fn swallowed() {
    let block = timeout_scope(ms(10), async |t| {
        if catch_cancel(nap(100)).await.is_err() {
            log!("swallowed");
        }
        t
    });
    log!("expired={} cancelling={}", block.await.unwrap().expired(), me().cancelling());
}

async fn around_taskgroup() {
    async fn child(n: i32) {
        with_cleanup(nap(1000), async { log!("{} child {n} stopped", now()) }).await;
    }
    let group = TaskGroup::run(async |g| {
        g.create_task(child(1));
        g.create_task(child(2));
    });
    if timeout(ms(10), group).await.is_err() {
        log!("{} Timeout", now());
    }
}

async fn wait_for_in_time() {
    async fn work() -> &'static str {
        nap(10).await;
        "v"
    }
    log!("{}", wait_for(work(), ms(20)).await.unwrap());
    log!("{}", wait_for(work(), None).await.unwrap());
    log!("{}", now());
}

async fn wait_for_waits_for_cleanup() {
    let work = with_cleanup(nap(100), async {
        nap(30).await;
        log!("{} cleaned", now());
    });
    if wait_for(work, ms(10)).await.is_err() {
        log!("{} Timeout", now());
    }
}

async fn wait_for_swallow_wins() {
    let t = spawn(async {
        if catch_cancel(nap(100)).await.is_err() {
            nap(5).await;
            return "late value";
        }
        "in time"
    });
    log!("{} at {}", wait_for(t, ms(10)).await.unwrap(), now());
}

async fn wait_for_error_wins() {
    let work = async { catch_cancel(nap(100)).await.map_err(|_| Boom("cleanup")) };
    if let Ok(Err(e)) = wait_for(work, ms(10)).await {
        log!("{}", kind(&e));
    }
}

async fn wait_for_cancelled() {
    async fn inner() {
        if let Err(cancelled) = catch_cancel(nap(100)).await {
            log!("{} inner Cancelled", now());
            cancelled.resume().await;
        }
    }
    let t = spawn(wait_for(inner(), ms(50)));
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} {}", now(), outcome(&t));
}

async fn wait_for_shield() {
    let mut t = spawn(async {
        nap(30).await;
        "v"
    });
    if wait_for(shield_ref(&mut t), ms(10)).await.is_err() {
        log!("{} Timeout, task {}", now(), outcome(&t));
    }
    log!("{} at {}", t.await, now());
}

async fn same_deadline_nested() {
    let mut a = None;
    let block = timeout_scope_at(ms(10), async |limit| {
        a = Some(limit);
        let b = timeout_at(ms(10), timeout_at(ms(10), nap(1000)));
        if b.await.is_err() {
            log!("inner Timeout");
            sleep_zero().await;
        }
    });
    if block.await.is_err() {
        log!("{} outer Timeout", now());
    }
    log!("a={} cancelling={}", a.unwrap().expired(), me().cancelling());
}

async fn cleanup_timeout_keeps_cancel() {
    let w = spawn(async {
        if let Err(cancelled) = catch_cancel(nap(1000)).await {
            if timeout(ms(20), nap(1000)).await.is_err() {
                log!("{} Timeout in clean-up, cancelling={}", now(), me().cancelling());
            }
            cancelled.resume().await;
        }
    });
    nap(10).await;
    w.cancel();
    wait([&w]).await.unwrap();
    log!("{} {} cancelling={}", now(), outcome(&w), w.cancelling());
}

async fn cancel_then_deadline() {
    let w = spawn(timeout_scope(ms(20), async |t| {
        if catch_cancel(nap(1000)).await.is_err() {
            log!("{} first", now());
            if let Err(cancelled) = catch_cancel(nap(1000)).await {
                log!("{} second expired={} cancelling={}", now(), t.expired(), me().cancelling());
                cancelled.resume().await;
            }
        }
    }));
    nap(10).await;
    w.cancel();
    wait([&w]).await.unwrap();
    log!("{} cancelling={}", outcome(&w), w.cancelling());
}
