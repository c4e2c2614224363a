//! Waiting for a descriptor ends when an operation can go on, and not before.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::common::{Flag, Loop};
use corrente_io::Async;
use futures_lite::future::zip;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Fills the stream until a write would block; how many bytes went in.
fn fill(mut stream: &UnixStream) -> usize {
    let mut sum = 0;
    loop {
        match stream.write(&[0; 4096]) {
            Ok(count) => sum += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sum,
            Err(error) => panic!("{error}"),
        }
    }
}

in_every_mode! {
    fn a_read_waits_for_bytes(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            peer.write_all(b"late").unwrap();
            peer
        });
        let mut buffer = [0; 16];
        let count = run.block_on(stream.read_with(|mut stream| stream.read(&mut buffer))).unwrap();
        assert_eq!(&buffer[..count], b"late");
        drop(writer.join().unwrap());
    }

    fn a_read_does_not_wait_for_bytes_that_are_there(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        peer.write_all(b"early").unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let mut buffer = [0; 16];
        let read = stream.read_with(|mut stream| stream.read(&mut buffer));
        assert_eq!(Loop::poll_once(read).unwrap().unwrap(), 5);
    }

    fn a_write_waits_for_room(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let filled = fill(stream.get_ref());
        let write = || stream.write_with(|mut stream| stream.write(b"x"));
        assert!(Loop::poll_once(write()).is_none());
        let reader = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            peer.read_exact(&mut vec![0; filled]).unwrap();
            peer
        });
        assert_eq!(run.block_on(write()).unwrap(), 1);
        drop(reader.join().unwrap());
    }

    fn both_directions_wait_at_once(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let filled = fill(stream.get_ref());
        let mut buffer = [0; 1];
        let read = stream.read_with(|mut stream| stream.read(&mut buffer));
        let write = stream.write_with(|mut stream| stream.write(b"x"));
        // First the one direction becomes ready, much later the other.
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            peer.write_all(b"y").unwrap();
            thread::sleep(Duration::from_millis(30));
            peer.read_exact(&mut vec![0; filled]).unwrap();
            peer
        });
        let (read, write) = run.block_on(zip(read, write));
        assert_eq!((read.unwrap(), write.unwrap()), (1, 1));
        drop(other.join().unwrap());
    }

    fn all_that_wait_in_one_direction_are_woken(run: &mut Loop) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Async::new(&run.handle(), listener).unwrap();
        let flags: Vec<_> = (0..5).map(|_| Arc::new(Flag::default())).collect();
        let mut waits: Vec<_> = (0..5).map(|_| Box::pin(listener.readable())).collect();
        for (wait, flag) in waits.iter_mut().zip(&flags) {
            let waker = Waker::from(Arc::clone(flag));
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        // The one in the middle gives up: the others do not notice.
        drop(waits.remove(2));

        let _client = TcpStream::connect(address).unwrap();
        while run.turn(None) == 0 {}
        let woken: Vec<_> = flags.iter().map(|flag| flag.take()).collect();
        assert_eq!(woken, [true, true, false, true, true]);
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
    }

    fn the_last_poll_of_a_direction_counts(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let (first, last) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        for flag in [&first, &last] {
            let waker = Waker::from(Arc::clone(flag));
            let mut cx = Context::from_waker(&waker);
            let polled = stream.poll_read_with(&mut cx, |mut stream| stream.read(&mut [0; 1]));
            assert!(polled.is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "its waker was replaced and dropped");
        peer.write_all(b"x").unwrap();
        while run.turn(None) == 0 {}
        assert_eq!((first.take(), last.take()), (false, true));
    }

    fn polled_writes_wait_beside_polled_reads(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let filled = fill(stream.get_ref());
        let (reader, writer) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let waker = Waker::from(Arc::clone(&reader));
        assert!(stream.poll_readable(&mut Context::from_waker(&waker)).is_pending());
        let waker = Waker::from(Arc::clone(&writer));
        assert!(stream.poll_writable(&mut Context::from_waker(&waker)).is_pending());
        let polled = stream
            .poll_write_with(&mut Context::from_waker(&waker), |mut stream| stream.write(b"x"));
        assert!(polled.is_pending());

        peer.read_exact(&mut vec![0; filled]).unwrap();
        while !writer.take() {
            run.turn(None);
        }
        assert!(stream.poll_writable(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(stream.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    fn readable_is_true_whoever_has_read(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        for _ in 0..3 {
            assert!(Loop::poll_once(stream.readable()).is_none());
            peer.write_all(b"ab").unwrap();
            run.block_on(stream.readable()).unwrap();
            // Past the readiness that is kept about the stream.
            assert_eq!(stream.get_ref().read(&mut [0; 1]).unwrap(), 1);
            assert!(Loop::poll_once(stream.readable()).is_some(), "one byte is still there");
            assert_eq!(stream.get_ref().read(&mut [0; 1]).unwrap(), 1);
        }
    }

    fn a_try_does_not_wait_and_loses_nothing(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let read = || stream.try_read_with(|mut stream| stream.read(&mut [0; 8]));
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"abc").unwrap();
        assert_eq!(read().unwrap(), 3, "no turn is needed");
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        peer.write_all(b"d").unwrap();
        run.block_on(stream.readable()).unwrap();
        assert_eq!(read().unwrap(), 1);
        assert_eq!(stream.try_write_with(|mut stream| stream.write(b"x")).unwrap(), 1);
    }

    fn an_interrupted_attempt_is_tried_again(run: &mut Loop) {
        let (_peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let mut left = 3;
        let write = stream.write_with(|_| {
            left -= 1;
            if left > 0 { Err(io::ErrorKind::Interrupted.into()) } else { Ok("done") }
        });
        assert_eq!(Loop::poll_once(write).unwrap().unwrap(), "done");
    }

    fn errors_of_an_attempt_are_given(run: &mut Loop) {
        let (peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        drop(peer);
        let write = stream.write_with(|mut stream| stream.write(b"x"));
        assert_eq!(run.block_on(write).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    fn a_connect_is_waited_for(run: &mut Loop) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        match rustix::net::connect(&socket, &listener.local_addr().unwrap()) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => panic!("{error}"),
        }
        let stream = Async::from_nonblocking(&run.handle(), TcpStream::from(socket)).unwrap();
        run.block_on(stream.writable()).unwrap();
        assert!(sockopt::socket_error(&stream).unwrap().is_ok());
        assert_eq!(stream.get_ref().peer_addr().unwrap(), listener.local_addr().unwrap());
    }

    fn a_refused_connect_is_reported(run: &mut Loop) {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        if rustix::net::connect(&socket, &address) == Err(rustix::io::Errno::INPROGRESS) {
            let stream = Async::from_nonblocking(&run.handle(), TcpStream::from(socket)).unwrap();
            run.block_on(stream.writable()).unwrap();
            assert!(sockopt::socket_error(&stream).unwrap().is_err());
        }
    }

    fn a_socket_may_be_registered_before_it_connects(run: &mut Loop) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let stream = Async::new(&run.handle(), TcpStream::from(socket)).unwrap();
        // The system reports an unconnected socket as hung up, for the present.
        run.turn(Some(Duration::ZERO));
        match rustix::net::connect(&stream, &listener.local_addr().unwrap()) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => panic!("{error}"),
        }
        run.block_on(stream.writable()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let mut buffer = [0; 8];
        let mut read = pin!(stream.read_with(|mut stream| stream.read(&mut buffer)));
        assert!(Loop::poll_once(read.as_mut()).is_none());
        peer.write_all(b"hello").unwrap();
        assert_eq!(run.block_on(read).unwrap(), 5);
    }

    fn sockets_and_pipes_of_all_kinds(run: &mut Loop) {
        let handle = run.handle();

        let (left, right) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
        let (left, right) = (left.unwrap(), right.unwrap());
        right.connect(left.local_addr().unwrap()).unwrap();
        let left = Async::new(&handle, left).unwrap();
        let read = left.read_with(|socket| socket.recv(&mut [0; 8]));
        let write = async { right.send(b"udp") };
        assert_eq!(run.block_on(zip(read, write)).0.unwrap(), 3);

        let (left, right) = UnixDatagram::pair().unwrap();
        let left = Async::new(&handle, left).unwrap();
        let read = left.read_with(|socket| socket.recv(&mut [0; 8]));
        let write = async { right.send(b"unix") };
        assert_eq!(run.block_on(zip(read, write)).0.unwrap(), 4);

        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let reader: Async<OwnedFd> = Async::new(&handle, reader).unwrap();
        let read = reader.read_with(|pipe| Ok(rustix::io::read(pipe, &mut [0; 8])?));
        let write = async { rustix::io::write(&writer, b"pipes").unwrap() };
        assert_eq!(run.block_on(zip(read, write)).0.unwrap(), 5);
        let read = reader.read_with(|pipe| Ok(rustix::io::read(pipe, &mut [0; 8])?));
        let close = async { drop(writer) };
        assert_eq!(run.block_on(zip(read, close)).0.unwrap(), 0);

        let path = std::env::temp_dir().join(format!("corrente-io-{}-{:p}", std::process::id(), run));
        let listener = Async::new(&handle, UnixListener::bind(&path).unwrap()).unwrap();
        let accept = listener.read_with(|listener| listener.accept());
        let connect = async { UnixStream::connect(&path) };
        let (accepted, connected) = run.block_on(zip(accept, connect));
        std::fs::remove_file(&path).unwrap();
        assert!(accepted.is_ok() && connected.is_ok());
    }

    fn a_shared_descriptor_waits_in_many_places(run: &mut Loop) {
        let (peer, stream) = UnixStream::pair().unwrap();
        let stream = Arc::new(Async::new(&run.handle(), Arc::new(stream)).unwrap());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let stream = Arc::clone(&stream);
                thread::spawn(move || {
                    let mut bytes = 0;
                    loop {
                        let read = stream.read_with(|stream| (&**stream).read(&mut [0; 16]));
                        match futures_lite::future::block_on(read).unwrap() {
                            0 => return bytes,
                            count => bytes += count,
                        }
                    }
                })
            })
            .collect();
        let writer = thread::spawn(move || {
            for _ in 0..2000 {
                (&peer).write_all(b"some bytes").unwrap();
            }
        });
        while !threads.iter().all(|thread| thread.is_finished()) {
            run.turn(Some(Duration::from_millis(10)));
        }
        writer.join().unwrap();
        let sum: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(sum, 20_000);
    }

    fn a_value_taken_back_can_be_registered_again(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let handle = run.handle();
        let stream = Async::new(&handle, stream).unwrap();
        assert!(matches!(
            Async::new(&handle, stream.get_ref().try_clone().unwrap()).map(|_| ()),
            Ok(())
        ));
        assert!(Loop::poll_once(stream.readable()).is_none());
        let stream = stream.into_inner();
        assert_eq!(handle.sources(), 0);
        let stream = Async::new(&handle, stream).unwrap();
        peer.write_all(b"again").unwrap();
        run.block_on(stream.readable()).unwrap();
    }

    fn one_descriptor_cannot_be_registered_twice(run: &mut Loop) {
        let (_peer, stream) = UnixStream::pair().unwrap();
        let stream = Arc::new(stream);
        let handle = run.handle();
        let first = Async::new(&handle, Arc::clone(&stream)).unwrap();
        let second = Async::new(&handle, Arc::clone(&stream));
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(handle.sources(), 1);
        drop(first);
        assert!(Async::new(&handle, stream).is_ok());
    }
}

#[test]
fn poll_is_ready_gives_the_value() {
    let run = Loop::new(corrente_io::Reactor::new().unwrap());
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let stream = Async::new(&run.handle(), stream).unwrap();
    peer.write_all(b"abc").unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut buffer = [0; 8];
    let polled = stream.poll_read_stream(&mut cx, 8, |mut stream| stream.read(&mut buffer));
    assert!(matches!(polled, Poll::Ready(Ok(3))));
    let polled = stream.poll_write_stream(&mut cx, 3, |mut stream| stream.write(&buffer[..3]));
    assert!(matches!(polled, Poll::Ready(Ok(3))));
}
