//! Tasks: their results, names, callbacks, and who is the current one.

use crate::vocabulary::*;

scenarios!("tasks":
    result_and_error, result_too_early, await_many_times, task_names, current_and_all_tasks,
    no_current_task_in_callback, done_callbacks, remove_done_callback, await_self, unobserved_error, sleep_result,
);

async fn result_and_error() {
    let g = spawn(async {
        nap(5).await;
        42
    });
    let b = spawn(async {
        nap(5).await;
        Err::<(), _>(Boom("x"))
    });
    log!("{} {}", outcome(&g), outcome(&b));
    nap(10).await;
    log!("{} {}", outcome(&g), outcome(&b));
    if let Err(e) = b.await {
        log!("await raises {}", kind(&e));
    }
}

async fn result_too_early() {
    let t = spawn(nap(5));
    // Python asks `result` and `exception`, which are one here.
    for _ in 0..2 {
        if let Err(e) = t.result() {
            log!("{}", kind(&e));
        }
    }
    wait([&t]).await.unwrap();
    log!("exception={}", t.result().unwrap().map_or_else(kind, |()| "none".into()));
}

async fn await_many_times() {
    let t = spawn(async {
        nap(10).await;
        5
    })
    .shared();
    for name in ["a", "b"] {
        let t = t.clone();
        spawn(async move {
            let value = t.await;
            log!("{} {name} {value}", now());
        })
        .detach();
    }
    nap(20).await;
    log!("{} main {} {}", now(), t.clone().await, t.await);
}

async fn task_names() {
    let a = spawn_named("alpha", nap(1));
    let (b, c) = (spawn(nap(1)), spawn(nap(1)));
    log!("{}", a.name());
    a.set_name("beta");
    log!("{}", a.name());
    log!("default names differ: {}", b.name() != c.name());
    nap(2).await;
}

async fn current_and_all_tasks() {
    me().set_name("main");
    let t = spawn_named("child", async {
        log!("current={}", me().name());
        nap(5).await;
    });
    log!("all={}", names(&all_tasks()));
    nap(1).await;
    log!("current={}", me().name());
    t.await;
    log!("all={}", names(&all_tasks()));
}

async fn no_current_task_in_callback() {
    the_loop()
        .call_soon(|| log!("in callback: {}", current_task().map_or("none".into(), |t| t.name())));
    settle().await;
    log!("in task: {}", current_task().is_some());
}

async fn done_callbacks() {
    let t = Arc::new(spawn(async {
        log!("work ends");
        3
    }));
    let looks = |name: &'static str| {
        let t = t.clone();
        move |_: &TaskRef| log!("{name} {}", outcome(&*t))
    };
    t.add_done_callback(looks("cb1"));
    t.add_done_callback(looks("cb2"));
    settle().await;
    t.add_done_callback(|_| log!("late cb"));
    log!("late cb added");
    settle().await;
}

async fn remove_done_callback() {
    let t = spawn(nap(5));
    // A closure has no identity, so each registration is removed by what it returned; Python compares.
    let mut added = Vec::from([(); 2].map(|()| t.add_done_callback(|_| log!("never"))));
    let mut remove =
        || added.drain(..).filter_map(|callback| callback.remove().then_some(())).count();
    log!("removed {} then {}", remove(), remove());
    t.await;
    settle().await;
    log!("end");
}

async fn await_self() {
    let own = Future::new();
    let given = own.clone();
    let t = spawn(async {
        let own: SharedTask<&str> = given.await;
        if let Err(kind) = misuse(own).await {
            log!("{kind}");
        }
        "survived"
    })
    .shared();
    own.set_result(t.clone()).unwrap();
    log!("{}", t.await);
}

async fn unobserved_error() {
    spawn(async { Err::<(), _>(Boom("lost")) }).detach();
    nap(10).await;
    log!("{} main unharmed", now());
}

async fn sleep_result() {
    log!("{}", sleep_with(ms(5), "payload").await);
    log!("{}", sleep_with(ms(0), "zero").await);
    log!("{}", sleep_with(ms(-1000), "negative").await);
    log!("{}", now());
}
