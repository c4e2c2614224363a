//! Requests and answers over loopback TCP, with both ends in this runtime or the client in a process of its own.
//!
//! All connections are made, and have exchanged one request, before the clock starts. Then every client asks as fast as
//! it is answered; requests that begin and end inside the window count. The fewest and most requests of any connection
//! are reported beside the rate, since a rate can be won by serving a few hot sockets. Every answer is compared.

use crate::latency;
use crate::measure::{Meter, process_cpu};
use crate::{Contender, Figures};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How many connections, and what they carry.
#[derive(Clone, Copy)]
pub struct Link {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request, and of its answer.
    pub size: usize,
    /// How long requests are counted.
    pub seconds: f64,
}

impl Link {
    /// One connection with small messages.
    pub const ONE: Link = Link { connections: 1, size: 64, seconds: 0.5 };
    /// Some connections with small messages.
    pub const SOME: Link = Link { connections: 64, size: 64, seconds: 0.6 };
    /// Many connections with small messages.
    pub const MANY: Link = Link { connections: 1000, size: 64, seconds: 1.2 };
    /// Some connections with large messages.
    pub const LARGE: Link = Link { connections: 64, size: 16 * 1024, seconds: 0.6 };

    /// For `scale` times as long.
    pub fn scaled(self, scale: f64) -> Link {
        Link { seconds: self.seconds * scale, ..self }
    }
}

/// The time in which requests count; it begins after a stretch of the same work that does not.
#[derive(Clone, Copy)]
pub struct Window {
    from: Instant,
    until: Instant,
}

impl Window {
    /// Counts for so many `seconds`, a little later.
    pub fn after_warm_up(seconds: f64) -> Self {
        let from = Instant::now() + Duration::from_millis(150);
        Window { from, until: from + Duration::from_secs_f64(seconds) }
    }
}

/// What one connection got.
#[derive(Clone, Copy, Default)]
pub struct Served {
    /// Requests answered inside the window.
    pub counted: u64,
    /// Requests answered at all.
    pub all: u64,
}

impl Served {
    /// A request that was sent at `start` was answered at `end`. False when the window is over.
    pub fn count(&mut self, window: Window, start: Instant, end: Instant) -> bool {
        self.all += 1;
        let inside = start >= window.from && end <= window.until;
        if inside {
            self.counted += 1;
            latency::record(end - start);
        }
        end < window.until
    }
}

/// Rate, latencies, and the fewest and most requests of any connection.
pub fn summary(link: Link, served: &[Served]) -> Figures {
    assert_eq!(served.len(), link.connections);
    let counts = || served.iter().map(|connection| connection.counted);
    let total: u64 = counts().sum();
    Figures::new()
        .with("rate", total as f64 / link.seconds)
        .and(latency::recorded().figures())
        .with("fewest", counts().min().unwrap_or(0) as f64)
        .with("most", counts().max().unwrap_or(0) as f64)
}

/// The bytes that connection `id` sends first.
pub fn message(id: usize, size: usize) -> Vec<u8> {
    (0..size).map(|index| (index.wrapping_mul(31) ^ id) as u8).collect()
}

/// Makes `message` the one with number `sequence`.
pub fn renumber(message: &mut [u8], sequence: u64) {
    message[..8].copy_from_slice(&sequence.to_le_bytes());
}

/// Compares an answer with its request: small ones whole, large ones at both ends and every 64th whole.
pub fn verify(request: &[u8], answer: &[u8], sequence: u64) {
    const END: usize = 64;
    if request.len() <= 1024 || sequence % 64 == 0 {
        assert!(request == answer, "the answer is the request");
    } else {
        let tail = request.len() - END;
        assert!(
            request[..END] == answer[..END] && request[tail..] == answer[tail..],
            "the answer is the request"
        );
    }
}

/// Both ends in this runtime.
pub async fn together<C: Contender>(link: Link, scale: f64) -> Figures {
    let link = link.scaled(scale);
    let (address, server) = serve::<C>(link).await;
    let (ready, all_ready) = async_channel::unbounded();
    let (gate, opened) = async_channel::bounded::<()>(1);
    let window = Arc::new(OnceLock::new());
    let mut clients = Vec::with_capacity(link.connections);
    for id in 0..link.connections {
        let (ready, opened, window) = (ready.clone(), opened.clone(), Arc::clone(&window));
        clients.push(C::spawn(client::<C>(id, link.size, address, ready, opened, window)));
        // A listener's backlog may be 128: never more connections under way than that.
        if id % 50 == 49 {
            for _ in 0..50 {
                all_ready.recv().await.expect("every client gets ready");
            }
        }
    }
    for _ in 0..link.connections % 50 {
        all_ready.recv().await.expect("every client gets ready");
    }
    let meter = Meter::start();
    window.set(Window::after_warm_up(link.seconds)).ok().expect("the window is set once");
    drop(gate);
    let mut served = Vec::with_capacity(link.connections);
    for client in clients {
        served.push(client.await);
    }
    let cpu = meter.stop().cpu;
    let requests: u64 = served.iter().map(|connection| connection.all).sum();
    // Each client has asked once before the clock started.
    let expected = (requests + link.connections as u64) * link.size as u64;
    assert_eq!(server.await, expected, "the server has echoed every byte once");
    summary(link, &served).with("cpu_ns", cpu.as_nanos() as f64 / requests as f64)
}

