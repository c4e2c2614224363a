//! The three queues: order, waiting, cancelled waiters, and shutdown.

use crate::vocabulary::*;
use corrente::sync::{LifoQueue, PriorityQueue, Queue};

scenarios!("queues":
    fifo, nowait_errors, unlimited, blocking_get, blocking_put, lifo, priority, join, task_done_underflow,
    cancel_getter, cancel_woken_getter, cancel_putter, shutdown_drains, shutdown_wakes, shutdown_immediate,
    shutdown_join,
);

/// A task that gets one item.
fn spawn_get<T: Send + Sync + 'static>(q: &Arc<Queue<T>>) -> Task<T> {
    let q = q.clone();
    spawn(async move { q.get().await.unwrap() })
}

async fn fifo() {
    let q = Queue::new(2);
    log!("empty={} full={} size={} max={}", q.empty(), q.full(), q.qsize(), q.maxsize());
    q.put("a").await.unwrap();
    q.put("b").await.unwrap();
    log!("empty={} full={} size={}", q.empty(), q.full(), q.qsize());
    log!("{}{}", q.get().await.unwrap(), q.get().await.unwrap());
}

async fn nowait_errors() {
    let q = Queue::new(1);
    if let Err(e) = q.get_nowait() {
        log!("{}", kind(&e));
    }
    q.put_nowait(1).unwrap();
    if let Err(e) = q.put_nowait(2) {
        log!("{}", kind(&e));
    }
    log!("{}", q.get_nowait().unwrap());
}

async fn unlimited() {
    for q in [Queue::new(0), Queue::unbounded()] {
        for i in 0..100 {
            q.put_nowait(i).unwrap();
        }
        log!("size={} full={}", q.qsize(), q.full());
    }
}

async fn blocking_get() {
    let q = Arc::new(Queue::unbounded());
    for n in ["a", "b"] {
        let q = q.clone();
        spawn(async move {
            let item = q.get().await.unwrap();
            log!("{} {n} got {item}", now());
        })
        .detach();
    }
    nap(10).await;
    q.put_nowait(1).unwrap();
    nap(10).await;
    q.put_nowait(2).unwrap();
    settle().await;
}

async fn blocking_put() {
    let q = Arc::new(Queue::new(1));
    let full = q.clone();
    spawn(async move {
        for i in 0..3 {
            full.put(i).await.unwrap();
            log!("{} put {i}", now());
        }
    })
    .detach();
    for _ in 0..3 {
        nap(10).await;
        let item = q.get().await.unwrap();
        log!("{} got {item}", now());
    }
    settle().await;
}

async fn lifo() {
    let q = LifoQueue::unbounded();
    for i in [1, 2, 3] {
        q.put_nowait(i).unwrap();
    }
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(q.get().await.unwrap());
    }
    log!("{got:?}");
}

async fn priority() {
    let q = PriorityQueue::unbounded();
    for p in [5, 1, 3, 2, 4] {
        q.put_nowait(p).unwrap();
    }
    let mut got = Vec::new();
    for _ in 0..5 {
        got.push(q.get().await.unwrap());
    }
    log!("{got:?}");
}

async fn join() {
    let q = Arc::new(Queue::unbounded());
    for i in 0..3 {
        q.put_nowait(i).unwrap();
    }
    let work = q.clone();
    let w = spawn(async move {
        loop {
            work.get().await.unwrap();
            nap(10).await;
            work.task_done().unwrap();
        }
    });
    q.join().await;
    log!("{} joined", now());
    w.cancel();
}

async fn task_done_underflow() {
    let q = Queue::<()>::unbounded();
    q.join().await;
    log!("joined");
    if let Err(e) = q.task_done() {
        log!("{}", kind(&e));
    }
}

async fn cancel_getter() {
    let q = Arc::new(Queue::unbounded());
    let t = spawn_get(&q);
    settle().await;
    t.cancel();
    settle().await;
    q.put_nowait("kept").unwrap();
    log!("{} size={} {}", outcome(&t), q.qsize(), q.get().await.unwrap());
}

async fn cancel_woken_getter() {
    let q = Arc::new(Queue::unbounded());
    let (a, b) = (spawn_get(&q), spawn_get(&q));
    settle().await;
    q.put_nowait("item").unwrap();
    a.cancel();
    settle().await;
    log!("a {} b {} size={}", outcome(&a), outcome(&b), q.qsize());
}

async fn cancel_putter() {
    let q = Arc::new(Queue::new(1));
    q.put_nowait("first").unwrap();
    let full = q.clone();
    let t = spawn(async move { full.put("second").await.unwrap() });
    settle().await;
    t.cancel();
    settle().await;
    log!("{} {} empty={}", outcome(&t), q.get_nowait().unwrap(), q.empty());
}

async fn shutdown_drains() {
    let q = Queue::unbounded();
    q.put_nowait(1).unwrap();
    q.put_nowait(2).unwrap();
    q.shutdown(false);
    if let Err(e) = q.put(3).await {
        log!("put {}", kind(&e));
    }
    log!("{} {}", q.get().await.unwrap(), q.get().await.unwrap());
    if let Err(e) = q.get().await {
        log!("get {}", kind(&e));
    }
}

async fn shutdown_wakes() {
    let (q, full) = (Arc::new(Queue::<i32>::unbounded()), Arc::new(Queue::new(1)));
    full.put_nowait(1).unwrap();
    let (getter, putter) = (q.clone(), full.clone());
    spawn(async move {
        if let Err(e) = getter.get().await {
            log!("{} getter {}", now(), kind(&e));
        }
    })
    .detach();
    spawn(async move {
        if let Err(e) = putter.put(2).await {
            log!("{} putter {}", now(), kind(&e));
        }
    })
    .detach();
    nap(10).await;
    q.shutdown(false);
    full.shutdown(false);
    settle().await;
}

async fn shutdown_immediate() {
    let q = Arc::new(Queue::unbounded());
    for i in 0..3 {
        q.put_nowait(i).unwrap();
    }
    let joined = q.clone();
    spawn(async move {
        joined.join().await;
        log!("{} joined", now());
    })
    .detach();
    nap(10).await;
    q.shutdown(true);
    log!("size={}", q.qsize());
    if let Err(e) = q.get_nowait() {
        log!("{}", kind(&e));
    }
    settle().await;
}

async fn shutdown_join() {
    let q = Arc::new(Queue::unbounded());
    q.put_nowait(1).unwrap();
    q.shutdown(false);
    let joined = q.clone();
    spawn(async move {
        joined.join().await;
        log!("{} joined", now());
    })
    .detach();
    nap(10).await;
    q.get().await.unwrap();
    nap(10).await;
    q.task_done().unwrap();
    settle().await;
}
