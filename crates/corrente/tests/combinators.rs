//! Every combinator, with the usual error type, inside a task inside a task: that it compiles is the point.
//!
//! (Bounds in the wrong place make rustc say "implementation is not general enough" here and nowhere else.)

use corrente::{
    Error, ReturnWhen, TaskGroup, as_completed, catch_cancel, create_task, ensure_future, gather,
    join, outcomes, select, shield, sleep, sleep_with, timeout, timeout_scope, to_thread,
    try_gather, uncancellable, wait, wait_for, with_cleanup, yield_now,
};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

type Result<T> = std::result::Result<T, Error>;

async fn good(n: u32) -> Result<u32> {
    sleep(SHORT).await;
    Ok(n)
}

async fn bad(text: &'static str) -> Result<u32> {
    sleep(SHORT).await;
    Err(text.into())
}

/// Runs `f` as a task in a task.
async fn nested<T: Send + 'static>(
    f: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    create_task(async { create_task(f).await }).await
}

#[corrente::test]
async fn groups() -> Result<()> {
    let sum = nested(async {
        let sum = TaskGroup::run(async |group| {
            let a = group.create_task(good(1));
            let b = group.create_task(async { 2_u32 });
            let inner = TaskGroup::run(async |inner| {
                let c = inner.create_task(good(3));
                Ok::<_, Error>(c.await)
            })
            .await?;
            Ok::<_, Error>(a.await + b.await + inner)
        })
        .await?;
        Ok(sum)
    });
    assert_eq!(sum.await?, 6);
    let error = nested(async {
        TaskGroup::run(async |group| {
            group.create_task(bad("x"));
            sleep(LONG).await;
        })
        .await?;
        Ok(())
    });
    assert!(error.await.unwrap_err().to_string().contains("x"));
    Ok(())
}

#[corrente::test]
async fn gathers() -> Result<()> {
    nested(async {
        assert_eq!(try_gather((good(1), good(2), good(3))).await?, (1, 2, 3));
        assert_eq!(try_gather(vec![good(1), good(2)]).await?, [1, 2]);
        assert_eq!(try_gather([good(1), good(2)]).await?, [1, 2]);
        let (a, b, c) = gather((good(1), bad("x"), async { "plain" })).await;
        assert_eq!((a?, b.unwrap_err().to_string(), c), (1, "x".to_owned(), "plain"));
        let all = outcomes((good(1), sleep(SHORT))).await;
        assert!(all.0.is_ok_and(|value| value.is_ok()) && all.1.is_ok());
        assert!(gather(Vec::<std::future::Ready<()>>::new()).await.is_empty());
        Ok(())
    })
    .await
}

#[corrente::test]
async fn waits() -> Result<()> {
    nested(async {
        let tasks = vec![create_task(good(1)), create_task(bad("x")), create_task(good(2))];
        let (done, pending) = wait(&tasks).await?;
        assert_eq!((done.len(), pending.len()), (3, 0));
        let (done, _) = wait(tasks).return_when(ReturnWhen::FirstException).timeout(LONG).await?;
        assert_eq!(done.len(), 3);
        let mut completed = as_completed([good(1), good(2)]).timeout(LONG);
        let mut sum = 0;
        while let Some(task) = completed.next().await {
            sum += task?.await?;
        }
        for future in as_completed([good(1), good(2)]).futures() {
            sum += future.await??;
        }
        assert_eq!(sum, 6);
        assert!(wait(Vec::<corrente::Task<()>>::new()).await.is_err());
        Ok(())
    })
    .await
}

#[corrente::test]
async fn limits_and_scopes() -> Result<()> {
    nested(async {
        assert_eq!(timeout(LONG, good(1)).await??, 1);
        assert!(timeout(SHORT, sleep(LONG)).await.is_err());
        assert_eq!(timeout(None, good(1)).await??, 1);
        assert_eq!(wait_for(good(1), LONG).await??, 1);
        assert!(wait_for(good(1), Duration::ZERO).await.is_err());
        let scoped = timeout_scope(LONG, async |deadline| {
            deadline.reschedule(None)?;
            good(2).await
        });
        assert_eq!(scoped.await??, 2);
        assert_eq!(shield(good(1)).await?, 1);
        assert_eq!(catch_cancel(good(1)).await??, 1);
        assert_eq!(with_cleanup(good(1), yield_now()).await?, 1);
        assert_eq!(uncancellable(good(1)).await?, 1);
        assert_eq!(sleep_with(SHORT, 7).await, 7);
        assert_eq!(to_thread(|| 7).await, 7);
        assert_eq!(ensure_future(ensure_future(good(1))).await?, 1);
        let (a, b) = join!(good(1), good(2));
        assert_eq!(a? + b?, 3);
        let first = select! {
            value = good(1) => value?,
            () = sleep(LONG) => 0,
        };
        assert_eq!(first, 1);
        Ok(())
    })
    .await
}

/// Whatever is awaitable is taken: here asyncio's low-level future, and a task.
#[corrente::test]
async fn all_awaitables_are_taken_everywhere() -> Result<()> {
    let future = || {
        let future = corrente::Future::new();
        future.set_result(1).map(|()| future)
    };
    assert_eq!(create_task(future()?).await, 1);
    assert_eq!(gather((future()?, create_task(async { 2 }))).await, (1, 2));
    assert_eq!(timeout(LONG, future()?).await?, 1);
    assert_eq!(wait_for(create_task(async { 2 }), LONG).await?, 2);
    assert_eq!(shield(future()?).await, 1);
    assert_eq!(catch_cancel(future()?).await?, 1);
    assert_eq!(join!(future()?, create_task(async { 2 })), (1, 2));
    let sum = TaskGroup::run(async |group| {
        let first = corrente::Future::new();
        first.set_result(1)?;
        Ok::<i32, Error>(group.create_task(first).await)
    });
    assert_eq!(sum.await?, 1);
    Ok(())
}
