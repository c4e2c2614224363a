//! Sockets as a user meets them: errors that say what to do, ends, resets, conversions.

use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use corrente::{create_task, timeout};
use std::io::ErrorKind;
use std::time::Duration;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (accepted, connected) =
        corrente::try_gather((async move { listener.accept().await }, TcpStream::connect(addr)))
            .await
            .unwrap();
    (accepted.0, connected)
}

#[corrente::test]
async fn a_port_in_use_is_named() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = first.local_addr().unwrap();
    let error = TcpListener::bind(addr).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[corrente::test]
async fn nonsense_is_no_address() {
    for text in ["nonsense", "127.0.0.1", "127.0.0.1:http:", "1.2.3.4:99999"] {
        let error = TcpStream::connect(text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        assert!(error.to_string().contains("host:port"), "{error}");
    }
}

#[corrente::test]
async fn nobody_listens() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[corrente::test]
async fn names_are_resolved() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    create_task(async move { listener.accept().await }).detach();
    TcpStream::connect(("localhost", port)).await.unwrap();
}

#[test]
fn a_socket_outside_of_a_runtime_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = TcpListener::try_from(listener).unwrap_err();
    assert!(error.to_string().contains("corrente::run"), "{error}");
}

#[corrente::test]
async fn bytes_arrive_in_order_and_the_end_comes_once() {
    let (mut a, mut b) = pair().await;
    let sender = create_task(async move {
        for round in 0..200_u32 {
            a.write_all(&round.to_le_bytes().repeat(1000)).await?;
        }
        a.close().await
    });
    let mut all = Vec::new();
    b.read_to_end(&mut all).await.unwrap();
    sender.await.unwrap();
    let expected: Vec<u8> =
        (0..200_u32).flat_map(|round| round.to_le_bytes().repeat(1000)).collect();
    assert_eq!(all, expected);
    assert_eq!(b.read(&mut [0]).await.unwrap(), 0);
}

#[corrente::test]
async fn a_reset_is_an_error_and_kills_nobody() {
    let (a, mut b) = pair().await;
    a.set_linger(Some(Duration::ZERO)).unwrap();
    drop(a);
    let error = b.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // A write to a broken connection is an error, and no signal.
    while b.write(b"x").await.is_ok() {}
}

#[corrente::test]
async fn a_read_that_is_dropped_loses_no_byte() {
    let (mut a, mut b) = pair().await;
    let mut buffer = [0; 16];
    assert!(timeout(Duration::from_millis(5), b.read(&mut buffer)).await.is_err());
    a.write_all(b"whole").await.unwrap();
    let read = b.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..read], b"whole");
}

#[corrente::test]
async fn clones_read_and_write_at_once() {
    let (a, b) = pair().await;
    let echo = create_task(async move {
        let (mut read, mut write) = (b.clone(), b);
        corrente::io::copy(&mut read, &mut write).await
    });
    let mut write = a.clone();
    let writer = create_task(async move {
        write.write_all(&[7; 1_000_000]).await?;
        write.close().await
    });
    let mut back = Vec::new();
    (&a).read_to_end(&mut back).await.unwrap();
    writer.await.unwrap();
    assert_eq!(back, [7; 1_000_000]);
    drop(a);
    let _ = echo.await;
}

#[corrente::test]
async fn to_std_and_back() {
    let (a, mut b) = pair().await;
    let a = a.into_std().unwrap();
    let mut a = TcpStream::try_from(a).unwrap();
    a.write_all(b"!").await.unwrap();
    let mut byte = [0];
    b.read_exact(&mut byte).await.unwrap();
    assert_eq!(byte, *b"!");
    assert!(b.clone().into_std().is_err(), "a clone is left");
}

#[corrente::test]
async fn datagrams() {
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    a.send_to(b"ping", b.local_addr().unwrap()).await.unwrap();
    let mut buffer = [0; 16];
    let (len, from) = b.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..len], from), (&b"ping"[..], a.local_addr().unwrap()));
}

#[corrente::test]
async fn unix_pairs() {
    let (mut a, mut b) = UnixStream::pair().unwrap();
    a.write_all(b"hi").await.unwrap();
    drop(a);
    let mut text = String::new();
    b.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hi");
}

/// Sends back what comes, four bytes at a time.
async fn echo_by_four(mut server: UnixStream) {
    let mut message = [0; 4];
    while server.read_exact(&mut message).await.is_ok() {
        server.write_all(&message).await.unwrap();
    }
}

#[corrente::test(virtual_time)]
async fn time_stands_still_while_bytes_are_there() {
    let mut clients = Vec::new();
    for _ in 0..40 {
        // Not TCP, whose bytes the kernel may keep back for a moment of a time that does not stand still.
        let (client, server) = UnixStream::pair().unwrap();
        drop(create_task(echo_by_four(server)));
        clients.push(client);
    }
    // So often there is nothing behind a message that the servers wait without looking.
    for _ in 0..20 {
        for client in &mut clients {
            client.write_all(b"ping").await.unwrap();
            client.read_exact(&mut [0; 4]).await.unwrap();
        }
    }
    for client in &mut clients {
        client.write_all(b"pingpong").await.unwrap();
        let mut both = [0; 8];
        timeout(Duration::from_secs(3600), client.read_exact(&mut both)).await.unwrap().unwrap();
        assert_eq!(&both, b"pingpong");
    }
}
