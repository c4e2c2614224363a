//! A chat server: who is in a room gets every line that is said there.
//!
//!     cargo run --release --example chat -- 127.0.0.1:7778
//!
//! Talk to it with `nc 127.0.0.1 7778`. Your first line is your name and a room, as in `ann garden`; each
//! later one is said in that room. Lines of the server itself begin with `*`. Ctrl-C ends it.
//!
//! What a client may rely on:
//!
//! * From the line on that says that it joins, it gets all that is said in its room, its own lines too:
//!   nothing is lost or doubled, and the lines of each sender keep their order. Half a line, of a client that
//!   vanishes, was never said.
//! * This holds until it is disconnected; then a last line says why, if the client takes it in time.
//! * Who talks faster than 50 lines a second is slowed down: its lines wait in its own socket.
//! * Nobody waits for a slow client. It is disconnected when it is 256 lines behind, or takes nothing for
//!   five seconds.
//! * A line over 64 KiB ends the connection.
//!
//! So whatever the clients do, memory is bounded: by 256 lines for each room, and by one line to read and
//! 64 KiB to write for each client.

use corrente::sync::broadcast;
use corrente::{
    Error, Server, StreamReader, StreamWriter, TaskGroup, signal, sleep, start_server, timeout,
};
use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many lines a room keeps for those who are behind.
const BACKLOG: usize = 256;
/// The time from one line of a client to its next.
const PACE: Duration = Duration::from_millis(20);

type Line = Arc<[u8]>;

/// The rooms that somebody is in.
pub struct Chat {
    rooms: Mutex<HashMap<String, broadcast::Sender<Line>>>,
    /// How long a client may take nothing.
    patience: Duration,
}

impl Chat {
    /// Serves at `addr`.
    pub async fn start(addr: &str, patience: Duration) -> io::Result<Server> {
        let chat = Arc::new(Self { rooms: Mutex::default(), patience });
        start_server(move |reader, writer| chat.clone().connection(reader, writer), addr).await
    }

    async fn connection(self: Arc<Self>, reader: StreamReader, writer: StreamWriter) {
        let why = match self.visit(&reader, &writer).await {
            Ok(()) => "goodbye".to_owned(),
            Err(error) => error.to_string(),
        };
        writer.write(format!("* {why}\n").as_bytes());
        writer.write_eof();
        // To close while the client still sends would reset the connection, and cost it the last line.
        let parting = async {
            while !reader.read(4096).await?.is_empty() {}
            writer.close();
            writer.wait_closed().await
        };
        if timeout(self.patience, parting).await.is_err() {
            writer.abort();
        }
    }

    /// From the first line of a client to its last. An error is why it has to go.
    async fn visit(&self, reader: &StreamReader, writer: &StreamWriter) -> Result<(), Error> {
        let first = String::from_utf8(reader.readline().await?)?;
        let [name, room] = first.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err("first say your name and a room, as in `ann garden`".into());
        };
        let (to_room, from_room) = self.enter(room);
        say(&to_room, format!("* {name} joins\n").into_bytes());
        let stay = TaskGroup::run(async |group| {
            group.create_task(hear(from_room, writer.clone(), self.patience));
            talk(reader, &to_room, name).await?;
            group.cancel();
            Ok::<(), Error>(())
        });
        let result = stay.await;
        say(&to_room, format!("* {name} leaves\n").into_bytes());
        self.leave(room);
        result.map_err(|errors| errors.into_errors().swap_remove(0))
    }

    fn enter(&self, room: &str) -> (broadcast::Sender<Line>, broadcast::Receiver<Line>) {
        let mut rooms = self.rooms.lock().unwrap();
        let make = || broadcast::channel(BACKLOG).0;
        let to_room = rooms.entry(room.to_owned()).or_insert_with(make);
        (to_room.clone(), to_room.subscribe())
    }

    /// The last one closes the door.
    fn leave(&self, room: &str) {
        let mut rooms = self.rooms.lock().unwrap();
        if rooms.get(room).is_some_and(|to_room| to_room.receiver_count() == 0) {
            rooms.remove(room);
        }
    }
}

fn say(to_room: &broadcast::Sender<Line>, line: Vec<u8>) {
    // An error says that nobody is there to hear it.
    let _ = to_room.send(line.into());
}

/// From the client to the room, until the client leaves.
async fn talk(
    reader: &StreamReader,
    to_room: &broadcast::Sender<Line>,
    name: &str,
) -> Result<(), Error> {
    loop {
        let line = reader.readline().await?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
        say(to_room, [name.as_bytes(), b": ", &line].concat());
        sleep(PACE).await;
    }
}

/// From the room to the client, as long as the client keeps up.
async fn hear(
    mut from_room: broadcast::Receiver<Line>,
    writer: StreamWriter,
    patience: Duration,
) -> Result<(), Error> {
    loop {
        writer.write(&from_room.recv().await?);
        let drained = timeout(patience, writer.drain()).await;
        drained.map_err(|_| "the receiver has taken nothing for too long")??;
    }
}

/// Serves at the address that is the program's argument, until Ctrl-C.
pub fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7778".to_owned());
    let result = corrente::run(async {
        let server = Chat::start(&addr, Duration::from_secs(5)).await?;
        println!("listening at {}", server.sockets()[0]);
        signal::ctrl_c().await?;
        server.close();
        server.close_clients();
        if timeout(Duration::from_secs(5), server.wait_closed()).await.is_err() {
            server.abort_clients();
        }
        Ok::<(), io::Error>(())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}
