//! Random operations on a semaphore, a queue and a broadcast channel, beside an oracle that must agree after each:
//! what is ready, what is left, and who is woken in which order.

use crate::common::Waiter;
use crate::line::Line;
use crate::oracle::{FairQueue, FairSemaphore, Got};
use corrente_sync::{OwnedPermit, Queue, Semaphore, broadcast};
use proptest::prelude::*;
use std::sync::{Arc, Weak};

#[derive(Clone, Debug)]
enum OnSemaphore {
    Come(usize),
    Give(usize),
    Look(usize),
    Leave(usize),
    DropPermit(usize),
}

fn on_semaphore() -> impl Strategy<Value = OnSemaphore> {
    prop_oneof![
        3 => (0..4usize).prop_map(OnSemaphore::Come),
        1 => (0..3usize).prop_map(OnSemaphore::Give),
        3 => any::<usize>().prop_map(OnSemaphore::Look),
        2 => any::<usize>().prop_map(OnSemaphore::Leave),
        2 => any::<usize>().prop_map(OnSemaphore::DropPermit),
    ]
}

#[derive(Clone, Debug)]
enum OnQueue {
    Get,
    Put,
    GetNowait,
    PutNowait,
    Look(usize),
    Leave(usize),
    ShutDown(bool),
}

fn on_queue() -> impl Strategy<Value = OnQueue> {
    prop_oneof![
        6 => Just(OnQueue::Get),
        6 => Just(OnQueue::Put),
        3 => Just(OnQueue::GetNowait),
        3 => Just(OnQueue::PutNowait),
        8 => any::<usize>().prop_map(OnQueue::Look),
        5 => any::<usize>().prop_map(OnQueue::Leave),
        1 => any::<bool>().prop_map(OnQueue::ShutDown),
    ]
}

#[derive(Clone, Debug)]
enum OnBroadcast {
    Send,
    Receive(usize),
    Clone(usize),
    Leave(usize),
}

