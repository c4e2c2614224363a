//! Streams: what readers and writers promise, and how misuse is answered.

use corrente::io::AsyncRead;
use corrente::stream::{ReadError, open_stream};
use corrente::{
    StreamReader, StreamWriter, create_task, duplex, open_connection, sleep, start_server, timeout,
};
use std::io::Result;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

fn ends(
    capacity: usize,
    limit: usize,
) -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let (a, b) = duplex(capacity);
    (open_stream(a, limit).unwrap(), open_stream(b, limit).unwrap())
}

/// What tokio's `read_exact` and `read_line` would have lost.
#[corrente::test]
async fn a_cancelled_read_loses_no_byte_where_tokio_loses_them() {
    let ((reader, _writer), (_, peer)) = ends(1024, 1024);
    peer.write(b"half a li");
    let short = Duration::from_millis(5);
    assert!(timeout(short, reader.readline()).await.is_err());
    assert!(timeout(short, reader.read_exactly(100)).await.is_err());
    assert!(timeout(short, reader.read_until(&[";"])).await.is_err());
    assert!(timeout(short, reader.read_to_end()).await.is_err());
    peer.write(b"ne\nrest");
    peer.close();
    assert_eq!(reader.readline().await.unwrap(), b"half a line\n");
    assert_eq!(reader.read_to_end().await.unwrap(), b"rest");
}

#[corrente::test]
async fn lines_of_all_kinds() {
    let ((reader, _w), (_, peer)) = ends(16, 1024);
    let writing = create_task(async move {
        for text in
            ["one\ntw", "o\n", "\n", "a very long line that does not fit into the pipe\nlast"]
        {
            peer.write(text.as_bytes());
            peer.drain().await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        peer.close();
    });
    let mut lines = reader.lines();
    let mut all = Vec::new();
    while let Some(line) = lines.next().await {
        all.push(String::from_utf8(line.unwrap()).unwrap());
    }
    writing.await;
    let expected =
        ["one\n", "two\n", "\n", "a very long line that does not fit into the pipe\n", "last"];
    assert_eq!(all, expected);
    assert!(reader.at_eof());
}

#[corrente::test]
async fn a_line_over_the_limit_is_dropped_and_the_next_one_comes() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"much too long\nok\n");
    assert!(matches!(reader.readline().await, Err(ReadError::LineTooLong)));
    assert_eq!(reader.readline().await.unwrap(), b"ok\n");
}

#[corrente::test]
async fn a_line_over_the_limit_is_dropped_as_far_as_it_came() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"much too ");
    assert!(matches!(reader.readline().await, Err(ReadError::LineTooLong)));
    reader.feed_data(b"long\nok\n");
    assert_eq!(reader.readline().await.unwrap(), b"long\n");
    assert_eq!(reader.readline().await.unwrap(), b"ok\n");
}

/// More than one chunk at once, with lines across the ends of chunks.
#[corrente::test]
async fn much_data_comes_in_order() {
    let ((reader, _w), (_, peer)) = ends(300_000, 1024);
    let line = |number: usize| format!("{number:>width$}\n", width = number % 97).into_bytes();
    let writing = create_task(async move {
        for number in 0..20_000 {
            peer.write(&line(number));
            peer.drain().await.unwrap();
        }
        peer.close();
    });
    let mut read = Vec::new();
    for number in 0..20_000 {
        read.clear();
        reader.readline_into(&mut read).await.unwrap();
        assert_eq!(read, line(number));
    }
    assert_eq!(reader.readline().await.unwrap(), b"");
    writing.await;
}

#[corrente::test]
async fn a_separator_beyond_the_limit_leaves_everything() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"abcdefgh;");
    assert!(matches!(
        reader.read_until(&[";"]).await,
        Err(ReadError::LimitOverrun { consumed: 8 })
    ));
    assert_eq!(reader.read_exactly(9).await.unwrap(), b"abcdefgh;");
}

/// As in CPython 3.13: the end of the stream does not excuse what is too long.
#[corrente::test]
async fn too_much_without_a_separator_stays_after_the_end_of_the_stream_too() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"abcdef");
    reader.feed_eof();
    for _ in 0..2 {
        let read = reader.read_until(&["--"]).await;
        assert!(matches!(read, Err(ReadError::LimitOverrun { consumed: 5 })), "{read:?}");
    }
    assert_eq!(reader.read_exactly(5).await.unwrap(), b"abcde");
    let read = reader.read_until(&["--"]).await;
    assert!(matches!(read, Err(ReadError::Incomplete { .. })), "{read:?}");
}

