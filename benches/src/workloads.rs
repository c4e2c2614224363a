//! The workloads: every question that is asked of a runtime, each an async function over any [`Contender`].
//!
//! One table names them all; a module holds what belongs together.

mod accept;
mod blocking;
mod channels;
mod countdown;
mod echo;
mod lines;
mod locks;
mod memory;
mod parallel;
mod spawning;
mod timing;
mod wakes;
mod yields;

pub use accept::own_address;
pub use echo::{Link, Served, Window, message, renumber, summary, verify};

use crate::{Contender, Figures, WORKERS};

/// Every workload by name, with what one operation of it is.
#[rustfmt::skip]
pub const WORKLOADS: &[(&str, &str)] = &[
    ("spawn_join", "a task spawned and awaited, 100,000 at a time"),
    ("burst", "a detached task spawned and run, 1,000,000 at a time"),
    ("spawn_outside", "a detached task spawned by a plain thread and run, 200,000 at a time"),
    ("yield_many", "one yield of one of 400 tasks"),
    ("yield_one", "one yield of a task that is alone"),
    ("ping_pong", "a round trip between two tasks over async-channel, 1,000 pairs at once"),
    ("ping_pair", "a round trip between two tasks over async-channel, one pair"),
    ("oneshot", "two tasks spawned, two oneshots sent, 1,000 at a time"),
    ("chained_spawn", "a task that spawns the next, chains of 1,000"),
    ("tree", "one task of a binary fork-join tree of depth 16"),
    ("mutex", "one lock and unlock, 100 tasks on one mutex"),
    ("mpsc", "one message over the runtime's own channel, 4 producers, capacity 1,024"),
    ("timeout_many", "a 30 s timeout around one yield, made and dropped in a task of its own, 100,000 at a time"),
    ("timeout_one", "a 30 s timeout around one yield, made and dropped, one task"),
    ("timers", "a sleep of up to 1 s in a task of its own, 100,000 of them"),
    ("sleep_late", "a sleep of 1 ms on an idle runtime; how late it ends"),
    ("heartbeat", "a sleep of 1 ms in one of 20 tasks, beside 4 that compute 1 ms per poll; how late it ends"),
    ("echo_1", "a request of 64 bytes and its answer, 1 connection"),
    ("echo_64", "a request of 64 bytes and its answer, 64 connections"),
    ("echo_1000", "a request of 64 bytes and its answer, 1,000 connections"),
    ("echo_16k", "a request of 16 KiB and its answer, 64 connections"),
    ("accept", "connect, one byte, close; 16 clients"),
    ("blocking", "a trivial closure run by the threads for blocking calls and awaited, 10,000 at a time"),
    ("idle_task_bytes", "resident memory of a task that waits for ever, of 200,000"),
    ("sleeping_task_bytes", "resident memory of a task that sleeps, of 200,000"),
    ("wake_outside", "a plain thread wakes a task of an idle runtime; how long until it runs"),
    // What follows is reported beside the metrics and does not enter the mean.
    ("ping_pong_own", "as ping_pong, over the runtime's own channel"),
    ("ping_pair_own", "as ping_pair, over the runtime's own channel"),
    ("sleep_loaded", "a sleep of 1 ms beside 4 tasks that compute 20 µs per poll; how late it ends"),
    ("blocking_512", "512 closures that sleep 20 ms, all at once"),
    ("idle", "a second in which nothing happens"),
    ("tick", "one of 100 timers in a second, nothing else"),
    ("two_100ms", "two tasks of 100 ms CPU each, spawned by a task that was just woken"),
    ("fan_64", "64 tasks of 200 µs CPU, spawned by a task that was just woken"),
    ("fan_64_1w", "as fan_64, with one worker"),
    ("fan_4", "4 tasks of 1 ms CPU, spawned by a task that was just woken"),
    ("fan_20us", "1,000 tasks of 20 µs CPU"),
    ("fan_20us_1w", "as fan_20us, with one worker"),
    ("tree_1w", "as tree, with one worker"),
    ("behind_spin", "10 tasks spawned by one that then computes 5 ms without a pause; the worst delay"),
    ("gather10", "ten tasks spawned and waited for together (join!, gather)"),
    ("group10", "ten tasks spawned and waited for as a group (JoinSet, TaskGroup)"),
    ("lock_alone", "one lock and unlock, one task"),
    ("lock_100", "one lock, a yield with it held, and unlock; 100 tasks on one mutex"),
    ("semaphore_alone", "one unit taken and given back, one task"),
    ("semaphore_100", "one unit taken, a yield with it, and given back; 100 tasks, 10 units"),
    ("queue_1_1", "as mpsc, with 1 producer"),
    ("unbounded_1_1", "one message over the runtime's own unbounded channel, 1 producer"),
    ("unbounded_4_1", "one message over the runtime's own unbounded channel, 4 producers"),
    ("oneshot_alone", "a oneshot made, sent and received by one task"),
    ("broadcast", "one message at one of 4 receivers, 1,000 sent before all must have caught up"),
    ("readline", "a line of 64 bytes out of a TCP socket, 1 GB of them"),
    ("apart_1", "as echo_1, with the client in a process of its own"),
    ("apart_64", "as echo_64, with the client in a process of its own"),
    ("apart_1000", "as echo_1000, with the client in a process of its own"),
    ("apart_16k", "as echo_16k, with the client in a process of its own"),
];

