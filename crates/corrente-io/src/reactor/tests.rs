//! What can be seen only from inside: the keys the kernel has, and a kernel that refuses to wait.
use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::task::Context;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::Async;
use crate::source::Event;

/// What the kernel itself says about the reactor's epoll, past polling and past our own wait.
fn raw_events(reactor: &Reactor) -> Vec<(u64, EventFlags)> {
    let nothing = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
    let mut events = [nothing; 8];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let count = epoll::wait(&reactor.shared.poller, &mut events[..], Some(&now)).unwrap();
    events[..count].iter().map(|event| ({ event.data }.u64(), { event.flags })).collect()
}

#[test]
fn a_raw_wait_gives_our_key_and_the_end_of_the_stream() {
    let reactor = Reactor::new().unwrap();
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let _stream = Async::new(&reactor.handle(), stream).unwrap();
    let key = reactor.shared.table.lock().iter().next().unwrap().key() as u64;
    assert!(raw_events(&reactor).is_empty(), "room to write is not reported unasked");
    peer.write_all(b"x").unwrap();
    assert_eq!(raw_events(&reactor), [(key, EventFlags::IN)]);
    assert!(raw_events(&reactor).is_empty(), "each edge is reported once");
    drop(peer);
    let ends = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP;
    assert_eq!(raw_events(&reactor), [(key, ends)]);
}

#[test]
fn who_reads_without_waiting_is_told_nothing_until_he_waits() {
    let mut reactor = Reactor::new().unwrap();
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let stream = Async::new(&reactor.handle(), stream).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = || stream.poll_read_with(&mut cx, |mut stream| stream.read(&mut [0; 2]));
    let mut woken = Vec::new();
    // Each time there is more than is read, so it is never empty.
    for told in [true, true, false, false] {
        peer.write_all(b"xyz").unwrap();
        assert_eq!(!raw_events(&reactor).is_empty(), told);
        let event = Event { readable: told, ..Event::default() };
        reactor.shared.table.lock().iter().for_each(|source| source.apply(event, &mut woken));
        assert!(matches!(read(), std::task::Poll::Ready(Ok(2))));
    }
    while read().is_ready() {}
    assert!(raw_events(&reactor).is_empty() && woken.is_empty());
    peer.write_all(b"x").unwrap();
    reactor.turn(None, &mut woken).unwrap();
    assert_eq!(woken.len(), 1, "who waits is told");
}

#[test]
fn who_waits_in_doubt_after_he_was_told_nothing_is_told() {
    let mut reactor = Reactor::new().unwrap();
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let stream = Async::new(&reactor.handle(), stream).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut read =
        |len| stream.poll_read_stream(&mut cx, len, |mut stream| stream.read(&mut [0; 16][..len]));
    let mut woken = Vec::new();
    // There is never more behind a full read, until it is not tried again.
    for _ in 0..8 {
        peer.write_all(b"xy").unwrap();
        reactor.turn(None, &mut woken).unwrap();
        while read(2).is_ready() {}
    }
    peer.write_all(b"xyxy").unwrap();
    reactor.turn(None, &mut woken).unwrap();
    assert!(matches!(read(2), std::task::Poll::Ready(Ok(2))));
    // Then come events that tell nobody anything, and after a read without further ones another doubt.
    for _ in 0..3 {
        let event = Event { readable: true, ..Event::default() };
        reactor.shared.table.lock().iter().for_each(|source| source.apply(event, &mut woken));
    }
    assert!(matches!(read(2), std::task::Poll::Ready(Ok(2))));
    assert!(read(2).is_pending());
    woken.clear();
    // A turn that would wait ends the doubt.
    reactor.turn(Some(Duration::from_millis(1)), &mut woken).unwrap();
    assert!(woken.is_empty(), "there is nothing to read");
    peer.write_all(b"xy").unwrap();
    reactor.turn(Some(Duration::from_secs(5)), &mut woken).unwrap();
    assert_eq!(woken.len(), 1, "who waits is told");
}

#[test]
fn polling_gives_epoll_our_key_as_it_is() {
    for trigger in [Trigger::Edge, Trigger::Oneshot] {
        let reactor = Reactor::portable(trigger).unwrap();
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&reactor.handle(), stream).unwrap();
        let key = reactor.shared.table.lock().iter().next().unwrap().key() as u64;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_readable(&mut cx).is_pending());
        peer.write_all(b"x").unwrap();
        let events = raw_events(&reactor);
        assert!(matches!(events[..], [(found, _)] if found == key), "{events:?}");
    }
}

#[test]
fn a_wait_that_the_system_refuses_fails_all_waits_once() {
    let mut reactor = Reactor::new().unwrap();
    let (_peer, stream) = UnixStream::pair().unwrap();
    let stream = Async::new(&reactor.handle(), stream).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.poll_readable(&mut cx).is_pending());

    reactor.wait.break_it();
    let mut woken = Vec::new();
    let error = reactor.turn(None, &mut woken).unwrap_err();
    assert_eq!((error.kind(), woken.len()), (io::ErrorKind::InvalidInput, 1));
    assert!(matches!(
        stream.poll_readable(&mut cx),
        std::task::Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput
    ));

    // No error a second time, and no spinning: a turn sleeps.
    reactor.turn(Some(Duration::from_secs(60)), &mut woken).unwrap();
    let limit = Duration::from_millis(20);
    let (start, mut turns) = (Instant::now(), 0);
    while start.elapsed() < limit {
        reactor.turn(Some(limit), &mut woken).unwrap();
        turns += 1;
    }
    assert!(turns < 10, "{turns} turns in 20 ms");
}

#[test]
fn events_behind_the_first_lock_are_applied_too() {
    let mut reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (mut peers, streams): (Vec<_>, Vec<_>) = (0..2 * EVENTS_PER_LOCK + 1)
        .map(|_| UnixStream::pair().unwrap())
        .map(|(peer, stream)| (peer, Async::new(&handle, stream).unwrap()))
        .unzip();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(streams.iter().all(|stream| stream.poll_readable(&mut cx).is_pending()));
    peers.iter_mut().for_each(|peer| peer.write_all(b"x").unwrap());
    let mut woken = Vec::new();
    reactor.turn(None, &mut woken).unwrap();
    assert_eq!(woken.len(), streams.len());
}
