//! Waiting for several tasks, and for tasks that a cancel must not reach.

use crate::vocabulary::*;

scenarios!("waiting":
    all_completed, first_completed, first_exception, first_exception_cancelled_child, wait_timeout, wait_empty,
    wait_already_done, cancel_wait, as_completed_order, as_completed_error, as_completed_timeout,
    as_completed_slow_consumer, shield_outer_cancel, shield_transparent, shield_inner_cancel, gather_of_shields,
    shield_then_finish,
);

async fn val<T: Send>(v: T, d: u64) -> Result<T, Boom> {
    nap(d).await;
    Ok(v)
}

async fn fail<T: Send>(tag: &'static str, d: u64) -> Result<T, Boom> {
    nap(d).await;
    Err(Boom(tag))
}

fn show<T>(done: &[Task<T>], pending: &[Task<T>]) {
    log!("{} done={} pending={}", now(), names(done), names(pending));
}

async fn all_completed() {
    let ts = [
        spawn_named("a", val(1, 10)),
        spawn_named("b", fail("x", 20)),
        spawn_named("c", val(2, 5)),
    ];
    let (done, pending) = wait(ts).await.unwrap();
    show(&done, &pending);
    log!("{:?}", done.iter().map(outcome).collect::<Vec<_>>());
}

async fn first_completed() {
    let ts = [spawn_named("a", val(1, 30)), spawn_named("b", val(2, 10))];
    let (done, pending) = wait(ts).return_when(ReturnWhen::FirstCompleted).await.unwrap();
    show(&done, &pending);
    let (done, pending) = wait(done.into_iter().chain(pending)).await.unwrap();
    show(&done, &pending);
}

async fn first_exception() {
    let ts = [
        spawn_named("a", val(1, 5)),
        spawn_named("b", fail("x", 10)),
        spawn_named("c", val(2, 30)),
    ];
    let (done, pending) = wait(ts).return_when(ReturnWhen::FirstException).await.unwrap();
    show(&done, &pending);
    wait(pending).await.unwrap();
}

async fn first_exception_cancelled_child() {
    let ts = [spawn_named("a", val(1, 20)), spawn_named("b", val(2, 30))];
    let first = ts[0].as_ref().clone();
    the_loop().call_later(ms(10), move || _ = first.cancel());
    let (done, _) = wait(ts).return_when(ReturnWhen::FirstException).await.unwrap();
    log!("{} done={} {:?}", now(), names(&done), done.iter().map(outcome).collect::<Vec<_>>());
}

async fn wait_timeout() {
    let ts = [spawn_named("a", val(1, 10)), spawn_named("b", val(2, 50))];
    let (done, mut pending) = wait(ts).timeout(ms(20)).await.unwrap();
    show(&done, &pending);
    log!("{} at {}", pending.remove(0).await.unwrap(), now());
}

async fn wait_empty() {
    if let Err(e) = wait(Vec::<Task<()>>::new()).await {
        log!("{}", kind(&e));
    }
}

async fn wait_already_done() {
    let t = spawn_named("a", val(1, 1));
    t.finished().await;
    let (done, pending) = wait([t]).await.unwrap();
    show(&done, &pending);
}

async fn cancel_wait() {
    let t = spawn(val("v", 50)).shared();
    let waited = t.clone();
    let w = spawn(async move { drop(wait([&*waited]).await) });
    nap(10).await;
    w.cancel();
    settle().await;
    log!("waiter {} task {}", outcome(&w), outcome(&t));
    log!("{}", t.await.unwrap());
}

async fn as_completed_order() {
    let ts = [
        spawn_named("a", val("a", 30)),
        spawn_named("b", val("b", 10)),
        spawn_named("c", val("c", 20)),
    ];
    let mut ts = as_completed(ts);
    while let Some(t) = ts.next().await {
        let t = t.unwrap();
        log!("{} {} {}", now(), t.name(), t.await.unwrap());
    }
}

async fn as_completed_error() {
    let mut ts = as_completed([spawn(val("a", 30)), spawn(fail("x", 10))]);
    while let Some(t) = ts.next().await {
        match t.unwrap().await {
            Ok(value) => log!("{} {value}", now()),
            Err(e) => log!("{} {}", now(), kind(&e)),
        }
    }
}

async fn as_completed_timeout() {
    let slow = spawn(val("slow", 50)).shared();
    let mut ts = as_completed([spawn(val("quick", 5)).shared(), slow.clone()]).timeout(ms(20));
    while let Some(t) = ts.next().await {
        match t {
            Ok(t) => log!("{} {}", now(), t.await.unwrap()),
            Err(_) => log!("{} Timeout, slow {}", now(), outcome(&slow)),
        }
    }
    log!("{}", slow.await.unwrap());
}

async fn as_completed_slow_consumer() {
    let mut ts = as_completed([("a", 30), ("b", 10), ("c", 20)].map(|(n, d)| spawn(val(n, d))));
    while let Some(t) = ts.next().await {
        log!("{} {}", now(), t.unwrap().await.unwrap());
        nap(100).await;
    }
}

async fn shield_outer_cancel() {
    let inner = spawn(val("v", 30)).shared();
    let shielded = inner.clone();
    let o = spawn(async {
        if let Err(cancelled) = catch_cancel(shield(shielded)).await {
            log!("{} outer Cancelled", now());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    o.cancel();
    wait([&o]).await.unwrap();
    log!("outer {} inner {}", outcome(&o), outcome(&inner));
    log!("{} at {}", inner.await.unwrap(), now());
}

async fn shield_transparent() {
    log!("{}", shield(val("v", 5)).await.unwrap());
    if let Err(e) = shield(fail::<()>("x", 5)).await {
        log!("{}", kind(&e));
    }
}

async fn shield_inner_cancel() {
    let inner = spawn(val("v", 30));
    let cancelled = inner.as_ref().clone();
    the_loop().call_later(ms(10), move || _ = cancelled.cancel());
    if catch_cancel(shield(inner)).await.is_err() {
        log!("{} Cancelled, own cancelling={}", now(), me().cancelling());
    }
}

async fn gather_of_shields() {
    let kids = ["a", "b"].map(|n| spawn(val(n, 30)).shared());
    let shields = kids.clone().map(shield);
    let p = spawn(async { _ = gather(shields).await });
    nap(10).await;
    p.cancel();
    wait([&p]).await.unwrap();
    log!("{} parent {}", now(), outcome(&p));
    wait(kids.each_ref().map(|kid| &**kid)).await.unwrap();
    log!("{:?}", kids.each_ref().map(outcome));
}

async fn shield_then_finish() {
    let w = spawn(async {
        let mut c = spawn(async {
            nap(30).await;
            log!("{} committed", now());
        });
        if let Err(cancelled) = catch_cancel(shield_ref(&mut c)).await {
            c.await;
            cancelled.resume().await;
        }
    });
    nap(10).await;
    w.cancel();
    wait([&w]).await.unwrap();
    log!("{} {}", now(), outcome(&w));
}
