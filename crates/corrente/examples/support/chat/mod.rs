//! The clients of a chat server, good and bad, who check what the server promises.
//!
//! The *faithful* sit in quiet rooms, in which nobody has a reason to be disconnected: each must hear every
//! line of every faithful one, and of every one that ends orderly, once and in order. Some of them read
//! slowly. *Visitors* come to the same rooms and vanish in the middle of a line, or send a line that is too
//! long. In one *loud* room talkers send as fast as they may; there sit a client that never reads, and one
//! that reads too slowly. Both may lose nothing up to where they are cut off, and must be cut off.
//!
//! The phases: all faithful join; they talk, and the others misbehave; the others end; each faithful one
//! says a last line, by which everybody knows what is still to come.

mod faithful;
mod ledger;
mod others;

use corrente::sync::{Barrier, Semaphore};
use corrente::{Error, StreamReader, StreamWriter, Task, create_task, open_connection, timeout};
use ledger::Ledger;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Connections that are not faithful, besides the vanishing ones: talkers, and one of each other kind.
pub const OTHERS: usize = TALKERS + 3;
const TALKERS: usize = 4;
/// After so long without a line something must have been lost.
const SILENCE: Duration = Duration::from_secs(60);
/// How many may be connecting at once.
const DOOR: usize = 128;

/// What to do.
#[derive(Clone)]
pub struct Load {
    pub addr: SocketAddr,
    pub faithful: usize,
    pub vanishing: usize,
    /// How many faithful ones sit in a room.
    pub room: usize,
    /// How many lines each faithful one says, and the time from one to the next.
    pub lines: u64,
    pub every: Duration,
    /// How long a slow reader rests after 20 lines.
    pub rest: Duration,
    /// The server's.
    pub patience: Duration,
}

/// What was seen so far, by all.
#[derive(Default)]
pub struct Tally {
    pub joined: AtomicU64,
    pub said: AtomicU64,
    pub heard: AtomicU64,
    pub lost: AtomicU64,
    pub doubled: AtomicU64,
    pub reordered: AtomicU64,
    /// Clients that vanished in the middle of a line.
    pub vanished: AtomicU64,
    /// Lines that were too long, and were refused.
    pub refused: AtomicU64,
    /// Clients that never read, and were cut off.
    pub cut: AtomicU64,
    /// Slow clients that were told that they are too many lines behind, or have taken nothing for too long,
    /// and those that did not take even that in time.
    pub lagged: AtomicU64,
    pub stuck: AtomicU64,
    pub reset: AtomicU64,
    /// Everything else that should not be.
    pub wrong: Mutex<Vec<String>>,
}

impl Tally {
    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// True if nothing is wrong, and each kind of misbehaviour has been answered.
    pub fn is_well(&self) -> bool {
        let sum =
            |counts: &[&AtomicU64]| counts.iter().map(|count| count.load(Relaxed)).sum::<u64>();
        let slow = sum(&[&self.lagged, &self.stuck, &self.reset]);
        let seen = [sum(&[&self.vanished]), sum(&[&self.refused]), sum(&[&self.cut]), slow];
        self.wrong.lock().unwrap().is_empty()
            && sum(&[&self.lost, &self.doubled, &self.reordered]) == 0
            && !seen.contains(&0)
    }
}

struct Scene {
    load: Load,
    tally: Arc<Tally>,
    rooms: Vec<Room>,
    phase: Barrier,
    door: Semaphore,
    /// Who misbehaves comes no more.
    over: AtomicBool,
    /// Talkers fall silent.
    hushed: AtomicBool,
    /// All that is `due` is known.
    known: AtomicBool,
}

struct Room {
    name: String,
    /// By sender: how many lines all in the room must hear.
    due: Mutex<HashMap<String, u64>>,
}

/// Runs the whole scene.
pub async fn drive(load: Load, tally: Arc<Tally>) {
    let room = |number| Room { name: format!("room{number}"), due: Mutex::default() };
    let scene = Arc::new(Scene {
        rooms: (0..load.faithful.div_ceil(load.room)).map(room).collect(),
        phase: Barrier::new(load.faithful + 1),
        door: Semaphore::new(DOOR),
        over: AtomicBool::new(false),
        hushed: AtomicBool::new(false),
        known: AtomicBool::new(false),
        load: load.clone(),
        tally,
    });
    let faithful: Vec<_> =
        (0..load.faithful).map(|number| create_task(scene.clone().faithful(number))).collect();
    let _ = scene.phase.wait().await;
    let talkers: Vec<_> =
        (0..TALKERS).map(|number| create_task(scene.clone().talker(number))).collect();
    let mut others: Vec<Task<()>> =
        (0..load.vanishing).map(|number| create_task(scene.clone().vanishing(number))).collect();
    others.push(create_task(scene.clone().long_line()));
    others.push(create_task(scene.clone().never_reads()));
    others.push(create_task(scene.clone().laggard()));
    let _ = scene.phase.wait().await;
    scene.over.store(true, Relaxed);
    all(others).await;
    scene.hushed.store(true, Relaxed);
    all(talkers).await;
    scene.known.store(true, Relaxed);
    let _ = scene.phase.wait().await;
    all(faithful).await;
}

async fn all(tasks: Vec<Task<()>>) {
    for task in tasks {
        task.await;
    }
}

/// What `sender` says as its line `number`.
fn text(sender: &str, number: u64) -> String {
    let size = if sender.starts_with("talker") { 32_000 } else { number as usize * 7 % 97 };
    format!("{number} {}.\n", "x".repeat(size))
}

/// A line as it comes from the server.
enum Line<'a> {
    Notice(&'a str),
    Said { sender: &'a str, number: u64 },
}

/// None: nobody said that.
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = std::str::from_utf8(line).ok()?;
    if let Some(notice) = line.strip_prefix("* ") {
        return Some(Line::Notice(notice.trim_end()));
    }
    let (sender, said) = line.split_once(": ")?;
    let number = said.split(' ').next()?.parse().ok()?;
    (said == text(sender, number)).then_some(Line::Said { sender, number })
}

impl Scene {
    async fn join(&self, name: &str, room: &str) -> Result<(StreamReader, StreamWriter), Error> {
        let _turn = self.door.acquire().await;
        let (reader, writer) = open_connection(self.load.addr).await?;
        writer.write(format!("{name} {room}\n").as_bytes());
        let own = format!("* {name} joins\n");
        while timeout(SILENCE, reader.readline()).await?? != own.as_bytes() {
            if reader.at_eof() {
                return Err("the server has hung up".into());
            }
        }
        self.tally.joined.fetch_add(1, Relaxed);
        Ok((reader, writer))
    }

    fn enter(&self, ledger: &Ledger, late: u64) {
        self.tally.lost.fetch_add(ledger.gaps() + late, Relaxed);
        self.tally.doubled.fetch_add(ledger.doubled, Relaxed);
        self.tally.reordered.fetch_add(ledger.reordered, Relaxed);
    }
}
