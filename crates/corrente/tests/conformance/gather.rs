//! `gather` in its three forms. Python's plain `gather` is `try_gather` here, `return_exceptions=True` is
//! `outcomes`, and `gather` alone is for children that cannot fail.

use crate::vocabulary::*;

scenarios!("gather":
    argument_order, empty, mixed_kinds, first_error_leaves_others_running, several_errors, return_exceptions,
    return_exceptions_cancelled_child, cancelled_child, cancel_awaiter, cancel_waits_for_cleanup,
    swallowing_child_return_exceptions, duplicate, cancel_after_done,
);

async fn val(v: &'static str, d: u64) -> Result<&'static str, Boom> {
    nap(d).await;
    log!("{} {v} done", now());
    Ok(v)
}

async fn fail(tag: &'static str, d: u64) -> Result<&'static str, Boom> {
    nap(d).await;
    log!("{} {tag} fails", now());
    Err(Boom(tag))
}

/// A child's outcome as a value: what `return_exceptions=True` puts into the list.
fn value<T: Value>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Ok(value) => value.shown().unwrap_or_else(|kind| kind),
        Err(e) => kind(&e),
    }
}

async fn argument_order() {
    log!("{:?}", try_gather([val("a", 30), val("b", 10), val("c", 20)]).await.unwrap());
    log!("{}", now());
}

async fn empty() {
    log!("{:?}", gather(Vec::<Task<()>>::new()).await);
    log!("{}", now());
}

async fn mixed_kinds() {
    let f = the_loop().create_future();
    let completed = f.clone();
    the_loop().call_later(ms(15), move || completed.set_result(Ok("future")).unwrap());
    let (a, b, c) = try_gather((val("coroutine", 5), spawn(val("task", 10)), f)).await.unwrap();
    log!("{:?}", [a, b, c]);
}

async fn first_error_leaves_others_running() {
    let t = spawn(val("slow", 50)).shared();
    if let Err(e) = try_gather((t.clone(), fail("x", 10))).await {
        log!("{} caught {}; slow is {}", now(), kind(&e), outcome(&t));
    }
    nap(60).await;
    log!("slow is {}", outcome(&t));
}

async fn several_errors() {
    if let Err(e) = try_gather([fail("late", 20), fail("early", 10)]).await {
        log!("{} caught {}", now(), kind(&e));
    }
    nap(30).await;
    log!("end");
}

async fn return_exceptions() {
    let (x, a, y) = outcomes((fail("x", 20), val("a", 10), fail("y", 5))).await;
    log!("{:?}", [x, a, y].map(value));
    log!("{}", now());
}

async fn return_exceptions_cancelled_child() {
    let t = spawn(nap(100));
    let r = t.as_ref().clone();
    let g = outcomes((t, val("a", 20)));
    the_loop().call_later(ms(10), move || _ = r.cancel());
    let (t, a) = g.await;
    log!("{:?}", [value(t), value(a)]);
}

async fn cancelled_child() {
    let t = spawn(nap(100));
    let r = t.as_ref().clone();
    the_loop().call_later(ms(10), move || _ = r.cancel());
    if catch_cancel(gather((t, val("other", 30)))).await.is_err() {
        log!("{} Cancelled; own cancelling={}", now(), me().cancelling());
    }
    nap(50).await;
    log!("end");
}

async fn cancel_awaiter() {
    let kids = [(); 3].map(|()| spawn(nap(100)).shared());
    let gathered = kids.clone();
    let p = spawn(async move { _ = gather(gathered).await });
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{} parent {} kids {:?}", now(), outcome(&p), kids.each_ref().map(outcome));
}

async fn cancel_waits_for_cleanup() {
    async fn child(d: u64) {
        with_cleanup(nap(100), async {
            nap(d).await;
            log!("{} child cleaned", now());
        })
        .await;
    }
    let p = spawn(async {
        if let Err(cancelled) = catch_cancel(outcomes((child(20), child(40)))).await {
            log!("{} parent interrupted", now());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{} {}", now(), outcome(&p));
}

async fn swallowing_child_return_exceptions() {
    async fn stubborn() -> &'static str {
        if catch_cancel(nap(100)).await.is_err() { "kept" } else { "slept" }
    }
    let p = spawn(async {
        let [kept] = outcomes([stubborn()]).await;
        value(kept)
    });
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{}", outcome(&p));
}

async fn duplicate() {
    let t = spawn(val("once", 5)).shared();
    log!("{:?}", try_gather([t.clone(), t]).await.unwrap());
}

async fn cancel_after_done() {
    let slow = spawn(val("slow", 40)).shared();
    // Python's gather is a future of its own, which can be cancelled; here a task around it is.
    let mut g = spawn(try_gather((fail("x", 10), slow.clone())));
    if (&mut g).await.is_err() {
        log!("cancel() -> {}", g.cancel());
    }
    nap(50).await;
    log!("{}", outcome(&slow));
}
