//! Descriptors run out under a listener, and change hands behind the driver's back (faults 54, 57).

use crate::child::{Child, have};
use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream};
use corrente::{Builder, create_task, timeout};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn descriptors_run_out_under_a_listener() {
    let test = "sockets::descriptors_run_out_under_a_listener";
    let tool = ["prlimit", "--nofile=64"];
    if !have(&tool, test) {
        return;
    }
    let running = Child::of(test).under(&tool).start(|_| {
        let run = Builder::new().workers(2).run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("port {}", listener.local_addr()?.port());
            let errors = Arc::new(AtomicUsize::new(0));
            let count = errors.clone();
            let begin = Instant::now();
            let server = create_task(async move {
                loop {
                    match listener.accept().await {
                        Ok((mut stream, _)) => {
                            let answer = create_task(async move {
                                let mut byte = [0];
                                while stream.read_exact(&mut byte).await.is_ok() {
                                    let _ = stream.write_all(&byte).await;
                                }
                            });
                            answer.detach();
                        }
                        Err(error) if count.fetch_add(1, SeqCst) == 0 => println!("full {error}"),
                        Err(_) => {}
                    }
                }
            });
            // Until the parent has seen enough.
            corrente::to_thread(|| drop(std::io::stdin().lines().next())).await;
            server.cancel();
            let (errors, length) = (errors.load(SeqCst), begin.elapsed().as_millis());
            println!("errors {errors} {length}");
            Ok::<_, std::io::Error>(())
        });
        run.unwrap().unwrap();
    });
    let Some(mut child) = running else { return };
    let port: u16 = child.line("port").parse().unwrap();
    let mut clients: Vec<_> = (0..200)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"x").unwrap();
            client
        })
        .collect();
    child.line("full");
    std::thread::sleep(Duration::from_millis(500));
    // Those who leave make room for those who wait.
    let mut rest = clients.split_off(160);
    drop(clients);
    for client in &mut rest {
        client.read_exact(&mut [0]).expect("an answer");
    }
    child.tell("enough");
    let line = child.line("errors");
    let (errors, length) = line.split_once(' ').unwrap();
    let (errors, length): (u64, u64) = (errors.parse().unwrap(), length.parse().unwrap());
    // A rest of 10 ms after each.
    assert!(errors >= 1 && errors <= length / 10 + 1, "{errors} attempts in {length} ms: it spins");
    child.end().well();
}

/// Connects `there` to a plain socket.
async fn pair(listening: &std::net::TcpListener) -> (TcpStream, std::net::TcpStream) {
    let here = std::net::TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let (there, _) = listening.accept().unwrap();
    (TcpStream::try_from(here).unwrap(), there)
}

#[test]
fn a_number_changes_hands() {
    let test = "sockets::a_number_changes_hands";
    for portable in [false, true] {
        let Some(child) = Child::of(test).argument(portable).run(|portable| {
            let mut builder = Builder::new().workers(2);
            if portable == "true" {
                builder = builder.portable_io();
            }
            builder.run(numbers_change_hands()).unwrap();
        }) else {
            return;
        };
        child.well();
    }
}

async fn numbers_change_hands() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut reused = 0;
    for round in 0..200u8 {
        let (mut old, mut old_peer) = pair(&listening).await;
        let number = old.as_fd().as_raw_fd();
        assert!(timeout(Duration::ZERO, old.read(&mut [0])).await.is_err(), "nobody has sent");
        // The open socket lives on in a duplicate, as if a child held it; its registration ends.
        let kept = old.as_fd().try_clone_to_owned().unwrap();
        if round % 2 == 0 {
            drop(old);
        } else {
            drop(old.into_std().expect("the only handle"));
        }
        let (mut new, mut new_peer) = pair(&listening).await;
        reused += usize::from(new.as_fd().as_raw_fd() == number);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let inner = seen.clone();
        let reader = create_task(async move {
            let mut byte = [0];
            while new.read(&mut byte).await.unwrap() == 1 {
                inner.lock().unwrap().push(byte[0]);
            }
        });
        // The old one becomes readable; that is no news for anybody.
        old_peer.write_all(&[200]).unwrap();
        corrente::sleep(Duration::from_micros(200)).await;
        assert!(seen.lock().unwrap().is_empty(), "bytes of another socket");
        new_peer.write_all(&[round]).unwrap();
        drop(new_peer);
        reader.await;
        assert_eq!(*seen.lock().unwrap(), [round]);
        // What the duplicate holds is still there, for whoever takes it.
        let mut back = TcpStream::try_from(std::net::TcpStream::from(kept)).unwrap();
        let mut byte = [0];
        back.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, [200]);
        // There and back: another registration of the same socket.
        let plain = back.into_std().expect("the only handle");
        let mut again = TcpStream::try_from(plain).unwrap();
        old_peer.write_all(&[201]).unwrap();
        again.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte, [201]);
    }
    assert!(reused > 0, "no number was ever used again, so nothing was shown");
}
