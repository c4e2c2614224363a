//! Plain threads: std's mutex, channel, condition variable and blocking sockets.

use crate::Figures;
use crate::latency::Latencies;
use crate::measure::{Meter, Passes, scaled};
use crate::workloads::own_address;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Two threads count up together under std's mutex.
pub fn mutex(scale: f64) -> Figures {
    let each = scaled(500_000, scale);
    let mut passes = Passes::new(4, 2 * each);
    while passes.start() {
        let count = Mutex::new(0usize);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (0..each)
                        .for_each(|_| *count.lock().unwrap_or_else(PoisonError::into_inner) += 1)
                });
            }
        });
        passes.stop();
        assert_eq!(count.into_inner().unwrap_or_else(PoisonError::into_inner), 2 * each);
    }
    passes.figures()
}

/// One thread fills std's bounded channel, one empties it.
pub fn channel(scale: f64) -> Figures {
    let count = scaled(400_000, scale);
    let mut passes = Passes::new(4, count);
    while passes.start() {
        let (sender, receiver) = mpsc::sync_channel(1024);
        let sum: usize = thread::scope(|scope| {
            scope.spawn(move || {
                (0..count).for_each(|number| sender.send(number).expect("the receiver is there"))
            });
            receiver.iter().sum()
        });
        passes.stop();
        assert_eq!(sum, (0..count).sum());
    }
    passes.figures()
}

/// Jobs through a VecDeque under a mutex, with a condition variable for the one thread that runs them.
pub fn queue(scale: f64) -> Figures {
    type Job = Box<dyn FnOnce() -> usize + Send>;
    let jobs = scaled(100_000, scale);
    let mut passes = Passes::new(4, jobs);
    while passes.start() {
        let queue: Mutex<VecDeque<Job>> = Mutex::new(VecDeque::new());
        let filled = Condvar::new();
        let sum: usize = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let mut sum = 0;
                for _ in 0..jobs {
                    let mut waiting = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    while waiting.is_empty() {
                        waiting = filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                    }
                    let job = waiting.pop_front().expect("the queue is not empty");
                    drop(waiting);
                    sum += job();
                }
                sum
            });
            for number in 0..jobs {
                queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_back(Box::new(move || number));
                filled.notify_one();
            }
            worker.join().expect("the worker ends well")
        });
        passes.stop();
        assert_eq!(sum, (0..jobs).sum());
    }
    passes.figures()
}

/// A thread unparks another that has been parked for 2 ms.
pub fn wake(scale: f64) -> Figures {
    let wakes = scaled(200, scale);
    let (ring, rung) = mpsc::sync_channel::<Instant>(1);
    let waiting = thread::spawn(move || {
        let mut latencies = Latencies::new();
        rung.iter().for_each(|moment| latencies.add(moment.elapsed()));
        latencies
    });
    for _ in 0..wakes {
        thread::sleep(Duration::from_millis(2));
        ring.send(Instant::now()).expect("the thread waits");
    }
    drop(ring);
    let latencies = waiting.join().expect("the thread ends well");
    assert_eq!(latencies.total(), wakes as u64);
    latencies.figures()
}

/// Two threads connect, one accepts, all with blocking calls.
pub fn accept(scale: f64) -> Figures {
    const CLIENTS: usize = 2;
    let each = scaled(4_000, scale);
    let listener = TcpListener::bind(own_address()).expect("loopback is there");
    let address = listener.local_addr().expect("a listener has an address");
    let server = thread::spawn(move || {
        let mut sum = 0;
        for _ in 0..CLIENTS * each {
            let (mut stream, _) = listener.accept().expect("a client connects");
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the client writes");
            sum += usize::from(byte[0]);
        }
        sum
    });
    let meter = Meter::start();
    let client = |_| {
        thread::spawn(move || {
            for _ in 0..each {
                let mut stream = TcpStream::connect(address).expect("the server listens");
                stream.set_nodelay(true).expect("a socket takes the option");
                stream.write_all(&[7]).expect("the server reads");
                assert_eq!(stream.read(&mut [0]).expect("the server closes"), 0);
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    clients.into_iter().for_each(|client| client.join().expect("the client ends well"));
    let lap = meter.stop();
    assert_eq!(server.join().expect("the server ends well"), 7 * CLIENTS * each);
    let connections = (CLIENTS * each) as f64;
    Figures::new()
        .with("rate", connections / lap.wall.as_secs_f64())
        .with("cpu_ns", lap.cpu.as_nanos() as f64 / connections)
}
