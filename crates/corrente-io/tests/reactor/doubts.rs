//! A read that has filled its buffer leaves open whether there is more. Once the next try has been in vain often, it
//! is not made; whatever is there or comes must be found all the same, and soon.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::common::{Flag, Loop};
use crate::stream_ends::tcp_pair;
use corrente_io::{Async, StableSource};
use rustix::net::SendFlags;

const SIZE: usize = 4;
/// More than it takes to be sure of a habit.
const OFTEN: usize = 20;

/// A stream that has often been read by `SIZE` bytes, with nothing behind them; and how often that was tried.
struct Reader<T: StableSource> {
    stream: Async<T>,
    tries: Cell<usize>,
}

impl<T: StableSource> Reader<T>
where
    for<'a> &'a T: Read,
{
    async fn read(&self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; SIZE];
        let attempt = |mut stream: &T| {
            self.tries.set(self.tries.get() + 1);
            stream.read(&mut buffer)
        };
        let count = self.stream.read_stream(SIZE, attempt).await?;
        Ok(buffer[..count].to_vec())
    }

    fn with_habit(run: &mut Loop, mut peer: impl Write, stream: T) -> Self {
        let stream = Async::new(&run.handle(), stream).unwrap();
        let reader = Self { stream, tries: Cell::new(0) };
        for _ in 0..OFTEN {
            reader.read_first_of(run, &mut peer, b"ping");
            assert!(Loop::poll_once(reader.read()).is_none(), "nothing more was sent");
        }
        reader
    }

    /// The peer sends this, and the first of it is read. By habit it is in doubt then whether there is more.
    fn read_first_of(&self, run: &mut Loop, mut peer: impl Write, sent: &[u8]) {
        peer.write_all(sent).unwrap();
        deliver(run);
        assert_eq!(run.block_on(self.read()).unwrap(), sent[..SIZE]);
    }
}

/// Lets the reactor see everything that has been sent, by turns that only look.
fn deliver(run: &mut Loop) {
    for _ in 0..2 {
        std::thread::sleep(Duration::from_micros(200));
        run.turn(Some(Duration::ZERO));
    }
}

fn tcp(run: &mut Loop) -> (TcpStream, Reader<TcpStream>) {
    let (client, server) = tcp_pair();
    let reader = Reader::with_habit(run, &client, server);
    (client, reader)
}

/// The same, in doubt about what is behind the first of `sent`.
fn tcp_in_doubt(run: &mut Loop, sent: &[u8]) -> (TcpStream, Reader<TcpStream>) {
    let (client, reader) = tcp(run);
    reader.read_first_of(run, &client, sent);
    (client, reader)
}

