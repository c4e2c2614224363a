//! Clients that say so many lines and must hear all that is said in their room.

use super::ledger::Ledger;
use super::{Line, Room, SILENCE, Scene, parse, text};
use corrente::sync::Semaphore;
use corrente::{StreamReader, StreamWriter, join, sleep, timeout};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Scene {
    pub async fn faithful(self: Arc<Self>, number: usize) {
        let name = format!("faithful{number}");
        let room = &self.rooms[number % self.rooms.len()];
        room.due.lock().unwrap().insert(name.clone(), self.load.lines);
        let joined = self.join(&name, &room.name).await;
        let _ = self.phase.wait().await;
        // One line at a time is under way: the next is said when this one has come back.
        let turn = Semaphore::new(1);
        let talking = async {
            if let Ok((_, writer)) = &joined {
                sleep(self.load.every * number as u32 / self.load.faithful as u32).await;
                for number in 1..self.load.lines {
                    self.say(&turn, writer, &name, number - 1).await;
                    sleep(self.load.every).await;
                }
            }
            let _ = self.phase.wait().await;
            let _ = self.phase.wait().await;
            if let Ok((_, writer)) = &joined {
                self.say(&turn, writer, &name, self.load.lines - 1).await;
            }
        };
        let hearing = async {
            let heard = match &joined {
                Ok((reader, _)) => self.hear_all(reader, room, &name, number, &turn).await,
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = heard {
                self.tally.wrong(format!("{name} in {}: {error}", room.name));
                turn.release_many(self.load.lines as usize);
            }
        };
        join!(talking, hearing);
    }

    async fn say(&self, turn: &Semaphore, writer: &StreamWriter, name: &str, number: u64) {
        match timeout(SILENCE, turn.acquire()).await {
            Ok(turn) => turn.forget(),
            Err(_) => {
                self.tally.wrong(format!("a line of {name} has not come back"));
                turn.release_many(self.load.lines as usize);
            }
        }
        self.tally.said.fetch_add(1, Relaxed);
        writer.write(text(name, number).as_bytes());
        // A broken connection is found by who reads from it.
        let _ = writer.drain().await;
    }

    async fn hear_all(
        &self,
        reader: &StreamReader,
        room: &Room,
        name: &str,
        number: usize,
        turn: &Semaphore,
    ) -> Result<(), String> {
        let is_slow = number % 10 == 9;
        let mut ledger = Ledger::default();
        let mut due = None;
        let mut result = Ok(());
        for count in 1_u64.. {
            let line = match timeout(SILENCE, reader.readline()).await {
                Ok(Ok(line)) if !line.is_empty() => line,
                other => {
                    result = Err(format!("no line came: {other:?}"));
                    break;
                }
            };
            match parse(&line) {
                Some(Line::Notice(_)) => {}
                Some(Line::Said { sender, number }) => {
                    self.tally.heard.fetch_add(1, Relaxed);
                    ledger.hear(sender, number, 0);
                    if sender == name {
                        turn.release();
                    }
                }
                None => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    self.tally.wrong(format!("{name} heard what nobody said: {line:?}"));
                }
            }
            if self.known.load(Relaxed) {
                let due = due.get_or_insert_with(|| room.due.lock().unwrap().clone());
                if due.iter().all(|(sender, lines)| ledger.outstanding(sender, *lines) == 0) {
                    break;
                }
            }
            if is_slow && count % 20 == 0 {
                sleep(self.load.rest).await;
            }
        }
        let due = due.unwrap_or_else(|| room.due.lock().unwrap().clone());
        let late = due.iter().map(|(sender, lines)| ledger.outstanding(sender, *lines));
        self.enter(&ledger, late.sum());
        result
    }
}
