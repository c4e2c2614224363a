//! A queue whose getters and putters are polled and dropped in any order, beside two plain lines. After each operation
//! the same has come of it, the same waiters are woken in the same order, and as many items are left.

use crate::bytes::Bytes;
use crate::line::Line;
use crate::sync_oracle::{FairQueue, Got};
use crate::waiter::Waiter;
use corrente_sync::Queue;

pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let places = usize::from(bytes.byte() % 5);
    let real = Queue::new(places);
    let mut oracle = FairQueue::new(if places == 0 { usize::MAX } else { places });
    let mut line = Line::<Got>::new();
    // Whoever comes is named by the number of the operation, and so is the item that is brought.
    for name in 0.. {
        let Some(kind) = bytes.next() else { break };
        let item = name as u32;
        let woken = match kind {
            0..110 => {
                let gets = kind < 55;
                let mut waiter = match gets {
                    true => {
                        Waiter::idle(async { real.get().await.map_or(Got::Refused, Got::Item) })
                    }
                    false => {
                        let put = real.put(item);
                        Waiter::idle(async { put.await.map_or(Got::Refused, |()| Got::Put) })
                    }
                };
                let got = waiter.poll();
                let (expected, woken) =
                    if gets { oracle.get(name) } else { oracle.put(name, item) };
                if got.is_none() {
                    line.waiters.insert(name, waiter);
                }
                assert_eq!(got.unwrap_or(Got::Waits), expected, "of who comes");
                woken
            }
            110..135 => {
                let (expected, woken) = oracle.get_nowait();
                assert_eq!(real.get_nowait().ok(), expected, "get_nowait");
                woken
            }
            135..160 => {
                let (expected, woken) = oracle.put_nowait(item);
                assert_eq!(real.put_nowait(item).is_ok(), expected, "put_nowait");
                woken
            }
            160..215 => {
                let Some(name) = line.pick(bytes.size()) else { continue };
                let got = line.waiters.get_mut(&name).and_then(Waiter::poll);
                let (expected, woken) = oracle.look(name);
                if got.is_some() {
                    line.waiters.remove(&name);
                }
                assert_eq!(got.unwrap_or(Got::Waits), expected, "of who looks again");
                woken
            }
            215..252 => {
                let Some(name) = line.pick(bytes.size()) else { continue };
                line.waiters.remove(&name);
                oracle.leave(name)
            }
            252.. => {
                let immediate = kind % 2 == 0;
                real.shutdown(immediate);
                oracle.shut_down(immediate)
            }
        };
        assert_eq!(line.newly_woken(), woken, "who is woken");
        assert_eq!(real.qsize(), oracle.items.len(), "how many items are left");
        assert_eq!(real.is_shutdown(), oracle.shut_down);
    }
    // What is left comes out in order.
    drop(line);
    while let Ok(item) = real.get_nowait() {
        assert_eq!(Some(item), oracle.items.pop_front(), "at the end");
    }
    assert!(oracle.items.is_empty(), "{:?} are lost", oracle.items);
}
