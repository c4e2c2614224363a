//! Clients that misbehave, each in its own way, again and again.

use super::ledger::Ledger;
use super::{Line, SILENCE, Scene, parse, text};
use corrente::net::TcpStream;
use corrente::{Error, StreamReader, select, sleep, timeout};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

impl Scene {
    /// Hears what there is until the connection ends, and rests after each line, by how long it waited for
    /// it. The last notice, or why there is none. It is wrong if that takes longer than `limit`.
    async fn hear_until_cut(
        &self,
        reader: &StreamReader,
        limit: Duration,
        mut pause: impl FnMut(Duration) -> Duration,
    ) -> Result<String, String> {
        let mut ledger = Ledger::default();
        let mut first = HashMap::new();
        let mut notice = String::new();
        let begin = Instant::now();
        let result = loop {
            let asked = Instant::now();
            let line = match timeout(SILENCE, reader.readline()).await {
                Ok(Ok(line)) if line.ends_with(b"\n") => line,
                Ok(Ok(_)) => break Ok(notice),
                Ok(Err(error)) => break Err(error.to_string()),
                Err(_) => {
                    self.tally.wrong("the loud room is silent".into());
                    break Err("silence".into());
                }
            };
            match parse(&line) {
                Some(Line::Notice(text)) => notice = text.to_owned(),
                Some(Line::Said { sender, number }) => {
                    let first = *first.entry(sender.to_owned()).or_insert(number);
                    ledger.hear(sender, number, first);
                }
                None => self.tally.wrong("in the loud room nobody said that".into()),
            }
            if begin.elapsed() > limit {
                self.tally.wrong("a slow client was not disconnected".into());
                break Err("it lasts".into());
            }
            sleep(pause(asked.elapsed())).await;
        };
        self.enter(&ledger, 0);
        result
    }

    fn goes_on(&self, round: usize, least: usize) -> bool {
        round < least || !self.over.load(Relaxed)
    }

    /// Vanishes in the middle of its fourth line, each time in another way.
    pub async fn vanishing(self: Arc<Self>, number: usize) {
        for round in (0..).take_while(|round| self.goes_on(*round, 3)) {
            let name = format!("visitor{number}.{round}");
            let room = &self.rooms[(number + round) % self.rooms.len()];
            let (reader, writer) = match self.join(&name, &room.name).await {
                Ok(joined) => joined,
                Err(error) => return self.tally.wrong(format!("{name}: {error}")),
            };
            for number in 0..3 {
                writer.write(text(&name, number).as_bytes());
            }
            writer.write(b"3 half a li");
            self.tally.said.fetch_add(3, Relaxed);
            match round % 3 {
                // The end of what it sends, in order: its three lines must be heard.
                0 => {
                    room.due.lock().unwrap().insert(name, 3);
                    writer.write_eof();
                    while !matches!(reader.readline().await.as_deref(), Ok([]) | Err(_)) {}
                }
                1 => writer.abort(),
                _ => writer.close(),
            }
            self.tally.vanished.fetch_add(1, Relaxed);
            sleep(self.load.every / 4).await;
        }
    }

    pub async fn long_line(self: Arc<Self>) {
        for round in (0..).take_while(|round| self.goes_on(*round, 3)) {
            let name = format!("verbose{round}");
            let room = &self.rooms[round % self.rooms.len()];
            let last = async {
                let (reader, writer) = self.join(&name, &room.name).await?;
                writer.write(&[b'x'; 1_000_000]);
                let mut last = Vec::new();
                loop {
                    let line = timeout(SILENCE, reader.readline()).await??;
                    if line.is_empty() {
                        return Ok::<_, Error>(last);
                    }
                    last = line;
                }
            };
            match last.await.as_deref() {
                Ok(b"* the line is longer than the limit\n") => {
                    self.tally.refused.fetch_add(1, Relaxed);
                }
                // It was not quick enough in sending the rest.
                Err(error) if error.to_string().contains("reset") => {
                    self.tally.reset.fetch_add(1, Relaxed);
                }
                other => {
                    return self.tally.wrong(format!("{name}, for a long line, got {other:?}"));
                }
            }
            sleep(self.load.every * 2).await;
        }
    }

    /// Sends as fast as it may; what holds it back is the server.
    pub async fn talker(self: Arc<Self>, number: usize) {
        for round in (0..).take_while(|_| !self.hushed.load(Relaxed)) {
            let name = format!("talker{number}.{round}");
            let (reader, writer) = match self.join(&name, "loud").await {
                Ok(joined) => joined,
                Err(error) => return self.tally.wrong(format!("{name}: {error}")),
            };
            let talking = async {
                for number in (0..).take_while(|_| !self.hushed.load(Relaxed)) {
                    writer.write(text(&name, number).as_bytes());
                    if writer.drain().await.is_err() {
                        break;
                    }
                }
            };
            select! {
                () = talking => {},
                _ = self.hear_until_cut(&reader, Duration::MAX, |_| Duration::ZERO) => {},
            }
            writer.abort();
        }
    }

    /// Joins the loud room, and never reads.
    pub async fn never_reads(self: Arc<Self>) {
        for round in (0..).take_while(|round| self.goes_on(*round, 1)) {
            let stay = async {
                let stream = TcpStream::connect(self.load.addr).await?;
                let socket = socket2::SockRef::from(&stream);
                socket.set_recv_buffer_size(64 * 1024)?;
                socket.send(format!("deaf{round} loud\n").as_bytes())?;
                let begin = Instant::now();
                // A reset is seen without reading.
                while socket.take_error()?.is_none() {
                    if begin.elapsed() > SILENCE {
                        return Err("was not cut off".into());
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                Ok::<(), Error>(())
            };
            if let Err(error) = stay.await {
                return self.tally.wrong(format!("the client that never reads: {error}"));
            }
            self.tally.cut.fetch_add(1, Relaxed);
        }
    }

    /// Reads in the loud room, for a while too slowly, then as fast as it can, and so on.
    pub async fn laggard(self: Arc<Self>) {
        for round in (0..).take_while(|round| self.goes_on(*round, 1)) {
            let name = format!("laggard{round}");
            let (reader, _writer) = match self.join(&name, "loud").await {
                Ok(joined) => joined,
                Err(error) => return self.tally.wrong(format!("{name}: {error}")),
            };
            let mut slow = self.load.patience + Duration::from_millis(1500);
            let mut until = Instant::now() + slow;
            let end = self.hear_until_cut(&reader, SILENCE, |waited| {
                if Instant::now() < until {
                    return Duration::from_millis(60);
                }
                if waited > Duration::from_millis(20) {
                    slow *= 2;
                    until = Instant::now() + slow;
                }
                Duration::ZERO
            });
            match end.await {
                Ok(notice) if notice.starts_with("the receiver was too slow") => {
                    self.tally.lagged.fetch_add(1, Relaxed);
                }
                Ok(notice) if notice.starts_with("the receiver has taken nothing") => {
                    self.tally.stuck.fetch_add(1, Relaxed);
                }
                Ok(notice) => self.tally.wrong(format!("{name} left after `{notice}`")),
                Err(_) => {
                    self.tally.reset.fetch_add(1, Relaxed);
                }
            }
        }
    }
}
