//! `blocking`: the function keeps the thread, and everybody else goes on.

use corrente::net::{TcpListener, TcpStream};
use corrente::{
    Builder, ContextVar, Runner, blocking, create_task, current_task, sleep, timeout, to_thread,
};
use std::io::{Read, Write};
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn timers_and_sockets_go_on_beside_it() {
    for workers in [1, 2] {
        let main = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            create_task(async move {
                loop {
                    let (mut peer, _) = listener.accept().await.unwrap();
                    create_task(async move {
                        use futures_lite::{AsyncReadExt, AsyncWriteExt};
                        let mut bytes = [0; 4];
                        peer.read_exact(&mut bytes).await.unwrap();
                        sleep(Duration::from_millis(1)).await;
                        peer.write_all(&bytes).await.unwrap();
                    })
                    .detach();
                }
            })
            .detach();
            for _ in 0..10 {
                // A client that knows nothing of the runtime, in main and in a task.
                let call = move || {
                    let mut client = std::net::TcpStream::connect(address).unwrap();
                    client.set_read_timeout(Some(PATIENCE)).unwrap();
                    client.write_all(b"ping").unwrap();
                    let mut bytes = [0; 4];
                    client.read_exact(&mut bytes).unwrap();
                    bytes
                };
                let task = create_task(async move { blocking(call) });
                assert_eq!(&blocking(call), b"ping");
                assert_eq!(&task.await, b"ping");
                // Main may have lost its worker, but not its runtime.
                create_task(async move { drop(TcpStream::connect(address).await.unwrap()) }).await;
            }
        };
        Builder::new().workers(workers).run(main).unwrap();
    }
}

#[test]
fn the_function_is_in_the_task_that_calls_it() {
    static VAR: ContextVar<u32> = ContextVar::new(|| 0);
    let main = async {
        let _ = VAR.set(1);
        let task = create_task(async {
            let (sender, receiver) = channel();
            let local = String::from("borrowed");
            let seen = blocking(|| {
                create_task(async move { sender.send(VAR.get()) }).detach();
                let child = receiver.recv_timeout(PATIENCE).unwrap();
                let name = current_task().map(|task| task.name());
                let _ = VAR.set(2);
                (child, VAR.get(), name, local.len())
            });
            (seen, VAR.get(), current_task().map(|task| task.name()))
        });
        task.set_name("caller");
        let name = Some("caller".to_owned());
        assert_eq!(task.await, ((1, 2, name.clone(), 8), 2, name));
    };
    Builder::new().workers(1).run(main).unwrap();
}

#[test]
fn a_cancel_waits_for_it() {
    let main = async {
        let (entered, has_entered) = channel();
        let (release, released) = channel::<()>();
        let (ended, has_ended) = channel();
        let task = create_task(async move {
            blocking(|| {
                entered.send(()).unwrap();
                released.recv_timeout(PATIENCE).unwrap();
            });
            ended.send(()).unwrap();
            sleep(Duration::ZERO).await;
            panic!("it went on after its cancel");
        });
        // Not main: that cannot leave its thread, which may be the one of the section.
        let canceller = create_task(async move {
            to_thread(move || has_entered.recv_timeout(PATIENCE).unwrap()).await;
            assert!(task.cancel());
            assert!(!task.done());
            release.send(()).unwrap();
            assert!(task.outcome().await.is_err_and(|error| error.is_cancelled()));
            has_ended.recv_timeout(PATIENCE).unwrap();
        });
        canceller.await;
    };
    Builder::new().workers(1).run(main).unwrap();
}

#[test]
fn in_fifo_mode_and_elsewhere_it_is_a_plain_call() {
    assert_eq!(blocking(|| 1), 1);
    let two = Builder::new().fifo().run(async { create_task(async { blocking(|| 2) }).await });
    assert_eq!(two.unwrap(), 2);
    assert_eq!(corrente::run(async { to_thread(|| blocking(|| 3)).await }), 3);
}

#[test]
fn between_two_runs_what_follows_a_section_stands_still() {
    let mut runner = Runner::new().unwrap();
    for _ in 0..20 {
        let (sender, receiver) = sync_channel(0);
        let main = async move {
            create_task(async move {
                blocking(|| sender.send(()).unwrap());
                sleep(Duration::ZERO).await;
            })
            .detach();
            blocking(|| receiver.recv_timeout(PATIENCE).unwrap());
            let late = timeout(Duration::from_millis(1), sleep(PATIENCE)).await;
            assert!(late.is_err());
        };
        runner.run(main).unwrap();
    }
}
