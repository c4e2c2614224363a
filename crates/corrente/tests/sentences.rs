//! What the asyncio tutorial says, sentence by sentence, where its programs alone do not show it.
//!
//! The numbers are those of the table in the book, `docs/src/document.md`.

use corrente::{
    Context, ContextVar, DoneCallbacks, ReturnWhen, TaskBuilder, TaskGroup, as_completed,
    create_task, current_task, ensure_future, gather, get_running_loop, sleep, sleep_with, timeout,
    timeout_at, timeout_scope, to_thread, wait, wait_for,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

static COLOUR: ContextVar<&str> = ContextVar::new(|| "none");

fn counter() -> (Arc<AtomicU32>, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    (count.clone(), count)
}

#[corrente::test]
async fn s03_while_one_waits_the_others_go_on() {
    let (count, seen) = counter();
    let waiting = create_task(async move {
        while count.load(SeqCst) < 3 {
            sleep(SHORT).await;
        }
    });
    for _ in 0..3 {
        sleep(SHORT).await;
        seen.fetch_add(1, SeqCst);
    }
    waiting.await;
}

#[corrente::test]
async fn s04_a_task_runs_although_nobody_awaits_it() {
    let (count, seen) = counter();
    drop(create_task(async move { count.fetch_add(1, SeqCst) }));
    while seen.load(SeqCst) == 0 {
        sleep(SHORT).await;
    }
}

#[corrente::test]
async fn s07_a_task_is_cancelled_or_awaited() {
    let task = create_task(sleep(LONG));
    assert!(task.cancel());
    assert!(task.outcome().await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(create_task(async { 1 }).await, 1);
}

#[corrente::test]
async fn s09_name_and_context_are_given_or_inherited() {
    let own = || async { (current_task().unwrap().name(), COLOUR.get()) };
    drop(COLOUR.set("red"));
    assert_eq!(TaskBuilder::new().name("given").spawn(own()).await, ("given".into(), "red"));
    let task = create_task(own());
    let by_default = task.name();
    assert_eq!(task.await, (by_default.clone(), "red"));
    assert!(by_default.starts_with("Task-"), "{by_default}");
    assert_eq!(TaskBuilder::new().context(Context::new()).spawn(own()).await.1, "none");
    create_task(async { drop(COLOUR.set("blue")) }).await;
    assert_eq!(COLOUR.get(), "red", "what a task sets its creator does not see");
}

#[corrente::test]
async fn s10_a_group_has_the_same_options() {
    TaskGroup::run(async |group| {
        let task = group
            .task()
            .name("child")
            .context(Context::new())
            .spawn(async { current_task().map(|task| task.name()) });
        assert_eq!(task.await.as_deref(), Some("child"));
    })
    .await
    .unwrap();
}

#[corrente::test(fifo)]
async fn s11_a_sleep_always_suspends() {
    let (count, seen) = counter();
    let task = create_task(async move { count.fetch_add(1, SeqCst) });
    assert_eq!(seen.load(SeqCst), 0);
    sleep(Duration::ZERO).await;
    assert_eq!(seen.load(SeqCst), 1);
    assert_eq!(sleep_with(Duration::ZERO, "value").await, "value");
    task.await;
}

#[corrente::test]
async fn s12_gather_takes_a_shared_task_twice_and_nothing_at_all() {
    let (count, seen) = counter();
    let shared = create_task(async move { count.fetch_add(1, SeqCst) }).shared();
    assert_eq!(gather((shared.clone(), shared)).await, (0, 0));
    assert_eq!(seen.load(SeqCst), 1);
    gather(()).await;
}

#[corrente::test(fifo, virtual_time)]
async fn s15_a_limit_can_be_none_absolute_and_moved() {
    assert_eq!(timeout(None, sleep_with(LONG, 1)).await, Ok(1));
    let now = get_running_loop().unwrap().time();
    assert!(timeout_at(now + SHORT, sleep(LONG)).await.is_err());
    let moved = timeout_scope(SHORT, async |deadline| {
        let before = deadline.when().unwrap();
        deadline.reschedule(before + LONG).unwrap();
        sleep(SHORT * 10).await;
        deadline.expired()
    });
    assert_eq!(moved.await, Ok(false));
}

#[corrente::test(fifo, virtual_time)]
async fn s16_wait_cancels_nothing_and_wait_for_does() {
    let task = create_task(sleep(LONG));
    let (done, pending) =
        wait([&task]).timeout(SHORT).return_when(ReturnWhen::FirstCompleted).await.unwrap();
    assert_eq!((done.len(), pending.len()), (0, 1));
    assert!(!task.done());
    let reference = task.as_ref().clone();
    assert!(wait_for(task, SHORT).await.is_err());
    assert!(reference.done());
}

#[corrente::test(fifo, virtual_time)]
async fn s17_as_completed_as_a_stream_and_as_futures() {
    let after = |n: u32| sleep_with(SHORT * n, n);
    let mut stream = as_completed([after(3), after(1), after(2)]);
    let mut order = Vec::new();
    while let Some(Ok(task)) = futures_lite::StreamExt::next(&mut stream).await {
        order.push(task.await);
    }
    for future in as_completed([after(3), after(1), after(2)]).futures() {
        order.push(future.await.unwrap());
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3]);
    let late = as_completed([after(1), after(1000)]).timeout(SHORT * 2).futures();
    let ended: Vec<bool> =
        gather(late.collect::<Vec<_>>()).await.iter().map(Result::is_ok).collect();
    assert_eq!(ended, [true, false]);
}

#[corrente::test]
async fn s19_a_task_shows_its_state_and_may_start_eagerly() {
    let task = create_task(sleep_with(SHORT, 7));
    assert!(!task.done() && !task.cancelled() && task.result().is_err());
    task.finished().await;
    assert!(task.done() && task.result().unwrap().is_ok_and(|value| *value == 7));
    assert!(matches!(task.outcome().await, Ok(7)));
    let eager = TaskBuilder::new().eager_start(true).spawn(async { 1 });
    assert!(eager.done());
}

#[corrente::test]
async fn s20_a_task_is_cancelled_and_awaited_from_any_thread() {
    let task = create_task(sleep(LONG));
    let reference = task.as_ref().clone();
    std::thread::spawn(move || assert!(reference.cancel())).join().unwrap();
    let outcome = to_thread(move || futures_lite::future::block_on(task.outcome())).await;
    assert!(outcome.is_err_and(|error| error.is_cancelled()));
}

#[corrente::test]
async fn s22_callbacks_run_while_a_task_waits() {
    let handle = get_running_loop().unwrap();
    let (count, seen) = counter();
    let again = count.clone();
    let add = |count: Arc<AtomicU32>| move || _ = count.fetch_add(1, SeqCst);
    handle.call_soon(add(count));
    handle.call_later(SHORT, add(again));
    while seen.load(SeqCst) < 2 {
        sleep(SHORT).await;
    }
}

#[corrente::test]
async fn s23_all_three_ways_to_make_a_task() {
    let handle = get_running_loop().unwrap();
    let (count, seen) = counter();
    let task = create_task(async { 1 });
    task.add_done_callback(move |task| {
        assert!(task.done());
        count.fetch_add(1, SeqCst);
    });
    let id = task.id();
    let same = ensure_future(task);
    assert_eq!(same.id(), id, "ensure_future of a task is that task");
    assert_eq!(same.await + handle.create_task(async { 2 }).await, 3);
    while seen.load(SeqCst) == 0 {
        sleep(SHORT).await;
    }
}
