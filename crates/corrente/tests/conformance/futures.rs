//! Low-level futures: completed by hand, awaited by several.

use crate::vocabulary::*;

scenarios!("futures":
    set_result, set_exception, cancel_future, result_of_pending, callbacks, several_waiters,
    cancel_waiter_cancels_future, complete_from_thread,
);

async fn set_result() {
    let f: Future<Result<i32, Boom>> = the_loop().create_future();
    log!("{}", outcome(&f));
    f.set_result(Ok(1)).unwrap();
    log!("{}", outcome(&f));
    for again in [Ok(2), Err(Boom("e"))] {
        if let Err(e) = f.set_result(again) {
            log!("{}", kind(&e));
        }
    }
    log!("cancel() -> {} {}", f.cancel(), outcome(&f));
}

async fn set_exception() {
    let f: Future<Result<(), Boom>> = the_loop().create_future();
    f.set_result(Err(Boom("e"))).unwrap();
    for _ in 0..2 {
        if let Err(e) = f.clone().await {
            log!("{}", kind(&e));
        }
    }
    if let Ok(Ok(Err(e))) = f.result() {
        log!("exception={}", kind(&e));
    }
}

async fn cancel_future() {
    let f: Future<i32> = the_loop().create_future();
    log!("cancel() -> {} cancelled={} done={}", f.cancel(), f.cancelled(), f.done());
    log!("again -> {}", f.cancel());
    // Python asks `result` and `exception`, which are one here.
    for _ in 0..2 {
        if let Ok(Err(e)) = f.result() {
            log!("{}", kind(&e));
        }
    }
    if let Err(e) = f.set_result(1) {
        log!("{}", kind(&e));
    }
}

async fn result_of_pending() {
    let f: Future<i32> = the_loop().create_future();
    if let Err(e) = f.result() {
        log!("{}", kind(&e));
    }
}

async fn callbacks() {
    let f = the_loop().create_future();
    for n in 1..=3 {
        f.add_done_callback(move |f| log!("cb{n} {}", outcome(f)));
    }
    f.set_result("r").unwrap();
    log!("set_result returned");
    settle().await;
}

async fn several_waiters() {
    let f = the_loop().create_future();
    for n in 1..=3 {
        let f = f.clone();
        spawn(async move { log!("w{n} {}", f.await) }).detach();
    }
    settle().await;
    f.set_result("go").unwrap();
    log!("set");
    settle().await;
}

async fn cancel_waiter_cancels_future() {
    let f: Future<()> = the_loop().create_future();
    let (a, b) = (spawn(f.clone()), spawn(f.clone()));
    settle().await;
    a.cancel();
    settle().await;
    log!("a {} b {} future {}", outcome(&a), outcome(&b), outcome(&f));
}

async fn complete_from_thread() {
    let f = the_loop().create_future();
    let (l, completed) = (the_loop(), f.clone());
    to_thread(move || {
        l.call_soon(move || completed.set_result("from thread").unwrap());
    })
    .await;
    log!("{}", f.await);
}
