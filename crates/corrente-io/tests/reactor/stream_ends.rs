//! A short read may stand for "nothing left" only if the end of the stream cannot hide behind the data.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::Loop;
use corrente_io::{Async, Reactor, StableSource};
use rustix::net::SendFlags;

pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    (client, server)
}

/// Reads with the shortcut into a buffer that is never filled.
async fn read_short<T: StableSource>(stream: &Async<T>) -> io::Result<Vec<u8>>
where
    for<'a> &'a T: Read,
{
    let mut buffer = [0; 64];
    let count = stream.read_stream(buffer.len(), |mut stream: &T| stream.read(&mut buffer)).await?;
    Ok(buffer[..count].to_vec())
}

/// Lets the kernel and the reactor see everything that has been sent.
pub fn settle(run: &mut Loop) {
    for _ in 0..3 {
        run.turn(Some(Duration::from_millis(5)));
    }
}

in_every_mode! {
    fn data_and_end_in_one_event(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        let server = Async::new(&run.handle(), server).unwrap();
        assert!(Loop::poll_once(read_short(&server)).is_none(), "nothing was sent yet");

        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        settle(run);

        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"hello");
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"");
    }

    fn data_and_end_before_the_registration(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let server = Async::new(&run.handle(), server).unwrap();

        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"hello");
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"");
    }

    fn end_between_event_and_read(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        let server = Async::new(&run.handle(), server).unwrap();
        assert!(Loop::poll_once(read_short(&server)).is_none());

        client.write_all(b"hello").unwrap();
        settle(run);
        client.shutdown(Shutdown::Write).unwrap();

        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"hello");
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"");
    }

    fn end_after_the_read(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        let server = Async::new(&run.handle(), server).unwrap();
        client.write_all(b"hello").unwrap();
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"hello");

        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"");
    }

    fn reset_behind_data(run: &mut Loop) {
        let (mut client, mut server) = tcp_pair();
        // Unread bytes at close make the kernel send a reset.
        server.write_all(b"never read").unwrap();
        let server = Async::new(&run.handle(), server).unwrap();
        assert!(Loop::poll_once(read_short(&server)).is_none());
        client.write_all(b"hello").unwrap();
        settle(run);
        drop(client);
        settle(run);

        // A reset throws away what was not read, so only that it ends is certain.
        loop {
            match run.block_on(read_short(&server)) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => assert_eq!(bytes, b"hello"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                    break;
                }
            }
        }
    }

    fn unix_stream_ends(run: &mut Loop) {
        let (mut client, server) = UnixStream::pair().unwrap();
        let server = Async::new(&run.handle(), server).unwrap();
        assert!(Loop::poll_once(read_short(&server)).is_none());
        client.write_all(b"hello").unwrap();
        drop(client);
        settle(run);

        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"hello");
        assert_eq!(run.block_on(read_short(&server)).unwrap(), b"");
    }

    fn bytes_behind_an_urgent_one(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        let server = Async::new(&run.handle(), server).unwrap();
        assert!(Loop::poll_once(read_short(&server)).is_none());
        // A read stops before the place of the urgent byte: short, though there is more.
        client.write_all(b"before").unwrap();
        rustix::net::send(&client, b"!", SendFlags::OOB).unwrap();
        client.write_all(b"after").unwrap();
        settle(run);

        let mut all = Vec::new();
        while all.len() < b"beforeafter".len() {
            all.extend(run.block_on(read_short(&server)).unwrap());
        }
        assert_eq!(all, b"beforeafter");
    }

    fn one_byte_at_a_time(run: &mut Loop) {
        let (mut client, server) = tcp_pair();
        let server = Async::new(&run.handle(), server).unwrap();
        let writer = std::thread::spawn(move || {
            for byte in 0..=255u8 {
                client.write_all(&[byte]).unwrap();
                if byte % 16 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        let mut all = Vec::new();
        loop {
            let bytes = run.block_on(read_short(&server)).unwrap();
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        writer.join().unwrap();
        assert_eq!(all, (0..=255).collect::<Vec<u8>>());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answered_message_costs_one_read_one_write_and_one_turn() {
    let mut run = Loop::new(Reactor::new().unwrap());
    let (mut client, server) = tcp_pair();
    let server = Async::new(&run.handle(), server).unwrap();
    let (reads, writes) = (Cell::new(0), Cell::new(0));
    let echo = async |buffer: &mut [u8; 64]| {
        let count = server
            .read_stream(buffer.len(), |mut stream| {
                reads.set(reads.get() + 1);
                stream.read(buffer)
            })
            .await
            .unwrap();
        let sent = server.write_stream(count, |mut stream| {
            writes.set(writes.get() + 1);
            stream.write(&buffer[..count])
        });
        assert_eq!(sent.await.unwrap(), count);
    };

    let mut buffer = [0; 64];
    client.write_all(b"first").unwrap();
    run.block_on(echo(&mut buffer));
    client.read_exact(&mut buffer[..5]).unwrap();
    // The event about the first message may still be under way.
    settle(&mut run);
    reads.set(0);
    writes.set(0);
    run.turns = 0;

    const MESSAGES: usize = 100;
    for _ in 0..MESSAGES {
        let mut echoed = Box::pin(echo(&mut buffer));
        assert!(
            futures_lite::future::block_on(futures_lite::future::poll_once(&mut echoed)).is_none()
        );
        client.write_all(b"hello").unwrap();
        run.block_on(echoed);
        client.read_exact(&mut buffer[..5]).unwrap();
    }
    assert_eq!((reads.get(), writes.get(), run.turns), (MESSAGES, MESSAGES, MESSAGES));
}

#[cfg(target_os = "linux")]
#[test]
fn a_short_write_waits_without_trying_again() {
    let mut run = Loop::new(Reactor::new().unwrap());
    let (mut client, server) = tcp_pair();
    let server = Async::new(&run.handle(), server).unwrap();
    let block = vec![7; 1 << 20];
    let mut sent = 0;
    // Until a write is short: then there is no room.
    loop {
        let count =
            run.block_on(server.write_stream(block.len(), |mut stream| stream.write(&block)));
        sent += count.as_ref().unwrap();
        if count.unwrap() < block.len() {
            break;
        }
    }
    let mut tries = 0;
    let write = server.write_stream(1, |mut stream| {
        tries += 1;
        stream.write(&block[..1])
    });
    assert!(Loop::poll_once(write).is_none());
    assert_eq!(tries, 0);

    let reader = std::thread::spawn(move || {
        let mut received = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match client.read(&mut buffer).unwrap() {
                0 => return received,
                count => received += count,
            }
        }
    });
    sent += run.block_on(server.write_stream(1, |mut stream| stream.write(&block[..1]))).unwrap();
    drop(server);
    assert_eq!(reader.join().unwrap(), sent);
}