/// As in CPython 3.13: the limit is that of what stands before the shortest.
#[corrente::test]
async fn of_separators_that_end_together_the_shortest_counts() {
    for separators in [["\n", "\r\n"], ["\r\n", "\n"]] {
        let reader = StreamReader::new(2);
        reader.feed_data(b"ab\r\n");
        let read = reader.read_until(&separators).await;
        assert!(matches!(read, Err(ReadError::LimitOverrun { consumed: 3 })), "{read:?}");
    }
}

/// The limit is that of a line without its end.
#[corrente::test]
async fn what_is_as_long_as_the_limit_is_read() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"abcd\nefgh;");
    assert_eq!(reader.readline().await.unwrap(), b"abcd\n");
    assert_eq!(reader.read_until(&[";"]).await.unwrap(), b"efgh;");
}

#[corrente::test]
async fn a_stream_that_has_ended_is_not_at_its_end_while_bytes_are_left() {
    let reader = StreamReader::new(4);
    reader.feed_data(b"ab");
    reader.feed_eof();
    assert!(!reader.at_eof());
    assert_eq!(reader.read(1).await.unwrap(), b"a");
    assert!(!reader.at_eof());
    assert_eq!(reader.read(9).await.unwrap(), b"b");
    assert!(reader.at_eof());
}

#[corrente::test]
async fn the_first_of_several_separators_counts() {
    let reader = StreamReader::new(100);
    reader.feed_data(b"a--b;c\r\nd");
    reader.feed_eof();
    assert_eq!(reader.read_until(&["\r\n", ";", "--"]).await.unwrap(), b"a--");
    assert_eq!(reader.read_until(&["\r\n", ";"]).await.unwrap(), b"b;");
    assert_eq!(reader.read_until(&["\r\n", ";"]).await.unwrap(), b"c\r\n");
    let Err(ReadError::Incomplete { partial, .. }) = reader.read_until(&[";"]).await else {
        panic!("there is no separator left");
    };
    assert_eq!(partial, b"d");
    assert!(matches!(reader.read_until(&[""]).await, Err(ReadError::NoSeparator)));
}

#[corrente::test]
async fn two_reads_at_once_are_refused_and_nothing_is_lost() {
    let reader = StreamReader::new(100);
    let other = reader.clone();
    let first = create_task(async move { other.read(10).await });
    sleep(Duration::from_millis(5)).await;
    assert!(matches!(reader.read(1).await, Err(ReadError::Busy)));
    reader.feed_data(b"x");
    assert_eq!(first.await.unwrap(), b"x");
}

#[corrente::test]
async fn a_read_that_waits_keeps_its_bytes_from_a_second_one() {
    let reader = StreamReader::new(100);
    reader.feed_data(b"line\n");
    let other = reader.clone();
    let first = create_task(async move { other.read_exactly(8).await });
    sleep(Duration::from_millis(5)).await;
    assert!(matches!(reader.readline().await, Err(ReadError::Busy)));
    assert!(matches!(reader.read(1).await, Err(ReadError::Busy)));
    reader.feed_data(b"end");
    assert_eq!(first.await.unwrap(), b"line\nend");
}

/// What is fed by hand reaches a read that waits for its source.
#[corrente::test]
async fn bytes_that_are_fed_beside_a_silent_source() {
    let ((reader, _w), (_, _silent)) = ends(1024, 1024);
    let other = reader.clone();
    let read = create_task(async move {
        let line = other.readline().await.unwrap();
        (line, other.read_to_end().await.unwrap())
    });
    sleep(Duration::from_millis(5)).await;
    reader.feed_data(b"fed\n");
    sleep(Duration::from_millis(5)).await;
    reader.feed_eof();
    let (line, rest) = timeout(Duration::from_secs(10), read).await.expect("the read is woken");
    assert_eq!((line.as_slice(), rest.as_slice()), (&b"fed\n"[..], &b""[..]));
}

