//! Events, locks, conditions, semaphores and barriers: order, hand-over, and cancelled waiters.

use crate::vocabulary::*;
use corrente::sync::{Barrier, BoundedSemaphore, Condition, Event, Lock, Semaphore};

scenarios!("sync":
    event_basic, event_set_clear, event_cancel_waiter, lock_fifo, lock_release_unlocked, lock_release_by_other,
    lock_cancel_waiter, lock_no_barging, lock_cancel_chosen_waiter, condition_notify, condition_wait_for,
    condition_unlocked, condition_cancel_reacquires, condition_cancel_after_notify, semaphore_limit,
    semaphore_locked, semaphore_bounded, semaphore_cancel_chosen, barrier_basic, barrier_reuse, barrier_abort,
    barrier_reset, barrier_cancel,
);

async fn event_basic() {
    let e = Arc::new(Event::new());
    for n in [1, 2] {
        let e = e.clone();
        spawn(async move {
            // Python's `wait` gives true, the state of the event; here it gives nothing.
            e.wait().await;
            log!("w{n} -> {} at {}", e.is_set(), now());
        })
        .detach();
    }
    nap(10).await;
    log!("is_set={}", e.is_set());
    e.set();
    settle().await;
    let was_set = e.is_set();
    e.wait().await;
    log!("is_set={was_set} {} at {}", e.is_set(), now());
}

async fn event_set_clear() {
    let e = Arc::new(Event::new());
    let waited = e.clone();
    spawn(async move {
        waited.wait().await;
        log!("woke though is_set={}", waited.is_set());
    })
    .detach();
    settle().await;
    e.set();
    e.clear();
    settle().await;
}

async fn event_cancel_waiter() {
    let e = Arc::new(Event::new());
    let waiter = |n: &'static str| {
        let e = e.clone();
        spawn(async move {
            e.wait().await;
            log!("{n} woke");
        })
    };
    let (a, _b) = (waiter("a"), waiter("b"));
    settle().await;
    a.cancel();
    settle().await;
    e.set();
    settle().await;
    log!("a {}", outcome(&a));
}

/// A task that logs when it is in the lock.
fn spawn_worker(lock: &Arc<Lock>, n: &'static str) -> Task<()> {
    let lock = lock.clone();
    spawn(async move {
        let _guard = lock.lock().await;
        log!("{n} in");
    })
}

async fn lock_fifo() {
    let lock = Arc::new(Lock::new(()));
    let worker = |n: &'static str| {
        let lock = lock.clone();
        spawn(async move {
            let _guard = lock.lock().await;
            log!("{} {n} in", now());
            nap(10).await;
        })
    };
    let ts = ["a", "b", "c"].map(worker);
    wait(&ts).await.unwrap();
    log!("locked={}", lock.locked());
}

async fn lock_release_unlocked() {
    if let Err(e) = Lock::new(()).release() {
        log!("{}", kind(&e));
    }
}

async fn lock_release_by_other() {
    let lock = Arc::new(Lock::new(()));
    lock.acquire().await;
    let other = lock.clone();
    spawn(async move { other.release().unwrap() }).await;
    log!("locked={}", lock.locked());
}

async fn lock_cancel_waiter() {
    let lock = Arc::new(Lock::new(()));
    lock.acquire().await;
    let (a, b) = (spawn_worker(&lock, "a"), spawn_worker(&lock, "b"));
    settle().await;
    a.cancel();
    settle().await;
    lock.release().unwrap();
    settle().await;
    log!("a {} b {}", outcome(&a), outcome(&b));
}

async fn lock_no_barging() {
    let lock = Arc::new(Lock::new(()));
    lock.acquire().await;
    spawn_worker(&lock, "waiter").detach();
    settle().await;
    lock.release().unwrap();
    log!("released, locked={}", lock.locked());
    {
        let _guard = lock.lock().await;
        log!("main in");
    }
    settle().await;
}

async fn lock_cancel_chosen_waiter() {
    let lock = Arc::new(Lock::new(()));
    lock.acquire().await;
    let (a, b) = (spawn_worker(&lock, "a"), spawn_worker(&lock, "b"));
    settle().await;
    lock.release().unwrap();
    a.cancel();
    settle().await;
    log!("a {} b {} locked={}", outcome(&a), outcome(&b), lock.locked());
}

async fn condition_notify() {
    let c = Arc::new(Condition::new(()));
    for n in ["a", "b", "c"] {
        let c = c.clone();
        spawn(async move {
            let mut guard = c.lock().await;
            guard.wait().await;
            log!("{} {n} woke, locked={}", now(), c.locked());
        })
        .detach();
    }
    nap(10).await;
    {
        let guard = c.lock().await;
        guard.notify(1);
        log!("notified one");
    }
    nap(10).await;
    {
        let guard = c.lock().await;
        guard.notify_all();
        log!("notified all");
    }
    nap(10).await;
}

async fn condition_wait_for() {
    let c = Arc::new(Condition::new(0));
    let counted = c.clone();
    let t = spawn(async move {
        let mut n = counted.lock().await;
        n.wait_for(|n| *n >= 3).await;
        log!("{} n={}", now(), *n);
    });
    for _ in 0..4 {
        nap(10).await;
        let mut n = c.lock().await;
        *n += 1;
        n.notify_all();
    }
    t.await;
}

