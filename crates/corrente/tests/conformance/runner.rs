//! `run` and `Runner`: the end of main, the tasks that are left, several runs on one runtime.

use crate::vocabulary::*;

scenarios!("runner", plain:
    run_result_and_error, run_cancels_leftovers, run_waits_for_stubborn, run_leftover_error, run_error_then_leftovers,
    run_main_cancelled, runner_keeps_loop, runner_context, runner_closed, run_nested, no_running_loop,
);

fn run_result_and_error() {
    log!(
        "{}",
        run(async {
            nap(10).await;
            42
        })
    );
    if let Err(e) = run(async { Err::<(), _>(Boom("x")) }) {
        log!("{}", kind(&e));
    }
}

fn run_cancels_leftovers() {
    let value = run(async {
        let left = async {
            if let Err(cancelled) = catch_cancel(nap(1000)).await {
                log!("{} left Cancelled", now());
                nap(20).await;
                log!("{} left cleaned", now());
                cancelled.resume().await;
            }
        };
        spawn(left).detach();
        nap(10).await;
        log!("{} main ends", now());
        "value"
    });
    log!("{value}");
}

fn run_waits_for_stubborn() {
    run(async {
        let stubborn = async {
            if catch_cancel(nap(1000)).await.is_err() {
                nap(50).await;
            }
            log!("{} stubborn ends", now());
        };
        spawn(stubborn).detach();
        nap(10).await;
    });
    log!("run returned");
}

fn run_leftover_error() {
    let value = run(async {
        let left = async {
            let _ = catch_cancel(nap(1000)).await;
            log!("left raises");
            Err::<(), _>(Boom("shutdown"))
        };
        spawn(left).detach();
        settle().await;
        "value"
    });
    log!("{value}");
}

fn run_error_then_leftovers() {
    let result = run(async {
        spawn(with_cleanup(nap(1000), async { log!("left stopped") })).detach();
        settle().await;
        Err::<(), _>(Boom("main"))
    });
    if let Err(e) = result {
        log!("{}", kind(&e));
    }
}

fn run_main_cancelled() {
    let result = try_run(async {
        me().cancel();
        nap(10).await;
    });
    if let Err(e) = result {
        log!("{}", kind(&e));
    }
}

fn runner_keeps_loop() {
    async fn first() -> Task<()> {
        let background = spawn(async {
            nap(30).await;
            log!("{} background", now());
        });
        nap(10).await;
        log!("{} first ends", now());
        background
    }
    async fn second() {
        nap(40).await;
        log!("{} second ends", now());
    }
    let mut r = runner();
    let background = r.run(first()).unwrap();
    log!("{}", outcome(&background));
    r.run(second()).unwrap();
    r.close();
    log!("{}", outcome(&background));
}

fn runner_context() {
    static V: ContextVar<&str> = ContextVar::new(|| "unset");
    let mut r = runner();
    r.run(async { drop(V.set("set")) }).unwrap();
    r.run(async { log!("{}", V.get()) }).unwrap();
    r.close();
    log!("{}", V.get());
}

fn runner_closed() {
    let mut r = runner();
    log!("{}", r.run(async { 1 }).unwrap());
    r.close();
    r.close();
    if let Err(e) = r.run(async { 1 }) {
        log!("{}", kind(&e));
    }
}

fn run_nested() {
    run(async {
        if let Err(e) = try_run(async { log!("never") }) {
            log!("{}", kind(&e));
        }
    });
}

fn no_running_loop() {
    if let Err(e) = get_running_loop() {
        log!("{}", kind(&e));
    }
    run(async { log!("{}", get_running_loop().is_ok()) });
}
