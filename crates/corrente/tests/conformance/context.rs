//! Context variables: who inherits what from whom.

use crate::vocabulary::*;

static VAR: ContextVar<&str> = ContextVar::new(|| "unset");

scenarios!("context":
    copied_at_creation, isolated, direct_await_shares, explicit_context, callbacks_capture, to_thread_context,
    token_reset,
);

fn set(value: &'static str) {
    let _ = VAR.set(value);
}

async fn copied_at_creation() {
    set("before");
    let t = spawn(async { log!("child sees {}", VAR.get()) });
    set("after");
    t.await;
    log!("main sees {}", VAR.get());
}

async fn isolated() {
    async fn child(v: &'static str) {
        set(v);
        nap(5).await;
        log!("{v} still sees {}", VAR.get());
    }
    gather((child("a"), child("b"))).await;
    log!("main sees {}", VAR.get());
}

async fn direct_await_shares() {
    async fn helper() {
        set("from helper");
    }
    helper().await;
    log!("{}", VAR.get());
}

async fn explicit_context() {
    let ctx = SharedContext::new(Context::current());
    let within = |ctx: &SharedContext| TaskBuilder::new().shared_context(ctx.clone());
    within(&ctx).spawn(async { set("shared") }).await;
    within(&ctx).spawn(async { log!("getter sees {}", VAR.get()) }).await;
    log!(
        "main sees {}, context holds {}",
        VAR.get(),
        ctx.snapshot().get(&VAR).unwrap_or("nothing")
    );
}

async fn callbacks_capture() {
    set("one");
    the_loop().call_soon(|| log!("soon {}", VAR.get()));
    the_loop().call_later(ms(5), || log!("later {}", VAR.get()));
    set("two");
    nap(10).await;
}

async fn to_thread_context() {
    set("main");
    let seen = to_thread(|| {
        let seen = VAR.get();
        set("thread");
        seen
    });
    log!("thread saw {}, main still {}", seen.await, VAR.get());
}

async fn token_reset() {
    set("one");
    let token = VAR.set("two");
    log!("{}", VAR.get());
    VAR.reset(token);
    log!("{}", VAR.get());
}
