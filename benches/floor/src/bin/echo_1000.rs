//! The floor of `echo_1000`: two threads, each with an epoll and both ends of half of the connections.
//!
//! Nothing crosses cores, nobody is woken, every read follows a readiness and every answer is written at once. Since a
//! request that comes back is followed by the next one, all connections are served in turn. Prints `rate`, `cpu_ns`, and
//! the `fewest` and `most` requests of any connection.
#![forbid(unsafe_code)]

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 1000;
const THREADS: usize = 2;
const SIZE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(1200);

/// Both ends of a connection, and what its client has sent and got.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    request: [u8; SIZE],
    sent: Instant,
    all: u64,
    counted: u64,
}

impl Connection {
    fn ask(&mut self) {
        self.all += 1;
        self.request[..8].copy_from_slice(&self.all.to_le_bytes());
        self.client.write_all(&self.request).expect("the server reads");
    }

    fn echo(&mut self) {
        let mut held = [0; SIZE];
        assert_eq!(self.server.read(&mut held).expect("the client writes"), SIZE);
        self.server.write_all(&held).expect("the client reads");
    }

    /// The answer has come. False when the window is over.
    fn answered(&mut self, from: Instant, until: Instant) -> bool {
        let mut answer = [0; SIZE];
        assert_eq!(self.client.read(&mut answer).expect("the server writes"), SIZE);
        assert!(answer == self.request, "the answer is the request");
        let now = Instant::now();
        self.counted += u64::from(self.sent >= from && now <= until);
        self.sent = now;
        now < until
    }
}

fn main() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let address = listener.local_addr().expect("a listener has an address");
    let mut parts: [Vec<Connection>; THREADS] = [const { Vec::new() }; THREADS];
    for number in 0..CONNECTIONS {
        let client = TcpStream::connect(address).expect("the listener listens");
        let (server, _) = listener.accept().expect("the client connects");
        for stream in [&client, &server] {
            stream.set_nonblocking(true).expect("a socket takes the option");
            stream.set_nodelay(true).expect("a socket takes the option");
        }
        let (request, sent) = ([number as u8; SIZE], Instant::now());
        let connection = Connection { client, server, request, sent, all: 0, counted: 0 };
        parts[number % THREADS].push(connection);
    }
    let cpu = process_cpu();
    let barrier = Barrier::new(THREADS);
    let served: Vec<(u64, u64)> = thread::scope(|scope| {
        let barrier = &barrier;
        let threads = parts.map(|mut part| {
            scope.spawn(move || {
                turn(&mut part, barrier);
                part.iter().map(|connection| (connection.all, connection.counted)).collect()
            })
        });
        let served = threads.map(|thread| -> Vec<_> { thread.join().expect("it ends well") });
        served.into_iter().flatten().collect()
    });
    let cpu = process_cpu() - cpu;
    assert_eq!(served.len(), CONNECTIONS);
    let all: u64 = served.iter().map(|(all, _)| all).sum();
    let counted = || served.iter().map(|(_, counted)| *counted);
    println!(
        "rate={:.3} cpu_ns={:.3} fewest={} most={}",
        counted().sum::<u64>() as f64 / WINDOW.as_secs_f64(),
        cpu.as_nanos() as f64 / all as f64,
        counted().min().unwrap_or(0),
        counted().max().unwrap_or(0),
    );
}

/// Asks and answers on these connections until each has had its last answer.
fn turn(connections: &mut [Connection], barrier: &Barrier) {
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll can be made");
    for (index, connection) in connections.iter().enumerate() {
        watch(&epoll, &connection.client, index as u64 * 2);
        watch(&epoll, &connection.server, index as u64 * 2 + 1);
    }
    barrier.wait();
    let from = Instant::now() + WARM_UP;
    let until = from + WINDOW;
    connections.iter_mut().for_each(Connection::ask);
    let mut left = connections.len();
    let mut events = Vec::with_capacity(1024);
    while left > 0 {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None).expect("an epoll can be waited for");
        for event in &events {
            let name = event.data.u64();
            let connection = &mut connections[name as usize / 2];
            if name % 2 == 1 {
                connection.echo();
            } else if connection.answered(from, until) {
                connection.ask();
            } else {
                left -= 1;
            }
        }
    }
}

fn watch(epoll: &OwnedFd, stream: &TcpStream, name: u64) {
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(epoll, stream, EventData::new_u64(name), flags).expect("a socket can be watched");
}

fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("below a second"))
}
