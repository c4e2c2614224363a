//! Stream readers, fed by hand, and an echo over a real connection.

use crate::vocabulary::*;
use corrente::stream::ReadError;
use corrente::{StreamReader, StreamWriter, open_connection, start_server};

scenarios!("streams":
    read_n, read_all, readline, iterate_lines, readexactly, readuntil, readuntil_limit, readline_limit,
    concurrent_readers, cancelled_read, reader_error, echo_loopback,
);

impl Kind for ReadError {
    fn kind(&self) -> String {
        match self {
            Self::Incomplete { .. } => "IncompleteRead".into(),
            Self::LimitOverrun { .. } => "LimitOverrun".into(),
            Self::LineTooLong | Self::NoSeparator => "ValueError".into(),
            Self::Busy => "RuntimeError".into(),
            Self::Broken(error) => match error.downcast_ref::<Boom>() {
                Some(boom) => kind(boom),
                None => format!("unexpected: {error}"),
            },
            other => format!("unexpected: {other}"),
        }
    }
}

impl Value for Vec<u8> {
    fn shown(&self) -> Result<String, String> {
        Ok(text(self))
    }
}

fn reader(limit: usize) -> StreamReader {
    StreamReader::new(limit)
}

/// What arrives from the peer; `None` is the end of the stream.
fn feed_later<const N: usize>(r: &StreamReader, parts: [(i64, Option<&'static str>); N]) {
    for (delay, data) in parts {
        let r = r.clone();
        the_loop().call_later(ms(delay), move || match data {
            Some(data) => r.feed_data(data.as_bytes()),
            None => r.feed_eof(),
        });
    }
}

fn text(bytes: &[u8]) -> String {
    format!("<{}>", String::from_utf8_lossy(bytes).replace('\n', "|"))
}

async fn read_n() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("hello")), (20, Some("world")), (30, None)]);
    for n in [3, 10, 10, 10] {
        log!("{} at {}", text(&r.read(n).await.unwrap()), now());
    }
}

async fn read_all() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("ab")), (20, Some("cd")), (30, None)]);
    log!("{} at {}", text(&r.read_to_end().await.unwrap()), now());
}

async fn readline() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("one\ntw")), (20, Some("o\nrest")), (30, None)]);
    for _ in 0..4 {
        log!("{} at {}", text(&r.readline().await.unwrap()), now());
    }
}

async fn iterate_lines() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("a\nb\n")), (20, Some("c")), (30, None)]);
    let mut lines = r.lines();
    while let Some(line) = lines.next().await {
        log!("{} at {}", text(&line.unwrap()), now());
    }
    log!("at_eof={}", r.at_eof());
}

async fn readexactly() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("abc")), (20, Some("defg")), (30, None)]);
    log!("{} at {}", text(&r.read_exactly(5).await.unwrap()), now());
    let result = r.read_exactly(5).await;
    if let Err(e @ ReadError::Incomplete { partial, expected: Some(expected) }) = &result {
        log!("{} partial={} expected={expected} at {}", kind(e), text(partial), now());
    }
}

async fn readuntil() {
    let r = reader(65536);
    feed_later(&r, [(10, Some("key=val\r")), (20, Some("\nnext")), (30, None)]);
    log!("{} at {}", text(&r.read_until(&["="]).await.unwrap()), now());
    log!("{} bytes at {}", r.read_until(&["\r\n"]).await.unwrap().len(), now());
    if let Err(e @ ReadError::Incomplete { partial, .. }) = &r.read_until(&[";"]).await {
        log!("{} partial={}", kind(e), text(partial));
    }
}

async fn readuntil_limit() {
    let r = reader(4);
    r.feed_data(b"abcdefgh;");
    if let Err(e @ ReadError::LimitOverrun { consumed }) = &r.read_until(&[";"]).await {
        log!("{} consumed={consumed}", kind(e));
    }
    log!("{}", text(&r.read_exactly(9).await.unwrap()));
}

async fn readline_limit() {
    let r = reader(4);
    r.feed_data(b"much too long\nok\n");
    if let Err(e) = r.readline().await {
        log!("{}", kind(&e));
    }
    log!("{}", text(&r.readline().await.unwrap()));
}

async fn concurrent_readers() {
    let r = reader(65536);
    let other = r.clone();
    let t = spawn(async move { other.read(1).await });
    settle().await;
    if let Err(e) = r.read(1).await {
        log!("{}", kind(&e));
    }
    r.feed_data(b"x");
    log!("{}", text(&t.await.unwrap()));
}

async fn cancelled_read() {
    let r = reader(65536);
    let other = r.clone();
    let t = spawn(async move { other.read_exactly(6).await });
    settle().await;
    r.feed_data(b"abc");
    settle().await;
    t.cancel();
    settle().await;
    r.feed_data(b"def");
    log!("{} {}", outcome(&t), text(&r.read_exactly(6).await.unwrap()));
}

async fn reader_error() {
    let r = reader(65536);
    let other = r.clone();
    let t = spawn(async move { other.read(1).await });
    settle().await;
    r.set_exception(Boom("reset"));
    wait([&t]).await.unwrap();
    log!("{}", outcome(&t));
    if let Err(e) = r.readline().await {
        log!("{}", kind(&e));
    }
}

async fn echo_loopback() {
    async fn serve(r: StreamReader, w: StreamWriter) -> Result<(), corrente::Error> {
        loop {
            let line = r.readline().await?;
            if line.is_empty() {
                break;
            }
            w.write(b"echo ");
            w.write(&line);
            w.drain().await?;
        }
        w.close();
        Ok(())
    }
    let server = start_server(serve, "127.0.0.1:0").await.unwrap();
    let (r, w) = open_connection(server.sockets()[0]).await.unwrap();
    for msg in ["one\n", "two\n"] {
        w.write(msg.as_bytes());
        log!("{}", text(&r.readline().await.unwrap()));
    }
    w.write_eof();
    log!("end {}", text(&r.read_to_end().await.unwrap()));
    w.close();
    w.wait_closed().await.unwrap();
    server.close();
    log!("closed");
}
