//! A load for an echo server: many connections, each sending requests and checking every byte of the
//! replies.

use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::TcpStream;
use corrente::sync::Barrier;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What to send.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    pub requests: usize,
    /// Bytes of a request.
    pub size: usize,
}

/// What came back.
pub struct Report {
    pub replies: u64,
    pub wrong: u64,
    pub failed: Vec<String>,
    pub elapsed: Duration,
    /// Sorted, one for each reply.
    pub latencies: Vec<Duration>,
}

impl Report {
    pub fn percentile(&self, percent: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * percent / 100.0).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }

    pub fn rate(&self) -> f64 {
        self.replies as f64 / self.elapsed.as_secs_f64()
    }
}

/// Makes all connections first, then starts them together.
pub async fn drive(addr: SocketAddr, load: Load, done: Arc<AtomicU64>) -> Report {
    let start = Arc::new(Barrier::new(load.connections + 1));
    let clients: Vec<_> = (0..load.connections)
        .map(|number| {
            corrente::create_task(client(addr, number, load, start.clone(), done.clone()))
        })
        .collect();
    let _ = start.wait().await;
    let begin = Instant::now();
    let results = corrente::gather(clients).await;
    let elapsed = begin.elapsed();
    let mut report =
        Report { replies: 0, wrong: 0, failed: Vec::new(), elapsed, latencies: Vec::new() };
    for result in results {
        match result {
            Ok((latencies, wrong)) => {
                report.replies += latencies.len() as u64;
                report.wrong += wrong;
                report.latencies.extend(latencies);
            }
            Err(error) => report.failed.push(error.to_string()),
        }
    }
    report.latencies.sort_unstable();
    report
}

async fn client(
    addr: SocketAddr,
    number: usize,
    load: Load,
    start: Arc<Barrier>,
    done: Arc<AtomicU64>,
) -> io::Result<(Vec<Duration>, u64)> {
    let connected = connect(addr).await;
    // Also without a connection, since the others wait for this one.
    let _ = start.wait().await;
    let mut stream = connected?;
    let mut latencies = Vec::with_capacity(load.requests);
    let mut wrong = 0;
    let mut request = vec![0; load.size];
    let mut reply = vec![0; load.size];
    for round in 0..load.requests {
        fill(&mut request, number as u64 * 1_000_003 + round as u64);
        let begin = Instant::now();
        stream.write_all(&request).await?;
        stream.read_exact(&mut reply).await?;
        latencies.push(begin.elapsed());
        wrong += u64::from(request != reply);
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok((latencies, wrong))
}

async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Different bytes for each request, so that an answer to another one is noticed.
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state as u8;
    }
}
