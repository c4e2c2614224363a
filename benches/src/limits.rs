//! What the bare machine reaches: each workload's nearest equivalent with no runtime in the way.
//!
//! A floor, not a rival: it schedules nothing fairly, cancels nothing, and knows its work beforehand. Where nothing bare
//! comes near a workload there is no limit for it.

mod clock;
mod echo;
mod tasks;
mod threads;

use crate::Figures;
use crate::workloads::Link;

/// The limit that belongs to the workload called `name`, if there is one.
pub fn run(name: &str, scale: f64) -> Option<Figures> {
    let figures = match name {
        "spawn_join" | "burst" | "spawn_outside" | "chained_spawn" | "tree" => tasks::cycle(scale),
        "yield_many" => tasks::rotate(400, scale),
        "yield_one" => tasks::rotate(1, scale),
        "idle_task_bytes" => tasks::boxes::<64>(scale),
        "sleeping_task_bytes" => tasks::boxes::<128>(scale),
        "timeout_many" | "timeout_one" => clock::slots(scale),
        "timers" => clock::heap(scale),
        "sleep_late" => clock::nanosleep(scale),
        "mutex" => threads::mutex(scale),
        "mpsc" => threads::channel(scale),
        "blocking" => threads::queue(scale),
        "wake_outside" => threads::wake(scale),
        "accept" => threads::accept(scale),
        "echo_1" => echo::run(Link::ONE.scaled(scale), 1),
        "echo_64" => echo::run(Link::SOME.scaled(scale), 2),
        "echo_1000" => echo::run(Link::MANY.scaled(scale), 2),
        "echo_16k" => echo::run(Link::LARGE.scaled(scale), 2),
        _ => return None,
    };
    Some(figures)
}

/// The client that needs no runtime, for the workloads that measure a server alone.
pub fn client(arguments: &[&str]) -> Option<String> {
    let &[address, connections, size, seconds] = arguments else { return None };
    let link = Link {
        connections: connections.parse().ok()?,
        size: size.parse().ok()?,
        seconds: seconds.parse().ok()?,
    };
    Some(echo::client(address.parse().ok()?, link).to_string())
}
