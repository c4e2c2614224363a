//! Blocking functions in threads, and how the end of a task, a limit and `run` treat them.

use crate::vocabulary::*;

scenarios!("threads": to_thread_result, to_thread_cancel, to_thread_timeout, to_thread_args);
scenarios!("threads", plain: run_joins_threads);

async fn to_thread_result() {
    let gate = Gate::new();
    let in_thread = gate.clone();
    let t = spawn(to_thread(move || {
        in_thread.pass_through();
        "value"
    }));
    nap(30).await;
    log!("{} still {}", now(), outcome(&t));
    gate.open();
    log!("{}", t.await);
    if let Err(e) = to_thread(|| Err::<(), _>(Boom("thread"))).await {
        log!("{}", kind(&e));
    }
}

async fn to_thread_cancel() {
    let gate = Gate::new();
    let in_thread = gate.clone();
    let t = spawn(to_thread(move || {
        in_thread.pass_through();
        log!("thread ended");
    }));
    nap(10).await;
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{} {}", now(), outcome(&t));
    gate.open();
    nap(10).await;
}

async fn to_thread_timeout() {
    let gate = Gate::new();
    let in_thread = gate.clone();
    let mut t = spawn(to_thread(move || in_thread.pass_through()));
    if timeout(ms(20), &mut t).await.is_err() {
        log!("{} Timeout, task {}", now(), outcome(&t));
    }
    gate.open();
    settle().await;
}

async fn to_thread_args() {
    fn add(a: i32, b: i32) -> i32 {
        log!("called");
        a + b
    }
    log!("{}", to_thread(|| add(2, 3)).await);
}

fn run_joins_threads() {
    run(async {
        let gate = Gate::new();
        let in_thread = gate.clone();
        spawn(to_thread(move || {
            in_thread.pass_through();
            log!("thread ends");
        }))
        .detach();
        nap(10).await;
        log!("main ends");
        gate.open();
    });
    log!("run returned");
}
