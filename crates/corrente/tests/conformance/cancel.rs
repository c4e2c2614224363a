//! Cancelling tasks: delivery, clean-up, counting, and the way through awaited tasks.

use crate::vocabulary::*;

scenarios!("cancel":
    delivered_at_await, cancel_before_first_step, cancel_done_task, async_cleanup, suppressed, converted,
    edge_triggered, cancel_during_cleanup, two_cancels_one_delivery, self_cancel, self_cancel_then_return, counter,
    uncancel_withdraws_pending, cancel_propagates_to_awaited, awaited_task_swallows, cancelled_dependency,
    cancel_after_wakeup_before_resume, cancel_message, chain_of_tasks, second_cancel_cuts_one_layer,
);

async fn delivered_at_await() {
    let mut t = spawn(async {
        log!("{} start", now());
        match catch_cancel(nap(100)).await {
            Ok(()) => log!("never"),
            Err(cancelled) => {
                log!("{} Cancelled at await", now());
                cancelled.resume().await;
            }
        }
    });
    nap(10).await;
    log!("cancel() -> {}", t.cancel());
    log!("right after: done={} cancelled={}", t.done(), t.cancelled());
    if catch_cancel(&mut t).await.is_err() {
        log!("{} awaiter sees Cancelled; cancelled={}", now(), t.cancelled());
    }
}

async fn cancel_before_first_step() {
    let t = spawn(async { log!("body ran") });
    log!("cancel() -> {}", t.cancel());
    settle().await;
    log!("{}", outcome(&t));
}

async fn cancel_done_task() {
    let t = spawn(async { 1 });
    settle().await;
    log!("cancel() -> {} cancelling={} {}", t.cancel(), t.cancelling(), outcome(&t));
}

async fn async_cleanup() {
    let t = spawn(with_cleanup(nap(100), async {
        log!("{} cleaning", now());
        nap(20).await;
        log!("{} cleaned", now());
    }));
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} {}", now(), outcome(&t));
}

async fn suppressed() {
    let mut t = spawn(async {
        if catch_cancel(nap(100)).await.is_err() {
            log!("suppressed");
        }
        "value"
    });
    nap(10).await;
    t.cancel();
    log!("result {}; cancelled={} cancelling={}", (&mut t).await, t.cancelled(), t.cancelling());
}

async fn converted() {
    let t = spawn(async { catch_cancel(nap(100)).await.map_err(|_| Boom("cleanup")) });
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
}

async fn edge_triggered() {
    let t = spawn(async {
        let _ = catch_cancel(nap(100)).await;
        nap(30).await;
        log!("{} second sleep was not disturbed; cancelling={}", now(), me().cancelling());
    });
    nap(10).await;
    t.cancel();
    t.await;
}

async fn cancel_during_cleanup() {
    let t = spawn(async {
        if catch_cancel(nap(100)).await.is_err() {
            log!("{} first", now());
            if let Err(cancelled) = catch_cancel(nap(100)).await {
                log!("{} second, cancelling={}", now(), me().cancelling());
                cancelled.resume().await;
            }
        }
    });
    nap(10).await;
    t.cancel();
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} {}", now(), outcome(&t));
}

async fn two_cancels_one_delivery() {
    let t = spawn(async {
        if catch_cancel(nap(100)).await.is_err() {
            log!("caught, cancelling={}", me().cancelling());
        }
        nap(10).await;
        log!("second await undisturbed");
    });
    nap(10).await;
    log!("{} {}", t.cancel(), t.cancel());
    t.await;
}

async fn self_cancel() {
    let t = spawn(async {
        log!("cancel() -> {}", me().cancel());
        log!("still running");
        sleep_zero().await;
        log!("never");
    });
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
}

async fn self_cancel_then_return() {
    let t = spawn(async {
        me().cancel();
        "lost"
    });
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
}

