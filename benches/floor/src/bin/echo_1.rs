//! The floor of `echo_1`: both ends of one connection on one thread, six system calls a request.
//!
//! A request is a write, a wait for readiness and a read at the other end, and the same way back. Whoever waits for
//! readiness before reading cannot do with less. Prints what the workload prints: `rate` and `cpu_ns`. And `rate_8`: the
//! same with a second read at both ends that finds nothing, which is how a read that has filled its buffer learns that
//! there is no more; every runtime does that here.
#![forbid(unsafe_code)]

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{ClockId, clock_gettime};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const SIZE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(500);
const CLIENT: u64 = 1;
const SERVER: u64 = 2;

fn main() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let address = listener.local_addr().expect("a listener has an address");
    let mut client = TcpStream::connect(address).expect("the listener listens");
    let (mut server, _) = listener.accept().expect("the client connects");
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll can be made");
    watch(&epoll, &client, CLIENT);
    watch(&epoll, &server, SERVER);

    let (rate, cpu) = run(&epoll, &mut client, &mut server, false);
    let (rate_8, _) = run(&epoll, &mut client, &mut server, true);
    println!("rate={rate:.3} cpu_ns={cpu:.3} rate_8={rate_8:.3}");
}

/// Requests a second, and nanoseconds of CPU for each.
fn run(
    epoll: &OwnedFd,
    client: &mut TcpStream,
    server: &mut TcpStream,
    try_again: bool,
) -> (f64, f64) {
    let (mut request, mut held, mut answer) = ([7; SIZE], [0; SIZE], [0; SIZE]);
    let begin = Instant::now();
    let (from, until) = (begin + WARM_UP, begin + WARM_UP + WINDOW);
    let (mut all, mut counted) = (0u64, 0u64);
    let cpu = process_cpu();
    let mut start = begin;
    while start < until {
        all += 1;
        request[..8].copy_from_slice(&all.to_le_bytes());
        client.write_all(&request).expect("the server reads");
        wait(epoll, SERVER);
        read(server, &mut held, try_again);
        server.write_all(&held).expect("the client reads");
        wait(epoll, CLIENT);
        read(client, &mut answer, try_again);
        assert!(answer == request, "the answer is the request");
        let end = Instant::now();
        counted += u64::from(start >= from && end <= until);
        start = end;
    }
    let cpu = process_cpu() - cpu;
    (counted as f64 / WINDOW.as_secs_f64(), cpu.as_nanos() as f64 / all as f64)
}

fn read(stream: &mut TcpStream, into: &mut [u8; SIZE], try_again: bool) {
    assert_eq!(stream.read(into).expect("the other end writes"), SIZE);
    if try_again {
        let more = stream.read(&mut [0; SIZE]).map_err(|error| error.kind());
        assert_eq!(more, Err(ErrorKind::WouldBlock), "there is no more");
    }
}

fn watch(epoll: &OwnedFd, stream: &TcpStream, name: u64) {
    stream.set_nonblocking(true).expect("a socket takes the option");
    stream.set_nodelay(true).expect("a socket takes the option");
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(epoll, stream, EventData::new_u64(name), flags).expect("a socket can be watched");
}

/// Waits until the end of this name can be read, and no other.
fn wait(epoll: &OwnedFd, name: u64) {
    let mut events = Vec::with_capacity(4);
    epoll::wait(epoll, spare_capacity(&mut events), None).expect("an epoll can be waited for");
    let names: Vec<u64> = events.iter().map(|event| event.data.u64()).collect();
    assert_eq!(names, [name], "the other end has nothing to say");
}

fn process_cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).expect("below a second"))
}
