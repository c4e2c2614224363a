//! Connections that live for one byte.

use crate::measure::{Meter, scaled};
use crate::{Contender, Figures};
use std::net::{Ipv4Addr, SocketAddr};

/// A loopback address of this process's own, so that the ports that closed connections still hold do not disturb the
/// next sample.
pub fn own_address() -> SocketAddr {
    let [.., a, b] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, 1 + a % 200, b, 1), 0).into()
}

/// So many `clients` connect, send a byte and wait for the end; a task per connection reads the byte and closes.
pub async fn accept<C: Contender>(clients: usize, scale: f64) -> Figures {
    let each = scaled(12_000 / clients, scale);
    let warm_up = (800 / clients).max(1);
    let listener = C::bind(own_address()).await.expect("loopback is there");
    let address = C::local_addr(&listener).expect("a listener has an address");
    let server = C::spawn(async move {
        let mut connections = Vec::with_capacity(clients * (warm_up + each));
        for _ in 0..clients * (warm_up + each) {
            let mut stream = C::accept(&listener).await.expect("a client connects");
            connections.push(C::spawn(async move {
                let mut byte = [0];
                assert_eq!(C::read(&mut stream, &mut byte).await.expect("the client writes"), 1);
                u64::from(byte[0])
            }));
        }
        let mut sum = 0;
        for connection in connections {
            sum += connection.await;
        }
        sum
    });
    connect::<C>(address, clients, warm_up).await;
    let meter = Meter::start();
    connect::<C>(address, clients, each).await;
    let lap = meter.stop();
    let connections = clients * each;
    assert_eq!(server.await, 7 * (clients * (warm_up + each)) as u64, "every byte arrived");
    Figures::new()
        .with("rate", connections as f64 / lap.wall.as_secs_f64())
        .with("cpu_ns", lap.cpu.as_nanos() as f64 / connections as f64)
}

async fn connect<C: Contender>(address: SocketAddr, clients: usize, each: usize) {
    let client = |_| {
        C::spawn(async move {
            for _ in 0..each {
                let mut stream = C::connect(address).await.expect("the server listens");
                C::write_all(&mut stream, &[7]).await.expect("the server reads");
                let mut end = [0];
                assert_eq!(C::read(&mut stream, &mut end).await.expect("the server closes"), 0);
            }
        })
    };
    let handles: Vec<_> = (0..clients).map(client).collect();
    for handle in handles {
        handle.await;
    }
}
