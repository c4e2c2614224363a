//! A server in a process of its own, which is stopped and continued, and whose clients vanish.

use crate::child::{Child, belongings, wait_until};
use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::TcpListener;
use corrente::{Builder, create_task, sleep};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// The server of the example, with a clock that must go on ticking.
async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ticks = Arc::new(AtomicUsize::new(0));
    let connections = Arc::new(AtomicUsize::new(0));
    let count = ticks.clone();
    let ticking = create_task(async move {
        loop {
            sleep(Duration::from_millis(2)).await;
            count.fetch_add(1, SeqCst);
        }
    });
    ticking.detach();
    corrente::to_thread(|| ()).await;
    let before = belongings().1;
    println!("port {}", listener.local_addr()?.port());
    let living = connections.clone();
    let accepting = create_task(async move {
        while let Ok((stream, _)) = listener.accept().await {
            living.fetch_add(1, SeqCst);
            let living = living.clone();
            let answer = create_task(async move {
                let result = answer(stream).await;
                living.fetch_sub(1, SeqCst);
                // A client that vanished is no news.
                drop(result);
            });
            answer.detach();
        }
    });
    corrente::to_thread(|| drop(io::stdin().lines().next())).await;
    let seen = ticks.load(SeqCst);
    while ticks.load(SeqCst) < seen + 3 || connections.load(SeqCst) > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(!accepting.done(), "the listener has given up");
    wait_until("all descriptors are given back", || belongings().1 <= before);
    Ok(())
}

async fn answer(mut stream: corrente::net::TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read]).await?,
        }
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a server");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends so many messages, and expects each back.
fn talk(port: u16, messages: usize, seed: usize) {
    let mut stream = connect(port);
    for n in 0..messages {
        let sent: Vec<u8> = (0..1 + (n * 37) % 3000).map(|at| (at + n + seed) as u8).collect();
        stream.write_all(&sent).expect("a server");
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).expect("a reply");
        assert!(sent == received, "message {n} came back as another");
    }
}

#[test]
fn it_survives_being_stopped_and_clients_that_vanish() {
    let test = "server::it_survives_being_stopped_and_clients_that_vanish";
    let running = Child::of(test).start(|_| {
        Builder::new().workers(2).run(serve()).expect("main returns").expect("no error");
    });
    let Some(mut child) = running else { return };
    let port: u16 = child.line("port").parse().unwrap();
    let server = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talking: Vec<_> = (0..8).map(|n| scope.spawn(move || talk(port, 300, n))).collect();
        let vanishing = scope.spawn(|| {
            for n in 0..300 {
                let mut stream = connect(port);
                let _ = stream.write_all(&vec![1; 1 + n * 50]);
                match n % 4 {
                    // A reset, with bytes unread on both sides.
                    0 => drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))),
                    1 => drop(stream.shutdown(Shutdown::Write)),
                    2 => drop(stream.shutdown(Shutdown::Both)),
                    _ => {}
                }
            }
        });
        // Stopped and continued as long as they talk, at least a hundred times.
        let stopping = scope.spawn(|| {
            let mut rounds = 0;
            while rounds < 100 || !over.load(SeqCst) {
                kill_process(server, Signal::STOP).expect("it lives");
                std::thread::sleep(Duration::from_millis(3));
                kill_process(server, Signal::CONT).expect("it lives");
                std::thread::sleep(Duration::from_millis(3));
                rounds += 1;
            }
        });
        let results: Vec<_> = talking.into_iter().map(|thread| thread.join()).collect();
        let vanished = vanishing.join();
        over.store(true, SeqCst);
        stopping.join().expect("the server is there to be stopped");
        assert!(vanished.is_ok() && results.iter().all(Result::is_ok), "a reply was missing");
    });
    // As if nothing had been.
    talk(port, 50, 99);
    child.tell("enough");
    child.end().well();
}
