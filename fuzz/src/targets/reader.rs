//! A `StreamReader` that is fed by hand, or by a source, or by both, beside a `Vec<u8>` that is searched byte by byte.
//! Reads begin, are polled and are dropped between any two pieces. Each gives the same bytes or the same error, whoever
//! waits is woken by whatever comes, and in the end no byte is missing.

mod model;
mod source;
mod want;

use crate::bytes::Bytes;
use crate::waiter::Waiter;
use corrente::StreamReader;
use corrente::stream::ReadError;
use model::Model;
use source::{Pipe, Source};
use std::sync::{Arc, Mutex};
use want::{Read, Want, plain, text};

pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let limit = match bytes.byte() {
        limit @ 0..200 => usize::from(limit % 24).max(1),
        200.. => 100_000,
    };
    let pipe = Arc::new(Mutex::new(Pipe::default()));
    let has_source = bytes.byte() % 2 == 1;
    let reader = match has_source {
        true => StreamReader::from_source(Source(pipe.clone()), limit),
        false => StreamReader::new(limit),
    };
    let mut model = Model { buffer: Vec::new(), eof: false, broken: false, limit, pipe };
    let mut waiting: Option<(Waiter<Read>, Want)> = None;
    while let Some(kind) = bytes.next() {
        let comes = match kind {
            0..70 => {
                let data = text(&mut bytes);
                reader.feed_data(&data);
                model.buffer.extend(data);
                true
            }
            70..140 => {
                model.pipe.lock().unwrap().pieces.push_back(match kind {
                    70 => None,
                    71 => Some(Vec::new()),
                    _ => Some(text(&mut bytes)),
                });
                let waker = model.pipe.lock().unwrap().waker.take();
                if let Some(waker) = waker {
                    waker.wake();
                }
                has_source
            }
            140..144 => {
                reader.feed_eof();
                model.eof = true;
                true
            }
            144 => {
                reader.set_exception("broken");
                model.broken = true;
                true
            }
            145..215 => {
                let want = Want::read(&mut bytes);
                let mut read = want.clone().begin(&reader);
                let got = read.poll();
                let expected = match &want {
                    Want::Some(0) => Some(Ok(Vec::new())),
                    want if want.has_no_separator() => Some(Err(plain(ReadError::NoSeparator))),
                    _ if model.broken => Some(Err("broken".to_owned())),
                    _ if waiting.is_some() => Some(Err(plain(ReadError::Busy))),
                    want => model.poll(want),
                };
                assert_eq!(got, expected, "of a read that begins");
                if got.is_none() {
                    waiting = Some((read, want));
                }
                false
            }
            215..245 => {
                if let Some((mut read, want)) = waiting.take() {
                    let got = read.poll();
                    assert_eq!(got, model.poll(&want), "of a read that has waited");
                    if got.is_none() {
                        waiting = Some((read, want));
                    }
                }
                false
            }
            245.. => {
                waiting = None;
                false
            }
        };
        assert!(!comes || waiting.as_ref().is_none_or(|(read, _)| read.is_woken()), "it sleeps on");
        assert!(model.pipe.lock().unwrap().given.is_empty(), "more is asked for than is needed");
        assert_eq!(reader.at_eof(), model.eof && model.buffer.is_empty(), "at_eof");
    }
    drop(waiting);
    reader.feed_eof();
    model.eof = true;
    if !model.broken {
        let rest = Want::All.begin(&reader).poll();
        assert_eq!(rest, model.poll(&Want::All), "at the end");
    }
}