async fn condition_unlocked() {
    let c = Condition::new(());
    if let Err(e) = c.wait().await {
        log!("wait {}", kind(&e));
    }
    if let Err(e) = c.notify(1) {
        log!("notify {}", kind(&e));
    }
}

async fn condition_cancel_reacquires() {
    let c = Arc::new(Condition::new(()));
    let waited = c.clone();
    let t = spawn(async move {
        let mut guard = waited.lock().await;
        if let Err(cancelled) = catch_cancel(guard.wait()).await {
            log!("{} Cancelled, locked={}", now(), waited.locked());
            cancelled.resume().await;
        }
    });
    nap(10).await;
    {
        let _guard = c.lock().await;
        t.cancel();
        nap(20).await;
        log!("{} main releases, waiter {}", now(), outcome(&t));
    }
    wait([&t]).await.unwrap();
    log!("{} locked={}", outcome(&t), c.locked());
}

async fn condition_cancel_after_notify() {
    let c = Arc::new(Condition::new(()));
    let waiter = |n: &'static str| {
        let c = c.clone();
        spawn(async move {
            c.lock().await.wait().await;
            log!("{n} woke");
        })
    };
    let (a, b) = (waiter("a"), waiter("b"));
    settle().await;
    {
        let guard = c.lock().await;
        guard.notify(1);
        a.cancel();
    }
    settle().await;
    log!("a {} b {}", outcome(&a), outcome(&b));
}

async fn semaphore_limit() {
    let s = Arc::new(Semaphore::new(2));
    let worker = |n: &'static str| {
        let s = s.clone();
        spawn(async move {
            let _permit = s.acquire().await;
            log!("{} {n} in", now());
            nap(10).await;
        })
    };
    wait(["a", "b", "c", "d", "e"].map(worker)).await.unwrap();
}

async fn semaphore_locked() {
    let s = Semaphore::new(1);
    log!("{}", s.locked());
    s.acquire().await.forget();
    log!("{}", s.locked());
    s.release();
    log!("{}", s.locked());
    if let Err(e) = Semaphore::try_new(-1) {
        log!("{}", kind(&e));
    }
}

async fn semaphore_bounded() {
    let s = Semaphore::new(1);
    s.release();
    s.acquire().await.forget();
    s.acquire().await.forget();
    log!("two units");
    if let Err(e) = BoundedSemaphore::new(1).release() {
        log!("{}", kind(&e));
    }
}

async fn semaphore_cancel_chosen() {
    let s = Arc::new(Semaphore::new(0));
    let worker = |n: &'static str| {
        let s = s.clone();
        spawn(async move {
            s.acquire().await.forget();
            log!("{n} acquired");
        })
    };
    let (a, b) = (worker("a"), worker("b"));
    settle().await;
    s.release();
    a.cancel();
    settle().await;
    log!("a {} b {} locked={}", outcome(&a), outcome(&b), s.locked());
}

async fn barrier_basic() {
    let b = Arc::new(Barrier::new(3));
    let got = Arc::new(Mutex::new(Vec::new()));
    for d in [5, 20] {
        let (b, got) = (b.clone(), got.clone());
        spawn(async move {
            nap(d).await;
            let index = b.wait().await.unwrap();
            got.lock().unwrap().push(index);
            log!("{} through", now());
        })
        .detach();
    }
    nap(10).await;
    log!("waiting={} parties={}", b.waiting(), b.parties());
    nap(15).await;
    let index = b.wait().await.unwrap();
    got.lock().unwrap().push(index);
    settle().await;
    log!("{:?}", sorted(got.lock().unwrap().clone()));
}

async fn barrier_reuse() {
    async fn party(b: Arc<Barrier>, d: u64) {
        for i in 0..3 {
            nap(d).await;
            b.wait().await.unwrap();
            if d == 10 {
                log!("{} round {i}", now());
            }
        }
    }
    let b = Arc::new(Barrier::new(2));
    gather((party(b.clone(), 10), party(b, 3))).await;
}

async fn barrier_abort() {
    async fn party(b: Arc<Barrier>, n: &'static str) {
        if let Err(e) = b.wait().await {
            log!("{n} {}", kind(&e));
        }
    }
    let b = Arc::new(Barrier::new(2));
    spawn(party(b.clone(), "waiting")).detach();
    settle().await;
    b.abort();
    settle().await;
    party(b.clone(), "late").await;
    log!("broken={}", b.is_broken());
    b.reset();
    log!("broken={}", b.is_broken());
    let other = b.clone();
    let (x, y) = gather((async move { b.wait().await }, async move { other.wait().await })).await;
    log!("{:?}", sorted(vec![x.unwrap(), y.unwrap()]));
}

async fn barrier_reset() {
    let b = Arc::new(Barrier::new(2));
    let waited = b.clone();
    spawn(async move {
        if let Err(e) = waited.wait().await {
            log!("{}", kind(&e));
        }
    })
    .detach();
    settle().await;
    b.reset();
    settle().await;
    log!("broken={} waiting={}", b.is_broken(), b.waiting());
}

async fn barrier_cancel() {
    let b = Arc::new(Barrier::new(2));
    let waited = b.clone();
    let t = spawn(async move { waited.wait().await.unwrap() });
    settle().await;
    t.cancel();
    settle().await;
    log!("{} waiting={} broken={}", outcome(&t), b.waiting(), b.is_broken());
}