/// Runs the workload called `name` on the contender; `None` if there is none of that name.
pub fn run<C: Contender>(name: &str, scale: f64) -> Option<Figures> {
    let figures = match name {
        "spawn_join" => C::run(WORKERS, spawning::join::<C>(scale)),
        "burst" => C::run(WORKERS, spawning::burst::<C>(scale)),
        "spawn_outside" => C::run(WORKERS, spawning::outside::<C>(scale)),
        "chained_spawn" => C::run(WORKERS, spawning::chained::<C>(1000, scale)),
        "tree" => C::run(WORKERS, spawning::tree::<C>(spawning::DEPTH, scale)),
        "tree_1w" => C::run(1, spawning::tree::<C>(spawning::DEPTH, scale)),
        "gather10" => C::run(WORKERS, spawning::gather::<C>(scale)),
        "group10" => C::run(WORKERS, spawning::group::<C>(scale)),
        "yield_many" => C::run(WORKERS, yields::many::<C>(400, scale)),
        "yield_one" => C::run(WORKERS, yields::one::<C>(scale)),
        "ping_pong" => C::run(WORKERS, channels::ping_pong::<C>(1000, scale)),
        "ping_pair" => C::run(WORKERS, channels::ping_pong::<C>(1, scale)),
        "ping_pong_own" => C::run(WORKERS, channels::ping_pong_own::<C>(1000, scale)),
        "ping_pair_own" => C::run(WORKERS, channels::ping_pong_own::<C>(1, scale)),
        "oneshot" => C::run(WORKERS, channels::oneshot::<C>(1000, scale)),
        "mpsc" => C::run(WORKERS, channels::mpsc::<C>(4, scale)),
        "mutex" => C::run(WORKERS, locks::mutex::<C>(locks::TASKS, scale)),
        "lock_alone" => C::run(WORKERS, locks::alone::<C>(scale)),
        "lock_100" => C::run(WORKERS, locks::handed_on::<C>(locks::TASKS, scale)),
        "semaphore_alone" => C::run(WORKERS, locks::semaphore_alone::<C>(scale)),
        "semaphore_100" => C::run(WORKERS, locks::semaphore::<C>(locks::TASKS, scale)),
        "queue_1_1" => C::run(WORKERS, channels::mpsc::<C>(1, scale)),
        "unbounded_1_1" => C::run(WORKERS, channels::open_mpsc::<C>(1, scale)),
        "unbounded_4_1" => C::run(WORKERS, channels::open_mpsc::<C>(4, scale)),
        "oneshot_alone" => C::run(WORKERS, channels::oneshot_alone::<C>(scale)),
        "broadcast" => C::run(WORKERS, channels::broadcast::<C>(scale)),
        "readline" => C::run(WORKERS, lines::read::<C>(scale)),
        "timeout_many" => C::run(WORKERS, timing::timeout_many::<C>(scale)),
        "timeout_one" => C::run(WORKERS, timing::timeout_one::<C>(scale)),
        "timers" => C::run(WORKERS, timing::timers::<C>(scale)),
        "sleep_late" => C::run(WORKERS, timing::sleep_idle::<C>(scale)),
        "sleep_loaded" => C::run(WORKERS, timing::sleep_loaded::<C>(scale)),
        "heartbeat" => C::run(WORKERS, timing::heartbeat::<C>(scale)),
        "echo_1" => C::run(WORKERS, echo::together::<C>(Link::ONE, scale)),
        "echo_64" => C::run(WORKERS, echo::together::<C>(Link::SOME, scale)),
        "echo_1000" => C::run(WORKERS, echo::together::<C>(Link::MANY, scale)),
        "echo_16k" => C::run(WORKERS, echo::together::<C>(Link::LARGE, scale)),
        "apart_1" => C::run(WORKERS, echo::apart::<C>(Link::ONE, scale)),
        "apart_64" => C::run(WORKERS, echo::apart::<C>(Link::SOME, scale)),
        "apart_1000" => C::run(WORKERS, echo::apart::<C>(Link::MANY, scale)),
        "apart_16k" => C::run(WORKERS, echo::apart::<C>(Link::LARGE, scale)),
        "accept" => C::run(WORKERS, accept::accept::<C>(16, scale)),
        "blocking" => C::run(WORKERS, blocking::trivial::<C>(scale)),
        "blocking_512" => C::run(WORKERS, blocking::sleepers::<C>()),
        "idle_task_bytes" => C::run(WORKERS, memory::idle::<C>(scale)),
        "sleeping_task_bytes" => C::run(WORKERS, memory::sleeping::<C>(scale)),
        "wake_outside" => C::run(WORKERS, wakes::outside::<C>(scale)),
        "idle" => C::run(WORKERS, wakes::idle::<C>()),
        "tick" => C::run(WORKERS, wakes::tick::<C>()),
        "two_100ms" => C::run(WORKERS, parallel::fan_out::<C>(2, 100_000, 10, scale)),
        "fan_64" => C::run(WORKERS, parallel::fan_out::<C>(64, 200, 40, scale)),
        "fan_64_1w" => C::run(1, parallel::fan_out::<C>(64, 200, 20, scale)),
        "fan_4" => C::run(WORKERS, parallel::fan_out::<C>(4, 1000, 80, scale)),
        "fan_20us" => C::run(WORKERS, parallel::fan_out::<C>(1000, 20, 20, scale)),
        "fan_20us_1w" => C::run(1, parallel::fan_out::<C>(1000, 20, 10, scale)),
        "behind_spin" => C::run(WORKERS, parallel::behind_spin::<C>(scale)),
        _ => return None,
    };
    Some(figures)
}

