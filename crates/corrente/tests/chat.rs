//! The chat server of the examples under the clients of its soak, in short: each kind of client has come and
//! got its due. What ends this is what has happened, not how long it took.
#![cfg(target_os = "linux")]

#[path = "../examples/chat.rs"]
mod chat;
#[path = "../examples/support/chat/mod.rs"]
mod clients;

use chat::Chat;
use clients::{Load, OTHERS, Tally, drive};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The example's own way in; here the server runs in the test.
const _: fn() -> ExitCode = chat::main;

#[corrente::test]
async fn nothing_is_lost_whoever_misbehaves() {
    let patience = Duration::from_secs(1);
    let server = Chat::start("127.0.0.1:0", patience).await.unwrap();
    let (faithful, lines) = (200, 10);
    let load = Load {
        addr: server.sockets()[0],
        faithful,
        vanishing: 5,
        // All that is said in a room is less than what the server keeps for those who are behind.
        room: 10,
        lines,
        every: Duration::from_millis(20),
        rest: Duration::from_millis(20),
        patience,
    };
    let tally = Arc::new(Tally::default());
    drive(load, tally.clone()).await;
    assert_eq!(*tally.wrong.lock().unwrap(), [""; 0]);
    let bad = [&tally.lost, &tally.doubled, &tally.reordered].map(|count| count.load(Relaxed));
    assert_eq!(bad, [0; 3], "lost, doubled, reordered");
    assert!(tally.is_well(), "each kind of client has come");
    // The one that never reads cannot tell that it has joined.
    assert!(tally.joined.load(Relaxed) >= (faithful + OTHERS - 1) as u64);
    assert!(tally.heard.load(Relaxed) >= faithful as u64 * lines * 10);
    server.close();
    server.wait_closed().await;
    assert_eq!(server.connections(), 0);
}
