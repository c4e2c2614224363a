//! Keeps the chat server of `chat.rs` busy for minutes, with thousands of clients, good and bad.
//!
//!     cargo run --release --example chat_soak -- --connections 2000 --minutes 10
//!
//! The server is this program again, as a child, so that its memory can be read. Exits with 1 if a line was
//! lost, doubled, out of order or made up, if a client that misbehaves was not answered as `chat.rs` says, or
//! if the server's memory grew after the first tenth of the time. Linux only: it reads `/proc`.

#[path = "chat.rs"]
mod chat;
#[path = "support/chat/mod.rs"]
mod clients;
#[path = "support/progress.rs"]
mod progress;

use clients::{Load, OTHERS, Tally, drive};
use corrente::{Error, create_task, sleep};
use progress::progress;
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// From one line of a client to its next.
const EVERY: Duration = Duration::from_secs(2);
/// The patience of the server in `chat.rs`.
const PATIENCE: Duration = Duration::from_secs(5);
const ROOM: usize = 20;

fn main() -> ExitCode {
    // The child is called as the chat server is: with an address.
    if std::env::args().nth(1).is_some_and(|word| word.parse::<SocketAddr>().is_ok()) {
        return chat::main();
    }
    match corrente::run(soak()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chat_soak: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak() -> Result<bool, Error> {
    let (connections, minutes) = arguments()?;
    let vanishing = connections / 50;
    let faithful = connections.saturating_sub(vanishing + OTHERS);
    if faithful < 2 * ROOM {
        return Err(format!("--connections must be at least {}", 2 * ROOM + OTHERS + 1).into());
    }
    raise_limit(connections as u64 + 100)?;
    let mut server = Server::start()?;
    let lines = (minutes * 60.0 / EVERY.as_secs_f64()) as u64 + 1;
    let load = Load {
        addr: server.addr,
        faithful,
        vanishing,
        room: ROOM,
        lines,
        every: EVERY,
        rest: Duration::from_secs(1),
        patience: PATIENCE,
    };
    let tally = Arc::new(Tally::default());
    let warm = EVERY * lines as u32 / 10;
    let watching = create_task(watch(server.pid(), faithful as u64, warm, tally.clone()));
    let begin = Instant::now();
    drive(load, tally.clone()).await;
    let elapsed = begin.elapsed();
    watching.cancel();
    let memory = watching.await;
    progress("");
    let ended = server.end().await?;
    Ok(report(&tally, memory, ended, elapsed, faithful.div_ceil(ROOM)))
}

/// The server's memory in MiB.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// When it had warmed up.
    first: f64,
    most: f64,
}

impl Memory {
    /// Much less than what the lines of one room come to.
    fn is_bounded(self) -> bool {
        self.first > 0.0 && self.most <= self.first * 1.25 + 16.0
    }
}

fn report(tally: &Tally, memory: Memory, ended: bool, elapsed: Duration, rooms: usize) -> bool {
    let of = |count: &std::sync::atomic::AtomicU64| count.load(Relaxed);
    let wrong = tally.wrong.lock().unwrap();
    for what in wrong.iter().take(10) {
        eprintln!("chat_soak: {what}");
    }
    if !ended {
        eprintln!("chat_soak: the server did not end well");
    }
    if !memory.is_bounded() {
        eprintln!("chat_soak: the server's memory grew");
    }
    println!("{elapsed:.0?}, {} lines heard, {} joins", of(&tally.heard), of(&tally.joined));
    println!(
        "{} vanished in the middle of a line; {} lines were too long and refused",
        of(&tally.vanished),
        of(&tally.refused)
    );
    println!(
        "cut off: {} that never read; {} too far behind, {} stuck, and {} too slow to be told",
        of(&tally.cut),
        of(&tally.lagged),
        of(&tally.stuck),
        of(&tally.reset)
    );
    println!(
        "chat: {} messages in {rooms} rooms, {} lost, {} doubled, {} reordered, {} other errors; \
         server memory {:.0} MiB at first, {:.0} MiB at most",
        of(&tally.said),
        of(&tally.lost),
        of(&tally.doubled),
        of(&tally.reordered),
        wrong.len(),
        memory.first,
        memory.most
    );
    drop(wrong);
    tally.is_well() && memory.is_bounded() && ended
}

/// Looks at the server once a second, and shows how far all has come, until it is cancelled.
async fn watch(pid: Pid, faithful: u64, warm: Duration, tally: Arc<Tally>) -> Memory {
    let mut memory = Memory::default();
    let mut warm_at = None;
    let looking = async {
        loop {
            sleep(Duration::from_secs(1)).await;
            let now = resident(pid).unwrap_or_default();
            progress(&format!(
                "{} joined, {} lines said, {} heard; server memory {now:.0} MiB",
                tally.joined.load(Relaxed),
                tally.said.load(Relaxed),
                tally.heard.load(Relaxed)
            ));
            if tally.joined.load(Relaxed) < faithful {
                continue;
            }
            if Instant::now() < *warm_at.get_or_insert_with(|| Instant::now() + warm) {
                continue;
            }
            if memory.first == 0.0 {
                memory.first = now;
            }
            memory.most = memory.most.max(now);
        }
    };
    let _: Result<(), _> = corrente::catch_cancel(looking).await;
    memory
}

fn resident(pid: Pid) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// The chat server in a process of its own.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start() -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().rsplit(' ').next().and_then(|addr| addr.parse().ok());
        match addr {
            Some(addr) => Ok(Self { child, addr }),
            None => Err(format!("the server says `{}`, not where it listens", line.trim()).into()),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ctrl-C. True if it ended well.
    async fn end(&mut self) -> Result<bool, Error> {
        kill_process(self.pid(), Signal::INT)?;
        let id = self.pid();
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err(format!("the server, process {}, does not end", id.as_raw_nonzero()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After an error; else it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each process needs a descriptor for each connection.
fn raise_limit(needed: u64) -> Result<(), Error> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit).map_err(|_| {
        format!(
            "{needed} descriptors are needed, and the hard limit is {}: raise it (`ulimit -Hn {needed}`, as \
             root), or ask for fewer --connections",
            limit.maximum.unwrap_or_default()
        )
        .into()
    })
}

fn arguments() -> Result<(usize, f64), Error> {
    let (mut connections, mut minutes) = (2000, 10.0);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let text = words.next().ok_or(format!("{word} needs a number"))?;
        let wrong = || format!("{word} needs a positive number, not `{text}`");
        match word.as_str() {
            "--connections" => connections = text.parse().map_err(|_| wrong())?,
            "--minutes" => minutes = text.parse().ok().filter(|m| *m > 0.0).ok_or_else(wrong)?,
            _ => {
                return Err(format!("unknown option `{word}`: use --connections, --minutes").into());
            }
        }
    }
    Ok((connections, minutes))
}
