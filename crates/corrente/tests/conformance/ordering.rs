//! The order of callbacks, timers, tasks and sleepers.

use crate::vocabulary::*;

scenarios!("ordering":
    call_soon_is_fifo, call_soon_from_callback, call_soon_handle_cancel, call_later_sorts_by_deadline,
    equal_deadlines_keep_creation_order, non_positive_delay, timer_handle, create_task_is_lazy,
    sleep_zero_round_robin, plain_await_does_not_yield, await_done_task_does_not_yield, sleepers_wake_in_order,
    call_soon_threadsafe_same_thread,
);

async fn call_soon_is_fifo() {
    for n in 1..=3 {
        the_loop().call_soon(move || log!("callback {n}"));
    }
    log!("queued");
    sleep_zero().await;
    log!("main again");
}

async fn call_soon_from_callback() {
    the_loop().call_soon(|| {
        log!("outer");
        the_loop().call_soon(|| log!("inner"));
    });
    the_loop().call_soon(|| log!("second"));
    sleep_zero().await;
    log!("main after one round");
    sleep_zero().await;
    log!("main after two rounds");
}

async fn call_soon_handle_cancel() {
    let mut a = the_loop().call_soon(|| log!("a"));
    the_loop().call_soon(|| log!("b"));
    a.cancel();
    log!("a cancelled={}", a.cancelled());
    settle().await;
}

async fn call_later_sorts_by_deadline() {
    for delay in [30, 10, 20] {
        the_loop().call_later(ms(delay), move || log!("{} timer {delay}", now()));
    }
    nap(100).await;
    log!("{} main", now());
}

async fn equal_deadlines_keep_creation_order() {
    for name in ["a", "b", "c", "d", "e"] {
        the_loop().call_at(ms(10), move || log!("{name}"));
    }
    nap(20).await;
}

async fn non_positive_delay() {
    // A duration is never negative here, so what was due 5 ms ago has a time instead of a delay.
    nap(5).await;
    let begin = now();
    the_loop().call_later(ms(0), || log!("zero"));
    the_loop().call_at(the_loop().time() - ms(5), || log!("negative"));
    log!("scheduled");
    settle().await;
    log!("{} main", now() - begin);
}

async fn timer_handle() {
    let mut h = the_loop().call_later(ms(25), || log!("never"));
    log!("when={}", h.when().as_millis());
    nap(10).await;
    h.cancel();
    nap(50).await;
    log!("{} cancelled={}", now(), h.cancelled());
}

async fn create_task_is_lazy() {
    for n in 1..=3 {
        spawn(async move { log!("child {n}") }).detach();
    }
    log!("created");
    sleep_zero().await;
    log!("main resumed");
}

async fn sleep_zero_round_robin() {
    async fn worker(name: &'static str) {
        for i in 0..3 {
            log!("{name}{i}");
            sleep_zero().await;
        }
    }
    for t in ["a", "b", "c"].map(|n| spawn(worker(n))) {
        t.await;
    }
}

async fn plain_await_does_not_yield() {
    async fn helper() -> i32 {
        log!("helper");
        7
    }
    spawn(async { log!("other ran") }).detach();
    log!("got {}", helper().await);
    sleep_zero().await;
    log!("end");
}

async fn await_done_task_does_not_yield() {
    let t = spawn(async { 1 });
    settle().await;
    spawn(async { log!("other ran") }).detach();
    log!("value {}", t.await);
    log!("still before other");
    settle().await;
}

async fn sleepers_wake_in_order() {
    async fn s(name: &'static str, d: u64) {
        nap(d).await;
        log!("{} {name}", now());
    }
    for (name, d) in [("a", 20), ("b", 10), ("c", 20), ("d", 5)] {
        spawn(s(name, d)).detach();
    }
    nap(30).await;
}

async fn call_soon_threadsafe_same_thread() {
    // One function for both here: it may be called from any thread.
    the_loop().call_soon(|| log!("x"));
    the_loop().call_soon(|| log!("y"));
    sleep_zero().await;
    sleep_zero().await;
    log!("end");
}