async fn client<C: Contender>(
    id: usize,
    size: usize,
    address: SocketAddr,
    ready: async_channel::Sender<()>,
    opened: async_channel::Receiver<()>,
    window: Arc<OnceLock<Window>>,
) -> Served {
    let mut stream = C::connect(address).await.expect("the server listens");
    let (mut request, mut answer) = (message(id, size), vec![0; size]);
    ask::<C>(&mut stream, &mut request, &mut answer, 0).await;
    ready.try_send(()).expect("there is room");
    assert!(opened.recv().await.is_err(), "the gate opens by closing");
    let window = *window.get().expect("the window is set before the gate opens");
    let mut served = Served::default();
    let mut start = Instant::now();
    loop {
        ask::<C>(&mut stream, &mut request, &mut answer, served.all + 1).await;
        let end = Instant::now();
        if !served.count(window, start, end) {
            return served;
        }
        start = end;
    }
}

/// One request and its answer.
async fn ask<C: Contender>(
    stream: &mut C::Stream,
    request: &mut [u8],
    answer: &mut [u8],
    sequence: u64,
) {
    renumber(request, sequence);
    C::write_all(stream, request).await.expect("the server reads");
    let mut filled = 0;
    while filled < answer.len() {
        let count = C::read(stream, &mut answer[filled..]).await.expect("the server writes");
        assert!(count > 0, "the server stays");
        filled += count;
    }
    verify(request, answer, sequence);
}

/// Accepts as many connections as the link has and echoes on each; the task ends with the bytes echoed.
async fn serve<C: Contender>(link: Link) -> (SocketAddr, C::Task<u64>) {
    let listener = C::bind((Ipv4Addr::LOCALHOST, 0).into()).await.expect("loopback is there");
    let address = C::local_addr(&listener).expect("a listener has an address");
    let server = C::spawn(async move {
        let mut connections = Vec::with_capacity(link.connections);
        for _ in 0..link.connections {
            let stream = C::accept(&listener).await.expect("a client connects");
            connections.push(C::spawn(echo::<C>(stream, link.size)));
        }
        let mut bytes = 0;
        for connection in connections {
            bytes += connection.await;
        }
        bytes
    });
    (address, server)
}

/// Sends back what comes, until the other end closes.
async fn echo<C: Contender>(mut stream: C::Stream, size: usize) -> u64 {
    let mut buffer = vec![0; size];
    let mut bytes = 0;
    loop {
        let count = C::read(&mut stream, &mut buffer).await.expect("the client writes");
        if count == 0 {
            return bytes;
        }
        C::write_all(&mut stream, &buffer[..count]).await.expect("the client reads");
        bytes += count as u64;
    }
}

/// The server in this runtime, the client (one thread, epoll, the same for everybody) in a process of its own.
pub async fn apart<C: Contender>(link: Link, scale: f64) -> Figures {
    let link = link.scaled(scale);
    let (address, server) = serve::<C>(link).await;
    let before = process_cpu();
    let (report, reported) = async_channel::bounded(1);
    let thread = thread::spawn(move || {
        report.try_send(run_client(address, link)).expect("there is room for the report");
    });
    let report = reported.recv().await.expect("the thread reports");
    let bytes = server.await;
    let server_cpu = process_cpu() - before;
    thread.join().expect("the thread ends well");
    let mut figures = Figures::new();
    for (key, value) in report.split_ascii_whitespace().filter_map(|pair| pair.split_once('=')) {
        figures = figures.with(key, value.parse().expect("a figure is a number"));
    }
    let requests = figures.get("requests").expect("the client counts its requests");
    assert_eq!(requests as u64 * link.size as u64, bytes, "the server has echoed every byte once");
    figures.with("server_cpu_ns", server_cpu.as_nanos() as f64 / requests)
}

/// Starts this program again as a client and gives back the line that it prints.
fn run_client(address: SocketAddr, link: Link) -> String {
    let program = std::env::current_exe().expect("this program has a path");
    let mut arguments = String::new();
    write!(arguments, "{address} {} {} {}", link.connections, link.size, link.seconds)
        .expect("a String takes all");
    let output = Command::new(program)
        .arg("client")
        .args(arguments.split(' '))
        .output()
        .expect("the client starts");
    assert!(
        output.status.success(),
        "the client ends well: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the client prints text")
}