in_every_mode! {
    fn what_was_left_behind_is_found(run: &mut Loop) {
        let (mut client, reader) = tcp_in_doubt(run, b"pingpongpi");
        assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
        assert_eq!(run.block_on(reader.read()).unwrap(), b"pi");
        client.write_all(b"ng").unwrap();
        assert_eq!(run.block_on(reader.read()).unwrap(), b"ng");
    }

    fn what_was_left_behind_on_a_unix_stream_is_found(run: &mut Loop) {
        let (client, server) = UnixStream::pair().unwrap();
        let reader = Reader::with_habit(run, &client, server);
        reader.read_first_of(run, &client, b"pingpong");
        assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
    }

    fn looks_alone_find_what_was_left_behind(run: &mut Loop) {
        let (_client, reader) = tcp_in_doubt(run, b"pingpong");
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut read = pin!(reader.read());
        let mut looks = 0;
        while read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            while !flag.take() {
                looks += 1;
                assert!(looks < 10, "the reader was forgotten");
                run.turn(Some(Duration::ZERO));
            }
        }
    }

    fn a_busy_neighbour_does_not_hide_what_was_left_behind(run: &mut Loop) {
        let (mut busy, neighbour) = tcp(run);
        let (_client, reader) = tcp_in_doubt(run, b"pingpong");
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut read = pin!(reader.read());
        let mut events = 0;
        while read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            while !flag.take() {
                events += 1;
                assert!(events < 1000, "the reader starves beside its neighbour");
                busy.write_all(b"ping").unwrap();
                // Never a look that finds nothing.
                let mut next = pin!(neighbour.read());
                while next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                    run.turn(Some(Duration::ZERO));
                }
            }
        }
    }

    fn what_comes_in_between_is_found(run: &mut Loop) {
        let (mut client, reader) = tcp(run);
        for wait_first in [true, false, true, false] {
            reader.read_first_of(run, &client, b"ping");
            let mut read = pin!(reader.read());
            if wait_first {
                assert!(Loop::poll_once(read.as_mut()).is_none());
            }
            client.write_all(b"pong").unwrap();
            assert_eq!(run.block_on(read).unwrap(), b"pong");
        }
    }

    fn an_event_while_it_is_read_leaves_no_doubt(run: &mut Loop) {
        let (mut client, server) = UnixStream::pair().unwrap();
        let reader = Reader::with_habit(run, &client, server);
        client.write_all(b"ping").unwrap();
        deliver(run);
        let read = reader.stream.read_stream(SIZE, |mut stream| {
            let count = stream.read(&mut [0; SIZE])?;
            client.write_all(b"pong")?;
            deliver(run);
            Ok(count)
        });
        assert_eq!(Loop::poll_once(read).unwrap().unwrap(), SIZE);
        let next = Loop::poll_once(reader.read()).expect("it tries at once");
        assert_eq!(next.unwrap(), b"pong");
    }

    fn the_end_behind_a_full_read(run: &mut Loop) {
        for settle_first in [true, false] {
            let (mut client, reader) = tcp(run);
            client.write_all(b"ping").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            if settle_first {
                deliver(run);
            }
            assert_eq!(run.block_on(reader.read()).unwrap(), b"ping");
            assert_eq!(run.block_on(reader.read()).unwrap(), b"");
        }
    }

    fn the_end_while_in_doubt(run: &mut Loop) {
        let (client, reader) = tcp_in_doubt(run, b"ping");
        let mut read = pin!(reader.read());
        assert!(Loop::poll_once(read.as_mut()).is_none());
        drop(client);
        assert_eq!(run.block_on(read).unwrap(), b"");
    }

    fn an_own_shutdown_while_in_doubt(run: &mut Loop) {
        let (_client, reader) = tcp_in_doubt(run, b"ping");
        let mut read = pin!(reader.read());
        assert!(Loop::poll_once(read.as_mut()).is_none());
        reader.stream.get_ref().shutdown(Shutdown::Read).unwrap();
        assert_eq!(run.block_on(read).unwrap(), b"");
    }

    fn a_reset_behind_a_full_read(run: &mut Loop) {
        for wait_first in [true, false] {
            let (client, reader) = tcp(run);
            // Unread bytes at close make the kernel send a reset.
            reader.stream.get_ref().write_all(b"never read").unwrap();
            reader.read_first_of(run, &client, b"ping");
            let mut read = pin!(reader.read());
            if wait_first {
                assert!(Loop::poll_once(read.as_mut()).is_none());
            }
            drop(client);
            let error = run.block_on(read).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }

    fn an_urgent_byte_behind_a_full_read(run: &mut Loop) {
        let (mut client, reader) = tcp(run);
        client.write_all(b"ping").unwrap();
        rustix::net::send(&client, b"!", SendFlags::OOB).unwrap();
        client.write_all(b"pong").unwrap();
        deliver(run);
        assert_eq!(run.block_on(reader.read()).unwrap(), b"ping");
        assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
    }

    fn whoever_asks_the_system_is_told(run: &mut Loop) {
        let (_client, reader) = tcp_in_doubt(run, b"pingpong");
        assert!(Loop::poll_once(reader.stream.readable()).unwrap().is_ok());
        let peek = |stream: &TcpStream| stream.peek(&mut [0; 8]);
        assert_eq!(Loop::poll_once(reader.stream.read_with(peek)).unwrap().unwrap(), 4);
        assert_eq!(reader.stream.try_read_with(peek).unwrap(), 4);
        assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
        assert!(Loop::poll_once(reader.stream.readable()).is_none(), "and not more than that");
    }

    fn vectored_reads_that_fill_their_buffers(run: &mut Loop) {
        let (mut client, reader) = tcp(run);
        for _ in 0..OFTEN {
            client.write_all(b"pingpong").unwrap();
            deliver(run);
            let (mut one, mut other) = ([0; 2], [0; 2]);
            let read = reader.stream.read_stream(SIZE, |mut stream| {
                stream.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)])
            });
            assert_eq!(run.block_on(read).unwrap(), SIZE);
            assert_eq!((&one, &other), (b"pi", b"ng"));
            assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
        }
    }

    fn the_bytes_stay_in_the_socket(run: &mut Loop) {
        let (client, reader) = tcp_in_doubt(run, b"pingpong");
        // Where there is no doubt, this gets them.
        let mut rest = Loop::poll_once(reader.read()).map_or(Vec::new(), |bytes| bytes.unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        let mut plain = reader.stream.into_inner();
        plain.set_nonblocking(false).unwrap();
        plain.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"pong");
    }

    fn a_failure_while_in_doubt(run: &mut Loop) {
        let (_client, reader) = tcp_in_doubt(run, b"ping");
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut read = pin!(reader.read());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        let mut woken = Vec::new();
        run.reactor.fail_all(&io::Error::other("broken"), &mut woken);
        woken.into_iter().for_each(Waker::wake);
        assert!(flag.take(), "whoever waits is told of a failure");
        let failed = read.as_mut().poll(&mut cx);
        assert!(matches!(&failed, std::task::Poll::Ready(Err(_))), "{failed:?}");
    }

    fn sizes_that_do_not_fit(run: &mut Loop) {
        let (mut client, reader) = tcp(run);
        const ROUNDS: usize = 3000;
        let writer = std::thread::spawn(move || {
            for round in 0..ROUNDS {
                // Mostly what the reader asks for, so that it gets into the habit, and now and then not.
                let size = if round % 50 < 45 { SIZE } else { round % 11 };
                client.write_all(&vec![round as u8; size]).unwrap();
                if round % 7 == 0 {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        });
        let mut all = Vec::new();
        loop {
            let bytes = run.block_on(reader.read()).unwrap();
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        writer.join().unwrap();
        let sizes = (0..ROUNDS).map(|round| if round % 50 < 45 { SIZE } else { round % 11 });
        let sent: Vec<u8> =
            sizes.enumerate().flat_map(|(round, size)| vec![round as u8; size]).collect();
        assert_eq!(all, sent);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_read_that_the_next_event_follows_is_one_try() {
    let mut run = Loop::new(corrente_io::Reactor::new().unwrap());
    let (mut client, reader) = tcp(&mut run);
    reader.tries.set(0);
    for _ in 0..OFTEN {
        let mut read = pin!(reader.read());
        assert!(Loop::poll_once(read.as_mut()).is_none());
        client.write_all(b"ping").unwrap();
        deliver(&mut run);
        assert_eq!(run.block_on(read).unwrap(), b"ping");
    }
    assert_eq!(reader.tries.get(), OFTEN);
}

#[cfg(target_os = "linux")]
#[test]
fn a_turn_that_waits_asks_once_for_many() {
    let mut run = Loop::new(corrente_io::Reactor::new().unwrap());
    let pairs: Vec<_> = (0..100).map(|_| tcp(&mut run)).collect();
    let tries = || pairs.iter().map(|(_, reader)| reader.tries.get()).sum::<usize>();
    let before = tries();
    let mut reads: Vec<_> = pairs.iter().map(|(_, reader)| Box::pin(reader.read())).collect();
    assert!(reads.iter_mut().all(|read| Loop::poll_once(read.as_mut()).is_none()));
    assert_eq!(run.turn(Some(Duration::from_millis(1))), 0, "nobody is woken in vain");
    assert!(reads.iter_mut().all(|read| Loop::poll_once(read.as_mut()).is_none()));
    assert_eq!(tries(), before, "nobody tries in vain");
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_finds_more_loses_the_habit() {
    let mut run = Loop::new(corrente_io::Reactor::new().unwrap());
    let (client, reader) = tcp_in_doubt(&mut run, b"pingpong");
    assert!(Loop::poll_once(reader.read()).is_none(), "in doubt");
    assert_eq!(run.block_on(reader.read()).unwrap(), b"pong");
    reader.read_first_of(&mut run, &client, b"pingpong");
    assert_eq!(Loop::poll_once(reader.read()).unwrap().unwrap(), b"pong", "it tries at once");
}
