//! Eager tasks: they run inside `spawn` until they first suspend.

use crate::vocabulary::*;

scenarios!("eager":
    runs_until_suspend, completes_at_once, current_task_switch, eager_context, eager_gather, eager_cancel,
);

/// What `create_task` is in Python after `set_task_factory(eager_task_factory)`.
fn spawn_eager<F>(future: F) -> Task<F::Output>
where
    F: std::future::Future<Output: Send> + Send + 'static,
{
    TaskBuilder::new().eager_start(true).spawn(future)
}

async fn runs_until_suspend() {
    let t = spawn_eager(async {
        log!("child first part");
        nap(5).await;
        log!("child second part");
    });
    log!("created, {}", outcome(&t));
    t.await;
}

async fn completes_at_once() {
    let child = spawn_eager(async { 42 });
    let bad = spawn_eager(async { Err::<(), _>(Boom("x")) });
    log!("{} {}", outcome(&child), outcome(&bad));
}

async fn current_task_switch() {
    let parent = me();
    let in_child = parent.clone();
    spawn_eager(async move { log!("in child, current is parent: {}", me() == in_child) }).detach();
    log!("after, current is parent: {}", me() == parent);
}

async fn eager_context() {
    static V: ContextVar<&str> = ContextVar::new(|| "unset");
    spawn_eager(async { drop(V.set("child")) }).detach();
    log!("{}", V.get());
}

async fn eager_gather() {
    async fn child(n: i32) -> i32 {
        n
    }
    the_loop().call_soon(|| log!("callback"));
    log!("{:?}", gather([spawn_eager(child(1)), spawn_eager(child(2))]).await);
    settle().await;
}

async fn eager_cancel() {
    let t = spawn_eager(async {
        if let Err(cancelled) = catch_cancel(nap(100)).await {
            log!("{} Cancelled", now());
            cancelled.resume().await;
        }
    });
    t.cancel();
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
}
