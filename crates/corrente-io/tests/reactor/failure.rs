//! When no event can come any more, every wait ends with an error, and the reactor does not spin.
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corrente_io::{Async, Reactor};

use crate::common::{Flag, Loop};

in_every_mode! {
    fn waits_fail_and_operations_that_need_not_wait_succeed(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut read = pin!(stream.read_with(|mut stream| stream.read(&mut [0; 8])));
        assert!(read.as_mut().poll(&mut cx).is_pending());

        let mut woken = Vec::new();
        let cause = io::Error::from(io::ErrorKind::InvalidInput);
        run.reactor.fail_all(&cause, &mut woken);
        assert_eq!(woken.len(), 1);
        woken.into_iter().for_each(Waker::wake);
        assert!(flag.take());
        match read.as_mut().poll(&mut cx) {
            Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains("driver has failed"), "{error}");
            }
            other => panic!("{other:?}"),
        }

        // A later wait, too; but what is there can be had.
        let later = Loop::poll_once(stream.readable()).unwrap();
        assert_eq!(later.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(Loop::poll_once(stream.write_with(|mut stream| stream.write(b"x"))).unwrap().is_ok());
        peer.write_all(b"x").unwrap();
        assert_eq!(stream.try_read_with(|mut stream| stream.read(&mut [0; 8])).unwrap(), 1);

        let (_peer, stream) = UnixStream::pair().unwrap();
        let refused = Async::new(&run.handle(), stream);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(run.handle().sources(), 1);
    }

    fn turns_go_on_as_sleep(run: &mut Loop) {
        let cause = io::Error::from(io::ErrorKind::InvalidInput);
        run.reactor.fail_all(&cause, &mut Vec::new());
        // The first one may end at once.
        run.turn(Some(Duration::from_millis(1)));
        let deadline = Instant::now() + Duration::from_millis(50);
        let before = run.turns;
        while Instant::now() < deadline {
            run.turn(Some(deadline.saturating_duration_since(Instant::now())));
        }
        assert!(run.turns - before < 20, "{} turns in 50 ms", run.turns - before);

        let interrupter = run.reactor.interrupter();
        let woken = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let woken = Arc::clone(&woken);
            move || {
                thread::sleep(Duration::from_millis(30));
                woken.store(true, Ordering::SeqCst);
                interrupter.wake();
            }
        });
        let start = Instant::now();
        while !woken.load(Ordering::SeqCst) {
            run.turn(Some(Duration::from_secs(60)));
        }
        assert!(start.elapsed() < Duration::from_secs(30));
        thread.join().unwrap();
    }

    fn dropping_the_reactor_fails_all_waits(run: &mut Loop) {
        let (_peer, stream) = UnixStream::pair().unwrap();
        let handle = run.handle();
        let stream = Async::new(&handle, stream).unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        assert!(stream.poll_readable(&mut Context::from_waker(&waker)).is_pending());

        run.reactor = Reactor::new().unwrap();
        assert!(flag.take());
        let error = Loop::poll_once(stream.readable()).unwrap().unwrap_err();
        assert!(error.to_string().contains("shut down"), "{error}");
        let (_peer, late) = UnixStream::pair().unwrap();
        assert!(Async::new(&handle, late).is_err());
        // What was registered can still be taken back.
        assert!(stream.into_inner().try_clone().is_ok());
        assert_eq!(handle.sources(), 0);
    }
}
