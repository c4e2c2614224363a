//! Echo with nothing but epoll: each thread turns one epoll that holds both ends of its connections.
//!
//! Every socket is registered once, edge-triggered, for reading and writing; a readiness is worked off until the kernel
//! says that it would block. The client half alone also serves as the client of the `apart_…` workloads.

use crate::Figures;
use crate::measure::process_cpu;
use crate::workloads::{Link, Served, Window, message, renumber, summary, verify};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// One end of a connection.
enum End {
    /// Sends back what comes; `held` is what the kernel would not take yet.
    Server {
        stream: TcpStream,
        held: Vec<u8>,
    },
    Client(Client),
}

/// Asks, compares, asks again.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    written: usize,
    filled: usize,
    start: Instant,
    served: Served,
    over: bool,
}

impl Client {
    fn new(id: usize, size: usize, stream: TcpStream) -> Self {
        let (request, answer) = (message(id, size), vec![0; size]);
        let served = Served::default();
        Client {
            stream,
            request,
            answer,
            written: 0,
            filled: 0,
            start: Instant::now(),
            served,
            over: false,
        }
    }

    /// Goes on until the kernel would block. `window` is `None` before the clock starts: then one answer is enough.
    fn go_on(&mut self, window: Option<Window>) {
        while !self.over {
            while self.written < self.request.len() {
                match self.stream.write(&self.request[self.written..]) {
                    Ok(count) => self.written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("the server reads: {error}"),
                }
            }
            match self.stream.read(&mut self.answer[self.filled..]) {
                Ok(0) => panic!("the server stays"),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server writes: {error}"),
            }
            if self.filled == self.answer.len() {
                self.answered(window);
            }
        }
    }

    fn answered(&mut self, window: Option<Window>) {
        verify(&self.request, &self.answer, self.served.all);
        let end = Instant::now();
        self.over = match window {
            Some(window) => !self.served.count(window, self.start, end),
            None => true,
        };
        self.start = end;
        (self.written, self.filled) = (0, 0);
        renumber(&mut self.request, self.served.all);
    }
}

/// Some ends, and the epoll that watches them.
struct Ends {
    epoll: OwnedFd,
    ends: Vec<End>,
    buffer: Vec<u8>,
}

impl Ends {
    fn new(ends: Vec<End>, size: usize) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll can be made");
        for (index, end) in ends.iter().enumerate() {
            let (End::Server { stream, .. } | End::Client(Client { stream, .. })) = end;
            stream.set_nonblocking(true).expect("a socket takes the option");
            stream.set_nodelay(true).expect("a socket takes the option");
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&epoll, stream, EventData::new_u64(index as u64), flags)
                .expect("a socket can be watched");
        }
        Ends { epoll, ends, buffer: vec![0; size] }
    }

    fn clients(&mut self) -> impl Iterator<Item = &mut Client> {
        self.ends.iter_mut().filter_map(|end| match end {
            End::Client(client) => Some(client),
            End::Server { .. } => None,
        })
    }

    /// Lets every client ask until its window is over.
    fn run(&mut self, window: Option<Window>) {
        let now = Instant::now();
        for client in self.clients() {
            (client.over, client.start) = (false, now);
            client.go_on(window);
        }
        let mut events = Vec::with_capacity(1024);
        while self.clients().any(|client| !client.over) {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), None)
                .expect("an epoll can be waited for");
            for event in &events {
                match &mut self.ends[event.data.u64() as usize] {
                    End::Client(client) => client.go_on(window),
                    End::Server { stream, held } => echo(stream, held, &mut self.buffer),
                }
            }
        }
    }

    fn served(mut self) -> Vec<Served> {
        self.clients().map(|client| client.served).collect()
    }
}

/// Sends back what comes until the kernel would block.
fn echo(stream: &mut TcpStream, held: &mut Vec<u8>, buffer: &mut [u8]) {
    loop {
        while !held.is_empty() {
            match stream.write(held) {
                Ok(count) => drop(held.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the client reads: {error}"),
            }
        }
        match stream.read(buffer) {
            Ok(0) => return,
            Ok(count) => held.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("the client writes: {error}"),
        }
    }
}

/// Both ends, shared out over `threads` threads so that no connection crosses them.
pub fn run(link: Link, threads: usize) -> Figures {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is there");
    let address = listener.local_addr().expect("a listener has an address");
    let mut parts: Vec<Vec<End>> = (0..threads).map(|_| Vec::new()).collect();
    for id in 0..link.connections {
        let client = TcpStream::connect(address).expect("the listener listens");
        let (stream, _) = listener.accept().expect("the client connects");
        let part = &mut parts[id % threads];
        part.push(End::Client(Client::new(id, link.size, client)));
        part.push(End::Server { stream, held: Vec::new() });
    }
    let barrier = Barrier::new(threads);
    let before = process_cpu();
    let served: Vec<Served> = thread::scope(|scope| {
        let turn = |part: Vec<End>| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut ends = Ends::new(part, link.size);
                ends.run(None);
                barrier.wait();
                ends.run(Some(Window::after_warm_up(link.seconds)));
                ends.served()
            })
        };
        let threads: Vec<_> = parts.into_iter().map(turn).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("the thread ends well"))
            .collect()
    });
    let cpu = process_cpu() - before;
    let requests: u64 = served.iter().map(|connection| connection.all).sum();
    summary(link, &served).with("cpu_ns", cpu.as_nanos() as f64 / requests as f64)
}

/// The client half, in one thread, against a server at `address`. `requests` counts all that were ever sent.
pub fn client(address: SocketAddr, link: Link) -> Figures {
    let mut clients = Vec::with_capacity(link.connections);
    for id in 0..link.connections {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        // A first exchange, blocking, so that the server has surely accepted before the next one knocks.
        let (request, mut answer) = (message(id, link.size), vec![0; link.size]);
        stream.write_all(&request).expect("the server reads");
        stream.read_exact(&mut answer).expect("the server writes");
        assert!(request == answer, "the answer is the request");
        clients.push(End::Client(Client::new(id, link.size, stream)));
    }
    let mut ends = Ends::new(clients, link.size);
    ends.run(Some(Window::after_warm_up(link.seconds)));
    let served = ends.served();
    let requests = served.iter().map(|connection| connection.all + 1).sum::<u64>();
    summary(link, &served).with("requests", requests as f64)
}
