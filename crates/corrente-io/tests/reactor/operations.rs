//! Random operations on a few descriptors, against a model that knows who must be woken.
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corrente_io::{Async, Reactor, Trigger};
use proptest::prelude::*;

use crate::common::{Flag, Loop};

const PLACES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A new connection in a place; the old one is dropped, and its number is free again.
    Open(usize),
    /// The connection is dropped.
    Drop(usize),
    /// The descriptor is taken back and registered again.
    Reregister(usize),
    /// The peer sends a byte.
    Send(usize),
    /// Somebody reads all there is, and then waits.
    Read(usize),
    /// The peer closes.
    Hangup(usize),
    /// The reactor looks.
    Turn,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let place = 0..PLACES;
    let operation = prop_oneof![
        1 => place.clone().prop_map(Operation::Open),
        1 => place.clone().prop_map(Operation::Drop),
        1 => place.clone().prop_map(Operation::Reregister),
        4 => place.clone().prop_map(Operation::Send),
        4 => place.clone().prop_map(Operation::Read),
        1 => place.prop_map(Operation::Hangup),
        4 => Just(Operation::Turn),
    ];
    prop::collection::vec(operation, 1..160)
}

/// A connection and what the model knows of it.
struct Connection {
    stream: Async<UnixStream>,
    peer: Option<UnixStream>,
    flag: Arc<Flag>,
    /// Bytes sent and not read.
    bytes: usize,
    /// Somebody waits, and was not woken.
    waits: bool,
    /// There is something to be reported to him.
    due: bool,
}

impl Connection {
    fn open(run: &Loop) -> Self {
        let (peer, stream) = UnixStream::pair().unwrap();
        Self::with(run, peer, stream)
    }

    fn with(run: &Loop, peer: UnixStream, stream: UnixStream) -> Self {
        let stream = Async::new(&run.handle(), stream).unwrap();
        let flag = Arc::default();
        Self { stream, peer: Some(peer), flag, bytes: 0, waits: false, due: false }
    }

    /// Reads until it must wait, or until the end.
    fn read(&mut self) {
        let waker = Waker::from(Arc::clone(&self.flag));
        let mut cx = Context::from_waker(&waker);
        let mut buffer = [0; 3];
        loop {
            let read = self
                .stream
                .poll_read_with(&mut cx, |mut stream: &UnixStream| stream.read(&mut buffer));
            match read {
                Poll::Ready(Ok(0)) => {
                    assert!(self.peer.is_none() && self.bytes == 0);
                    self.waits = false;
                    return;
                }
                Poll::Ready(Ok(count)) => self.bytes -= count,
                Poll::Ready(Err(error)) => panic!("{error}"),
                // If bytes are there, they came after the readiness was cleared: the event is to come.
                Poll::Pending => {
                    self.waits = true;
                    self.due = self.bytes > 0 || self.peer.is_none();
                    return;
                }
            }
        }
    }
}

fn check(reactor: io::Result<Reactor>, operations: Vec<Operation>) {
    let mut run = Loop::new(reactor.unwrap());
    let mut places: [Option<Connection>; PLACES] = Default::default();
    for operation in operations {
        match operation {
            Operation::Open(place) => {
                places[place] = None;
                places[place] = Some(Connection::open(&run));
            }
            Operation::Drop(place) => places[place] = None,
            Operation::Reregister(place) => {
                if let Some(Connection { stream, peer: Some(peer), bytes, .. }) =
                    places[place].take()
                {
                    let mut again = Connection::with(&run, peer, stream.into_inner());
                    again.bytes = bytes;
                    places[place] = Some(again);
                }
            }
            Operation::Send(place) => {
                if let Some(connection) = &mut places[place] {
                    if let Some(peer) = &mut connection.peer {
                        peer.write_all(b"x").unwrap();
                        connection.bytes += 1;
                        connection.due = true;
                    }
                }
            }
            Operation::Read(place) => {
                if let Some(connection) = &mut places[place] {
                    connection.read();
                }
            }
            Operation::Hangup(place) => {
                if let Some(connection) = &mut places[place] {
                    connection.peer = None;
                    connection.due = true;
                }
            }
            Operation::Turn => {
                run.turn(Some(Duration::ZERO));
                for connection in places.iter_mut().flatten() {
                    let woken = connection.flag.take();
                    assert_eq!(woken, connection.waits && connection.due, "{operation:?}");
                    connection.waits &= !woken;
                }
            }
        }
    }
    let handle = run.handle();
    assert_eq!(handle.sources(), places.iter().flatten().count());
    drop(places);
    assert_eq!(handle.sources(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fastest(operations in operations()) {
        check(Reactor::new(), operations);
    }

    #[test]
    fn portable_edge(operations in operations()) {
        check(Reactor::portable(Trigger::Edge), operations);
    }

    #[test]
    fn portable_oneshot(operations in operations()) {
        check(Reactor::portable(Trigger::Oneshot), operations);
    }
}