fn on_broadcast() -> impl Strategy<Value = OnBroadcast> {
    prop_oneof![
        12 => Just(OnBroadcast::Send),
        12 => any::<usize>().prop_map(OnBroadcast::Receive),
        1 => any::<usize>().prop_map(OnBroadcast::Clone),
        1 => any::<usize>().prop_map(OnBroadcast::Leave),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn semaphore(units in 0..3usize, operations in prop::collection::vec(on_semaphore(), 0..60)) {
        let real = Arc::new(Semaphore::new(units));
        let mut oracle = FairSemaphore::new(units);
        let mut line = Line::<OwnedPermit>::new();
        let mut permits = Vec::new();
        for (name, operation) in operations.into_iter().enumerate() {
            let woken = match operation {
                OnSemaphore::Come(units) => {
                    let mut waiter = Waiter::idle(real.acquire_many_owned(units));
                    let permit = waiter.poll();
                    let (at_once, woken) = oracle.come(name, units);
                    prop_assert_eq!(permit.is_some(), at_once);
                    match permit {
                        Some(permit) => permits.push(permit),
                        None => _ = line.waiters.insert(name, waiter),
                    }
                    woken
                }
                OnSemaphore::Give(units) => {
                    real.release_many(units);
                    oracle.give(units)
                }
                OnSemaphore::Look(choice) => {
                    let Some(name) = line.pick(choice) else { continue };
                    let permit = line.waiters.get_mut(&name).and_then(Waiter::poll);
                    let (ready, woken) = oracle.look(name);
                    prop_assert_eq!(permit.is_some(), ready);
                    if let Some(permit) = permit {
                        line.waiters.remove(&name);
                        permits.push(permit);
                    }
                    woken
                }
                OnSemaphore::Leave(choice) => {
                    let Some(name) = line.pick(choice) else { continue };
                    line.waiters.remove(&name);
                    oracle.leave(name)
                }
                OnSemaphore::DropPermit(choice) => {
                    let Some(at) = choice.checked_rem(permits.len()) else { continue };
                    let permit = permits.swap_remove(at);
                    let units = permit.units();
                    drop(permit);
                    // Nothing goes back for nothing.
                    if units == 0 { Vec::new() } else { oracle.give(units) }
                }
            };
            prop_assert_eq!(line.newly_woken(), woken);
            prop_assert_eq!((real.available(), real.locked()), (oracle.free, oracle.locked()));
        }
    }

    #[test]
    fn queue(places in 0..4usize, operations in prop::collection::vec(on_queue(), 0..80)) {
        let real = Queue::new(places);
        let mut oracle = FairQueue::new(if places == 0 { usize::MAX } else { places });
        let mut line = Line::<Got>::new();
        let get = || async { real.get().await.map_or(Got::Refused, Got::Item) };
        let put = |item| {
            let put = real.put(item);
            async { put.await.map_or(Got::Refused, |()| Got::Put) }
        };
        for (name, operation) in operations.into_iter().enumerate() {
            let item = u32::try_from(name).unwrap();
            let woken = match operation {
                OnQueue::Get | OnQueue::Put => {
                    let gets = matches!(operation, OnQueue::Get);
                    let mut waiter =
                        if gets { Waiter::idle(get()) } else { Waiter::idle(put(item)) };
                    let outcome = waiter.poll();
                    let (expected, woken) =
                        if gets { oracle.get(name) } else { oracle.put(name, item) };
                    if outcome.is_none() {
                        line.waiters.insert(name, waiter);
                    }
                    prop_assert_eq!(outcome.unwrap_or(Got::Waits), expected);
                    woken
                }
                OnQueue::GetNowait => {
                    let (expected, woken) = oracle.get_nowait();
                    prop_assert_eq!(real.get_nowait().ok(), expected);
                    woken
                }
                OnQueue::PutNowait => {
                    let (expected, woken) = oracle.put_nowait(item);
                    prop_assert_eq!(real.put_nowait(item).is_ok(), expected);
                    woken
                }
                OnQueue::Look(choice) => {
                    let Some(name) = line.pick(choice) else { continue };
                    let outcome = line.waiters.get_mut(&name).and_then(Waiter::poll);
                    let (expected, woken) = oracle.look(name);
                    if outcome.is_some() {
                        line.waiters.remove(&name);
                    }
                    prop_assert_eq!(outcome.unwrap_or(Got::Waits), expected);
                    woken
                }
                OnQueue::Leave(choice) => {
                    let Some(name) = line.pick(choice) else { continue };
                    line.waiters.remove(&name);
                    oracle.leave(name)
                }
                OnQueue::ShutDown(immediate) => {
                    real.shutdown(immediate);
                    oracle.shut_down(immediate)
                }
            };
            prop_assert_eq!(line.newly_woken(), woken);
            prop_assert_eq!(real.qsize(), oracle.items.len());
            prop_assert_eq!(real.is_shutdown(), oracle.shut_down);
        }
    }

    /// A receiver is a number, whatever it does to be quick.
    #[test]
    fn broadcast(capacity in 1..40usize, operations in prop::collection::vec(on_broadcast(), 0..300)) {
        let (sender, first) = broadcast::channel(capacity);
        let mut receivers = vec![(first, 0)];
        let mut sent = Vec::<Weak<usize>>::new();
        for operation in operations {
            match operation {
                OnBroadcast::Send => {
                    let value = Arc::new(sent.len());
                    let weak = Arc::downgrade(&value);
                    prop_assert_eq!(sender.send(value).ok(), Some(receivers.len()).filter(|to| *to > 0));
                    if !receivers.is_empty() {
                        sent.push(weak);
                    }
                }
                OnBroadcast::Receive(choice) => {
                    let Some(at) = choice.checked_rem(receivers.len()) else { continue };
                    let (receiver, next) = &mut receivers[at];
                    let missed = (sent.len() - *next).saturating_sub(capacity);
                    let expected = match missed {
                        0 if *next == sent.len() => Err(broadcast::TryRecvError::Empty),
                        0 => Ok(*next),
                        _ => Err(broadcast::TryRecvError::Lagged(missed as u64)),
                    };
                    prop_assert_eq!(receiver.try_recv().map(|value| *value), expected);
                    *next += missed + usize::from(expected.is_ok());
                }
                OnBroadcast::Clone(choice) => {
                    let Some(at) = choice.checked_rem(receivers.len()) else { continue };
                    receivers.push((receivers[at].0.clone(), receivers[at].1));
                }
                OnBroadcast::Leave(choice) => {
                    let Some(at) = choice.checked_rem(receivers.len()) else { continue };
                    receivers.swap_remove(at);
                }
            }
            let read_by_all = receivers.iter().map(|receiver| receiver.1).min().unwrap_or(sent.len());
            let alive = |value: &&Weak<usize>| value.strong_count() > 0;
            prop_assert_eq!(sent[..read_by_all].iter().filter(alive).count(), 0);
            let kept = sent.iter().filter(alive).count();
            prop_assert!(kept <= capacity + 16 * receivers.len(), "{} are kept", kept);
        }
    }
}
