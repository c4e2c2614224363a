//! A signal to the process is not seen by anybody who waits.
//!
//! Stopping and continuing a process ends its system calls with `EINTR`, even without a handler. It stops the
//! whole process, so this test has one of its own.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corrente_io::{Async, Reactor, Trigger};

#[test]
fn a_stopped_and_continued_process_goes_on_waiting() {
    let modes =
        [Reactor::new(), Reactor::portable(Trigger::Edge), Reactor::portable(Trigger::Oneshot)];
    for (mode, reactor) in modes.into_iter().enumerate() {
        let mut reactor = reactor.unwrap();
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&reactor.handle(), stream).unwrap();
        let me = std::process::id();
        let script = format!(
            "for round in 1 2 3 4 5; do sleep 0.03; kill -STOP {me}; sleep 0.01; kill -CONT {me}; done"
        );
        let mut killer = Command::new("sh").arg("-c").arg(script).spawn().unwrap();
        let writer = thread::spawn(move || {
            let status = killer.wait().unwrap();
            peer.write_all(b"done").unwrap();
            (status, peer)
        });

        let start = Instant::now();
        let mut cx = Context::from_waker(Waker::noop());
        let mut turns = 0;
        let count = loop {
            let mut read = |mut stream: &UnixStream| stream.read(&mut [0; 8]);
            match stream.poll_read_with(&mut cx, &mut read) {
                Poll::Ready(count) => break count.unwrap(),
                Poll::Pending => {
                    // Neither an error nor a loop: EINTR ends a turn early at most.
                    reactor.turn(Some(Duration::from_secs(60)), &mut Vec::new()).unwrap();
                    turns += 1;
                }
            }
        };
        assert_eq!(count, 4);
        assert!(
            start.elapsed() < Duration::from_secs(30) && turns <= 12,
            "mode {mode}: {turns} turns"
        );
        let (status, _peer) = writer.join().unwrap();
        assert!(status.success(), "the process could be stopped and continued");
    }
}
