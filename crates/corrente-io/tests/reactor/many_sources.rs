//! With any number of ready sources a turn is bounded, and every source gets its turn.
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use corrente_io::Async;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::Loop;

/// The most events that a turn takes.
const BATCH: usize = 256;

/// Notes in a common list that it was woken.
struct Note {
    index: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap().push(self.index);
    }
}

/// As many pairs as the limit of open files allows, up to `wanted`: a test in another thread needs some.
fn pairs(wanted: usize) -> Vec<(UnixStream, UnixStream)> {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as usize;
    let wanted = wanted.min(allowed.saturating_sub(200) / 8);
    assert!(wanted > 2 * BATCH / 3, "only {allowed} files may be open");
    (0..wanted).map(|_| UnixStream::pair().unwrap()).collect()
}

/// Streams and their peers.
struct Streams {
    streams: Vec<Async<UnixStream>>,
    peers: Vec<UnixStream>,
    /// Who was woken, in order.
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Streams {
    fn new(run: &mut Loop, count: usize) -> Self {
        let handle = run.handle();
        let (peers, streams): (Vec<_>, Vec<_>) = pairs(count)
            .into_iter()
            .map(|(peer, stream)| (peer, Async::new(&handle, stream).unwrap()))
            .unzip();
        assert_eq!(handle.sources(), streams.len());
        let streams = Self { streams, peers, woken: Arc::default() };
        (0..streams.len()).for_each(|index| streams.wait(index));
        // Whatever the registrations themselves have reported.
        for _ in 0..streams.len() / BATCH + 2 {
            run.turn(Some(Duration::from_millis(1)));
        }
        assert!(streams.take_woken().is_empty());
        streams
    }

    fn len(&self) -> usize {
        self.streams.len()
    }

    fn wait(&self, index: usize) {
        let waker = Waker::from(Arc::new(Note { index, woken: Arc::clone(&self.woken) }));
        let mut cx = Context::from_waker(&waker);
        let read = |mut stream: &UnixStream| stream.read(&mut [0; 8]);
        assert!(self.streams[index].poll_read_with(&mut cx, read).is_pending());
    }

    fn read(&self, index: usize) {
        let read = self.streams[index].try_read_with(|mut stream| stream.read(&mut [0; 8]));
        assert_eq!(read.unwrap(), 1);
    }

    fn send(&mut self, index: usize) {
        self.peers[index].write_all(b"x").unwrap();
    }

    fn take_woken(&self) -> Vec<usize> {
        std::mem::take(&mut self.woken.lock().unwrap())
    }
}

in_every_mode! {
    fn all_ready_at_once(run: &mut Loop) {
        let mut streams = Streams::new(run, 2000);
        (0..streams.len()).for_each(|index| streams.send(index));
        let mut woken = Vec::new();
        let mut turns = 0;
        while woken.len() < streams.len() {
            let count = run.turn(Some(Duration::from_secs(10)));
            assert!(count <= BATCH, "{count} wakes in one turn");
            woken.extend(streams.take_woken());
            turns += 1;
            assert!(turns <= streams.len() / BATCH + 10, "{} wakes in {turns} turns", woken.len());
        }
        woken.sort_unstable();
        assert_eq!(woken, (0..streams.len()).collect::<Vec<_>>(), "each once");

        drop(streams);
        assert_eq!(run.handle().sources(), 0);
    }

    fn the_busy_do_not_keep_out_the_others(run: &mut Loop) {
        let mut streams = Streams::new(run, 700);
        let mut served = vec![0; streams.len()];
        (0..streams.len()).for_each(|index| streams.send(index));
        // A stream gets its next byte as soon as it has read one: there is always more ready than fits.
        for _ in 0..4 * streams.len() / BATCH + 4 {
            run.turn(Some(Duration::ZERO));
            for index in streams.take_woken() {
                streams.read(index);
                streams.wait(index);
                streams.send(index);
                served[index] += 1;
            }
        }
        let (fewest, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
        assert!(*fewest >= 4 && most - fewest <= 1, "served {fewest} to {most} times");
    }
}
