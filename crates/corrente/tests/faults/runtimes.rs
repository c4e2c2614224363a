//! Two runtimes in one process, each with what belongs to the other, and one of them dropped (fault 40).

use crate::child::{Child, assert_nothing_left, belongings};
use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream};
use corrente::sync::Queue;
use corrente::{Builder, create_task, sleep};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn crossed_handles_and_one_of_them_dropped() {
    let test = "runtimes::crossed_handles_and_one_of_them_dropped";
    let Some(child) = Child::of(test).run(|_| {
        let before = belongings();
        for round in 0..10 {
            let one = Builder::new().workers(2).name("one").build().unwrap();
            let two = Builder::new().workers(1 + round % 3).name("two").build().unwrap();
            let queue = Arc::new(Queue::unbounded());
            // A socket of the second runtime, used by tasks of the first.
            let (mut stream, mut peer, listener) = two
                .block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                    let (peer, _) = listener.accept().await.unwrap();
                    (stream, peer, listener)
                })
                .unwrap();
            let inner = queue.clone();
            let endless = two.create_task(async move {
                inner.put(1).await.unwrap();
                std::future::pending::<()>().await;
            });
            let two_handle = two.handle().clone();
            let reader = one.create_task(async move {
                let mut byte = [0];
                let first = stream.read(&mut byte).await.map(|_| byte[0]);
                // From here on nobody watches that socket any more.
                let second = stream.read(&mut byte).await;
                (first, second.map_err(|error| error.to_string()), stream)
            });
            let inner = queue.clone();
            let crossed = one.block_on(async {
                peer.write_all(b"x").await.unwrap();
                let there = two_handle.create_task(async move { inner.put(2).await.unwrap() });
                if round % 3 > 0 {
                    // With one worker nobody runs the second runtime now.
                    there.await;
                    assert_eq!(queue.get().await.unwrap() + queue.get().await.unwrap(), 3);
                    assert_eq!(two_handle.run_in_executor(|| 3).await, 3);
                }
                sleep(Duration::from_millis(5)).await;
                1
            });
            assert_eq!(crossed.unwrap(), 1);
            drop(two);
            assert!(endless.done() && endless.cancelled());
            one.block_on(async {
                let (first, second, stream) = reader.await;
                assert!(first.is_ok_and(|byte| byte == b'x') || round % 3 == 0);
                let error = second.expect_err("its driver is gone");
                assert!(error.contains("driver"), "{error}");
                drop(stream);
                assert!(two_handle.create_task(async {}).outcome().await.is_err());
                create_task(async {}).await;
            })
            .unwrap();
            drop((peer, listener));
            drop(one);
        }
        assert_nothing_left(before);
    }) else {
        return;
    };
    let child = child.well();
    assert!(!child.stderr.contains("panicked"), "{child}");
}
