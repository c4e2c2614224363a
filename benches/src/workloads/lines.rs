//! Short lines out of a socket, as fast as they can be read.

use crate::measure::{Meter, scaled};
use crate::{Contender, Figures};
use std::io::Write;
use std::net::TcpListener;
use std::thread;

/// Bytes of a line, its end included.
const LINE: usize = 64;
/// The peer writes the same lines again and again, so many at a time.
const BLOCK: usize = 1024;

/// A plain thread writes 1 GB of lines into a socket; one task reads and compares each.
pub async fn read<C: Contender>(scale: f64) -> Figures {
    let blocks = scaled(1_000_000_000 / (LINE * BLOCK), scale);
    let block: Vec<u8> = (0..BLOCK).flat_map(line).collect();
    let listener = TcpListener::bind(super::own_address()).expect("the machine has a port");
    let address = listener.local_addr().expect("it has an address");
    let written = block.clone();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        for _ in 0..blocks {
            stream.write_all(&written).expect("the client reads");
        }
    });
    let mut lines = C::lines(C::connect(address).await.expect("the peer listens"));
    let mut line = Vec::with_capacity(LINE);
    let meter = Meter::start();
    for _ in 0..blocks {
        for expected in block.chunks_exact(LINE) {
            line.clear();
            C::read_line(&mut lines, &mut line).await.expect("the peer writes");
            assert_eq!(line, expected);
        }
    }
    let lap = meter.stop();
    assert_eq!(C::read_line(&mut lines, &mut line).await.expect("the peer is done"), 0);
    peer.join().expect("the peer ends well");
    let read = (blocks * BLOCK) as f64;
    Figures::new()
        .with("ns", lap.wall.as_nanos() as f64 / read)
        .with("cpu_ns", lap.cpu.as_nanos() as f64 / read)
}

fn line(number: usize) -> Vec<u8> {
    let text = format!("{number:0>width$}\n", width = LINE - 1);
    text.into_bytes()
}
