//! A wait that is dropped leaves nothing behind and takes nothing with it.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use corrente_io::Async;
use futures_lite::future::{poll_once, yield_now};

use crate::common::{Flag, Loop};

in_every_mode! {
    fn its_waker_goes_with_it(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        {
            let mut wait = pin!(stream.readable());
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(Arc::strong_count(&flag) > 2, "the reactor keeps a waker");
        }
        assert_eq!(Arc::strong_count(&flag), 2);
        peer.write_all(b"x").unwrap();
        assert_eq!(run.turn(Some(Duration::from_millis(20))), 0);
        assert!(!flag.take());
    }

    fn it_keeps_no_waker_after_the_event(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut wait = Box::pin(stream.readable());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        peer.write_all(b"x").unwrap();
        while run.turn(None) == 0 {}
        assert!(flag.take());
        assert_eq!(Arc::strong_count(&flag), 2);
        drop(wait);
    }

    fn the_readiness_it_was_told_of_stays(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let mut buffer = [0; 16];
        {
            let mut read = pin!(stream.read_with(|mut stream| stream.read(&mut buffer)));
            assert!(Loop::poll_once(read.as_mut()).is_none());
            peer.write_all(b"bytes").unwrap();
            // Its event has been taken from the system, and it is dropped without being polled.
            while run.turn(None) == 0 {}
        }
        let read = stream.read_with(|mut stream| stream.read(&mut buffer));
        assert_eq!(Loop::poll_once(read).unwrap().unwrap(), 5);
    }

    fn of_several_the_others_go_on(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let mut waits: Vec<_> = (0..6).map(|_| Some(Box::pin(stream.readable()))).collect();
        let flags: Vec<_> = (0..6).map(|_| Arc::new(Flag::default())).collect();
        for (wait, flag) in waits.iter_mut().zip(&flags) {
            let waker = Waker::from(Arc::clone(flag));
            let wait = wait.as_mut().unwrap().as_mut();
            assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        // The first, one of the middle, the last.
        for dropped in [0, 3, 5] {
            waits[dropped] = None;
        }
        peer.write_all(b"x").unwrap();
        while run.turn(None) == 0 {}
        let woken: Vec<_> = flags.iter().map(|flag| flag.take()).collect();
        assert_eq!(woken, [false, true, true, false, true, false]);
    }

    fn the_descriptor_is_dropped_while_polled(run: &mut Loop) {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let handle = run.handle();
        let stream = Async::new(&handle, stream).unwrap();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        assert!(stream.poll_readable(&mut Context::from_waker(&waker)).is_pending());
        drop(stream);
        drop(waker);
        assert_eq!((handle.sources(), Arc::strong_count(&flag)), (0, 1));
        assert!(peer.write_all(b"x").is_err(), "the descriptor was closed");
        assert_eq!(run.turn(Some(Duration::from_millis(5))), 0);
    }

    fn reads_that_are_dropped_again_and_again_lose_no_byte(run: &mut Loop) {
        let (peer, stream) = UnixStream::pair().unwrap();
        let stream = Async::new(&run.handle(), stream).unwrap();
        let writer = thread::spawn(move || {
            for byte in 0..2000u32 {
                (&peer).write_all(&[byte as u8]).unwrap();
                if byte % 50 == 0 {
                    thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let all = run.block_on(async {
            let mut all = Vec::new();
            let mut dropped = 0;
            loop {
                let mut byte = [0];
                let read = stream.read_with(|mut stream| stream.read(&mut byte));
                match poll_once(read).await.transpose().unwrap() {
                    Some(0) => return all,
                    Some(_) => all.push(byte[0]),
                    // Dropped while it waited. Now and then the wait is a real one.
                    None if dropped % 2 == 0 => yield_now().await,
                    None => stream.readable().await.unwrap(),
                }
                dropped += 1;
            }
        });
        writer.join().unwrap();
        assert_eq!(all, (0..2000u32).map(|byte| byte as u8).collect::<Vec<_>>());
    }

    fn while_other_threads_read_write_register_and_drop(run: &mut Loop) {
        const THREADS: usize = 4;
        const ROUNDS: usize = 300;
        let handle = run.handle();
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let handle = handle.clone();
                thread::spawn(move || {
                    for round in 0..ROUNDS {
                        let (left, right) = UnixStream::pair().unwrap();
                        let left = Async::new(&handle, left).unwrap();
                        let right = Async::new(&handle, right).unwrap();
                        let sent = [(round + thread) as u8; 8];
                        futures_lite::future::block_on(async {
                            let mut received = [0; 8];
                            let dropped = left.read_with(|mut stream| stream.read(&mut received));
                            assert!(poll_once(dropped).await.is_none());
                            right.write_with(|mut stream| stream.write(&sent)).await.unwrap();
                            let read = left.read_with(|mut stream| stream.read(&mut received));
                            assert_eq!(read.await.unwrap(), sent.len());
                            assert_eq!(received, sent);
                        });
                        // One of the two ends with an abandoned wait in its list.
                        let mut cx = Context::from_waker(Waker::noop());
                        assert!(left.poll_readable(&mut cx).is_pending());
                    }
                })
            })
            .collect();
        // A thread that panics does not interrupt, so this looks again now and then.
        while !threads.iter().all(|thread| thread.is_finished()) {
            run.turn(Some(Duration::from_millis(5)));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(handle.sources(), 0);
    }
}
