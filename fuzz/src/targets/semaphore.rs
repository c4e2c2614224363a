//! A semaphore whose waiters are polled and dropped in any order, beside a plain line. After each operation the same
//! waiters have their units, the same are woken in the same order, and as many units are free.

use crate::bytes::Bytes;
use crate::line::Line;
use crate::sync_oracle::FairSemaphore;
use crate::waiter::Waiter;
use corrente_sync::{OwnedPermit, Semaphore};
use std::sync::Arc;

pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let units = usize::from(bytes.byte() % 4);
    let real = Arc::new(Semaphore::new(units));
    let mut oracle = FairSemaphore::new(units);
    let mut line = Line::<OwnedPermit>::new();
    let mut permits = Vec::new();
    // Whoever comes is named by the number of the operation.
    for name in 0.. {
        let Some(kind) = bytes.next() else { break };
        let woken = match kind {
            0..90 => {
                let units = usize::from(kind % 5);
                let mut waiter = Waiter::idle(real.acquire_many_owned(units));
                let permit = waiter.poll();
                let (at_once, woken) = oracle.come(name, units);
                assert_eq!(permit.is_some(), at_once, "whether it has to wait");
                match permit {
                    Some(permit) => permits.push(permit),
                    None => _ = line.waiters.insert(name, waiter),
                }
                woken
            }
            90..115 => {
                let units = usize::from(kind % 3);
                real.release_many(units);
                oracle.give(units)
            }
            115..175 => {
                let Some(name) = line.pick(bytes.size()) else { continue };
                let permit = line.waiters.get_mut(&name).and_then(Waiter::poll);
                let (ready, woken) = oracle.look(name);
                assert_eq!(permit.is_some(), ready, "whether its turn has come");
                if let Some(permit) = permit {
                    line.waiters.remove(&name);
                    permits.push(permit);
                }
                woken
            }
            175..215 => {
                let Some(name) = line.pick(bytes.size()) else { continue };
                line.waiters.remove(&name);
                oracle.leave(name)
            }
            215.. => {
                let Some(at) = bytes.size().checked_rem(permits.len()) else { continue };
                let permit: OwnedPermit = permits.swap_remove(at);
                let units = permit.units();
                drop(permit);
                // Nothing goes back for nothing.
                if units == 0 { Vec::new() } else { oracle.give(units) }
            }
        };
        assert_eq!(line.newly_woken(), woken, "who is woken");
        assert_eq!((real.available(), real.locked()), (oracle.free, oracle.locked()));
    }
}