/// Each line is fed while the read for it begins on another thread.
#[corrente::test]
async fn bytes_that_are_fed_just_as_a_read_begins() {
    const LINES: usize = 20_000;
    let reader = StreamReader::new(1024);
    let wanted = Arc::new(AtomicUsize::new(0));
    let (feeder, wants) = (reader.clone(), Arc::clone(&wanted));
    let thread = std::thread::spawn(move || {
        for line in 1..=LINES {
            while wants.load(Ordering::Acquire) < line {
                std::hint::spin_loop();
            }
            feeder.feed_data(b"x\n");
        }
    });
    for line in 1..=LINES {
        wanted.store(line, Ordering::Release);
        let read = timeout(Duration::from_secs(10), reader.readline()).await;
        assert_eq!(read.expect("the read is woken").unwrap(), b"x\n");
    }
    thread.join().unwrap();
}

/// A source that has nothing; whoever asks it finds the stream ended by hand meanwhile.
struct Ends(Arc<Mutex<Option<StreamReader>>>);

impl AsyncRead for Ends {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize>> {
        let reader = self.0.lock().expect("nobody panics with it").clone();
        reader.expect("the reader is there").feed_eof();
        Poll::Pending
    }
}

#[corrente::test]
async fn the_end_that_is_fed_while_the_source_is_asked() {
    let home = Arc::new(Mutex::new(None));
    let reader = StreamReader::from_source(Ends(Arc::clone(&home)), 1024);
    *home.lock().unwrap() = Some(reader.clone());
    let end = timeout(Duration::from_secs(10), reader.readline()).await;
    assert_eq!(end.expect("the end is noticed").unwrap(), b"");
    // The source holds the reader that holds it.
    home.lock().unwrap().take();
}

#[corrente::test]
async fn drain_waits_for_a_slow_reader_and_not_before() {
    let ((reader, _w), (_, peer)) = ends(1000, 1024);
    peer.set_limits(5000, 1000);
    peer.write(&[1; 5000]);
    peer.drain().await.unwrap();
    peer.write(&[2; 5000]);
    let draining = peer.clone();
    let mut drain = create_task(async move { draining.drain().await });
    assert!(
        timeout(Duration::from_millis(10), std::future::poll_fn(|cx| drain.poll_finished(cx)))
            .await
            .is_err()
    );
    assert_eq!(reader.read_exactly(10_000).await.unwrap()[4999..5001], [1, 2]);
    drain.await.unwrap();
}

#[corrente::test]
async fn an_echo_server_with_many_clients() {
    let server = start_server(
        async |reader: StreamReader, writer: StreamWriter| {
            loop {
                let line = reader.readline().await?;
                if line.is_empty() {
                    return Ok::<(), std::io::Error>(());
                }
                writer.write(&line);
                writer.drain().await?;
            }
        },
        "127.0.0.1:0",
    )
    .await
    .unwrap();
    let addr = server.sockets()[0];
    let clients: Vec<_> = (0..50)
        .map(|number| async move {
            let (reader, writer) = open_connection(addr).await?;
            for round in 0..20 {
                let line = format!("client {number} round {round}\n");
                writer.write(line.as_bytes());
                assert_eq!(reader.readline().await?, line.as_bytes());
            }
            writer.write_eof();
            assert_eq!(reader.read_to_end().await?, b"");
            writer.close();
            writer.wait_closed().await
        })
        .collect();
    corrente::try_gather(clients).await.unwrap();
    server.close();
    server.wait_closed().await;
    assert!(open_connection(addr).await.is_err());
}

#[corrente::test]
async fn a_failing_handler_closes_its_connection_and_no_other() {
    let server = start_server(
        async |reader: StreamReader, writer: StreamWriter| match reader.readline().await?.as_slice()
        {
            b"fail\n" => Err(std::io::Error::other("as told")),
            b"panic\n" => panic!("as told"),
            line => {
                writer.write(line);
                Ok(())
            }
        },
        "127.0.0.1:0",
    )
    .await
    .unwrap();
    for (say, answer) in [("fail\n", ""), ("panic\n", ""), ("fine\n", "fine\n")] {
        let (reader, writer) = open_connection(server.sockets()[0]).await.unwrap();
        writer.write(say.as_bytes());
        assert_eq!(reader.read_to_end().await.unwrap(), answer.as_bytes());
    }
}

#[corrente::test]
async fn clients_can_be_closed_and_aborted() {
    let server = start_server(
        async |reader: StreamReader, _writer| drop(reader.read(1).await),
        "127.0.0.1:0",
    )
    .await
    .unwrap();
    let (reader, _writer) = open_connection(server.sockets()[0]).await.unwrap();
    while server.connections() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    server.close();
    server.close_clients();
    assert_eq!(reader.read_to_end().await.unwrap(), b"");
    server.wait_closed().await;
}
