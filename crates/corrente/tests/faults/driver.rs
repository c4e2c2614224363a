//! The driver's system calls are interrupted, or fail for ever (faults 55, 56).

use crate::child::{Child, have};
use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream, UdpSocket};
use corrente::signal::{Signal, SignalKind};
use corrente::{Builder, create_task, sleep, timeout};
use std::io;
use std::time::Duration;

/// Connects, sends, receives, sleeps and blocks; any error shows.
async fn everything(rounds: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = create_task(async move {
        loop {
            let mut stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => break error,
            };
            let answer = create_task(async move {
                let mut buffer = [0; 64];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok::<_, io::Error>(()),
                        read => stream.write_all(&buffer[..read]).await?,
                    }
                }
            });
            answer.detach();
        }
    });
    for round in 0..rounds {
        let mut stream = TcpStream::connect(address).await?;
        for n in 0..10 {
            let sent = [n, round as u8];
            stream.write_all(&sent).await?;
            let mut received = [0; 2];
            stream.read_exact(&mut received).await?;
            assert_eq!(sent, received);
        }
        sleep(Duration::from_micros(300)).await;
        assert_eq!(corrente::to_thread(move || round).await, round);
    }
    let here = UdpSocket::bind("127.0.0.1:0").await?;
    here.send_to(b"datagram", here.local_addr()?).await?;
    let (length, _) = here.recv_from(&mut [0; 32]).await?;
    assert_eq!(length, 8);
    server.cancel();
    match server.outcome().await {
        Ok(error) => Err(error),
        Err(_) => Ok(()),
    }
}

#[test]
fn a_thousand_signals_a_second() {
    let test = "driver::a_thousand_signals_a_second";
    if std::env::var_os("TSAN_OPTIONS").is_some() {
        // As in `ctrl_c.rs`: it keeps signals back from threads that wait in the kernel.
        eprintln!("SKIPPED: {test}: the thread sanitizer delivers no signal to a waiting thread");
        return;
    }
    let Some(child) = Child::of(test).run(|_| {
        let run = Builder::new().workers(2).run(async {
            let mut signal = Signal::new(SignalKind::USER_1)?;
            let sender = std::thread::spawn(|| {
                for _ in 0..1000 {
                    let me = rustix::process::getpid();
                    rustix::process::kill_process(me, rustix::process::Signal::USR1).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let mut seen = 0;
            while !sender.is_finished() {
                everything(5).await?;
                while timeout(Duration::from_micros(100), signal.recv()).await.is_ok() {
                    seen += 1;
                }
            }
            sender.join().expect("a sender");
            assert!(seen > 0, "not one of a thousand signals was seen");
            Ok::<_, io::Error>(())
        });
        run.expect("main returns").expect("a signal is no error");
    }) else {
        return;
    };
    child.well();
}

const WAITS: &str = "epoll_wait,epoll_pwait,epoll_pwait2";

#[test]
fn every_third_system_call_is_interrupted() {
    let test = "driver::every_third_system_call_is_interrupted";
    if !have(&["strace", "-f", "-o", "/dev/null"], test) {
        return;
    }
    let calls = format!("{WAITS},recvfrom,sendto,accept4,connect");
    let (trace, inject) =
        (format!("trace={calls}"), format!("inject={calls}:error=EINTR:when=1+3"));
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    for portable in [false, true] {
        let Some(child) = Child::of(test).under(&strace).argument(portable).run(|portable| {
            let mut builder = Builder::new().workers(2);
            if portable == "true" {
                builder = builder.portable_io();
            }
            builder.run(everything(20)).expect("main returns").expect("EINTR is no error");
        }) else {
            return;
        };
        child.well();
    }
}

/// Processor time that this process has used, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn waiting_fails_for_ever() {
    let test = "driver::waiting_fails_for_ever";
    if !have(&["strace", "-f", "-o", "/dev/null"], test) {
        return;
    }
    for error in ["EBADF", "EINVAL", "ENOMEM"] {
        // Counted by thread: each has a few that work.
        let inject = format!("inject={WAITS}:error={error}:when=40+");
        let trace = format!("trace={WAITS}");
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let Some(child) = Child::of(test).under(&strace).argument(error).run(|_| {
            let run = Builder::new().workers(2).run(async {
                let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listening.local_addr().unwrap();
                let waiting: Vec<_> = (0..10)
                    .map(|_| {
                        let stream = std::net::TcpStream::connect(address).unwrap();
                        let mut stream = TcpStream::try_from(stream).unwrap();
                        create_task(async move { stream.read(&mut [0]).await })
                    })
                    .collect();
                // Timers go on, before and after the failure, which they bring about.
                while !waiting.iter().all(|task| task.done()) {
                    sleep(Duration::from_millis(1)).await;
                }
                for task in waiting {
                    let error = task.await.expect_err("nobody sends").to_string();
                    assert!(error.contains("the I/O driver has failed"), "{error}");
                }
                let late = TcpStream::connect(address).await.expect_err("a driver that has failed");
                assert!(late.to_string().contains("the I/O driver has failed"), "{late}");
                // Nobody runs in circles.
                let begin = ticks();
                sleep(Duration::from_millis(600)).await;
                let used = ticks() - begin;
                assert!(used < 30, "{used} ticks of 60 were used while everybody slept");
                // Work that needs no driver goes on.
                assert_eq!(corrente::to_thread(|| 1).await + create_task(async { 2 }).await, 3);
            });
            run.expect("main returns");
        }) else {
            return;
        };
        let child = child.well();
        let reports = child.stderr.matches("the I/O driver has failed").count();
        assert_eq!(reports, 1, "it is said once: {child}");
    }
}