/// Runs the workload with so many `at_once` in place of as many as the metric has; `None` if it is none of those of
/// which there can be more or fewer at once. The work as a whole stays about the same where it can.
pub fn run_sized<C: Contender>(name: &str, at_once: usize) -> Option<Figures> {
    let times = |usual: f64| at_once as f64 / usual;
    let figures = match name {
        "spawn_join" => C::run(WORKERS, spawning::join::<C>(times(1e5))),
        "burst" => C::run(WORKERS, spawning::burst::<C>(times(1e6))),
        "spawn_outside" => C::run(WORKERS, spawning::outside::<C>(times(2e5))),
        "chained_spawn" => C::run(WORKERS, spawning::chained::<C>(at_once, 1.0)),
        // The deepest tree that has no more nodes.
        "tree" => C::run(WORKERS, spawning::tree::<C>((at_once + 1).ilog2() - 1, 1.0)),
        "yield_many" => C::run(WORKERS, yields::many::<C>(at_once, 1.0)),
        "ping_pong" => C::run(WORKERS, channels::ping_pong::<C>(at_once, 1.0)),
        "oneshot" => C::run(WORKERS, channels::oneshot::<C>(at_once, 1.0)),
        "mpsc" => C::run(WORKERS, channels::mpsc::<C>(at_once as u64, 1.0)),
        "mutex" => C::run(WORKERS, locks::mutex::<C>(at_once, 1.0)),
        "lock_100" => C::run(WORKERS, locks::handed_on::<C>(at_once, 1.0)),
        "semaphore_100" => C::run(WORKERS, locks::semaphore::<C>(at_once, 1.0)),
        "timeout_many" => C::run(WORKERS, timing::timeout_many::<C>(times(1e5))),
        "timers" => C::run(WORKERS, timing::timers::<C>(times(1e5))),
        "blocking" => C::run(WORKERS, blocking::trivial::<C>(times(1e4))),
        "echo_64" => {
            let link = Link { connections: at_once, ..Link::SOME };
            C::run(WORKERS, echo::together::<C>(link, 1.0))
        }
        "accept" => C::run(WORKERS, accept::accept::<C>(at_once, 1.0)),
        "idle_task_bytes" => C::run(WORKERS, memory::idle::<C>(times(2e5))),
        "sleeping_task_bytes" => C::run(WORKERS, memory::sleeping::<C>(times(2e5))),
        _ => return None,
    };
    Some(figures)
}