async fn counter() {
    let t = spawn(async {
        for _ in 0..2 {
            if catch_cancel(nap(100)).await.is_err() {
                log!("caught, cancelling={}", me().cancelling());
            }
        }
        log!("uncancel -> {}", me().uncancel());
        log!("uncancel -> {}", me().uncancel());
        log!("uncancel -> {}", me().uncancel());
    });
    nap(1).await;
    t.cancel();
    nap(1).await;
    t.cancel();
    t.await;
}

async fn uncancel_withdraws_pending() {
    let t = spawn(async {
        me().cancel();
        log!("uncancel -> {}", me().uncancel());
        nap(5).await;
        log!("{} not interrupted", now());
    });
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
}

async fn cancel_propagates_to_awaited() {
    let i = spawn(async {
        if let Err(cancelled) = catch_cancel(nap(100)).await {
            log!("{} inner Cancelled", now());
            nap(5).await;
            log!("{} inner cleaned", now());
            cancelled.resume().await;
        }
    })
    .shared();
    let awaited = i.clone();
    let o = spawn(async {
        if let Err(cancelled) = catch_cancel(awaited).await {
            log!("{} outer Cancelled", now());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    o.cancel();
    wait([&o]).await.unwrap();
    log!("inner {} outer {}", outcome(&i), outcome(&o));
}

async fn awaited_task_swallows() {
    let i =
        spawn(async { if catch_cancel(nap(100)).await.is_err() { "swallowed" } else { "slept" } });
    let o = spawn(async {
        log!("outer got {}, cancelling={}", i.await, me().cancelling());
        "done"
    });
    nap(10).await;
    o.cancel();
    wait([&o]).await.unwrap();
    log!("outer {}", outcome(&o));
}

async fn cancelled_dependency() {
    let i = spawn(nap(100)).shared();
    let awaited = i.clone();
    let o = spawn(async {
        if let Err(cancelled) = catch_cancel(awaited).await {
            log!("outer Cancelled, own cancelling={}", me().cancelling());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    i.cancel();
    wait([&o]).await.unwrap();
    log!("inner {} outer {}", outcome(&i), outcome(&o));
}

async fn cancel_after_wakeup_before_resume() {
    let f = Future::new();
    let awaited = f.clone();
    let t = spawn(async {
        match catch_cancel(awaited.into_future()).await {
            Ok(value) => log!("value {value}"),
            Err(cancelled) => {
                log!("Cancelled although the value was there");
                cancelled.resume().await;
            }
        }
    });
    settle().await;
    f.set_result(1).unwrap();
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} future {}", outcome(&t), outcome(&f));
}

async fn cancel_message() {
    let t = spawn(async {
        if let Err(cancelled) = catch_cancel(nap(100)).await {
            log!("message={}", cancelled.reason().unwrap_or("none"));
        }
    });
    settle().await;
    t.cancel_with("please stop");
    t.await;
}

async fn chain_of_tasks() {
    fn link(n: u32) -> BoxFuture<()> {
        Box::pin(async move {
            let below = async {
                match n {
                    0 => nap(1000).await,
                    _ => spawn(link(n - 1)).await,
                }
            };
            if let Err(cancelled) = catch_cancel(below).await {
                log!("{} link {n} Cancelled, cancelling={}", now(), me().cancelling());
                nap(1).await;
                cancelled.resume().await;
            }
        })
    }
    let top = spawn(link(3));
    nap(10).await;
    top.cancel();
    wait([&top]).await.unwrap();
    log!("{} {}", now(), outcome(&top));
}

async fn second_cancel_cuts_one_layer() {
    fn layer(n: u32) -> BoxFuture<()> {
        Box::pin(async move {
            let inside = async {
                match n {
                    0 => nap(1000).await,
                    _ => layer(n - 1).await,
                }
            };
            with_cleanup(inside, async {
                log!("{} layer {n} closing", now());
                nap(20).await;
                log!("{} layer {n} closed", now());
            })
            .await;
        })
    }
    let t = spawn(layer(2));
    nap(10).await;
    t.cancel();
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} {} cancelling={}", now(), outcome(&t), t.cancelling());
}
