//! Which of some waits cannot end.
//!
//! Pure. It begins by holding all who wait for stuck, and lets go whoever has a way on, until nobody
//! more has. Whoever is left waits, in the end, for himself.

use super::{LongWait, What, book::Who};

/// Marks them.
pub(super) fn mark(waits: &mut [LongWait]) {
    let mut stuck: Vec<Who> = Vec::new();
    for wait in waits.iter().filter(|wait| wait.granted.is_none()) {
        if !stuck.contains(&wait.waiter.who) {
            stuck.push(wait.waiter.who);
        }
    }
    loop {
        let before = stuck.len();
        let freed = |who: &Who| {
            let own = |wait: &&LongWait| wait.waiter.who == *who && wait.granted.is_none();
            waits.iter().filter(own).any(|wait| has_a_way_on(wait, &stuck))
        };
        let left: Vec<Who> = stuck.iter().filter(|who| !freed(who)).copied().collect();
        stuck = left;
        if stuck.len() == before {
            break;
        }
    }
    for wait in waits {
        wait.is_stuck = wait.granted.is_none() && stuck.contains(&wait.waiter.who);
    }
}

/// True if somebody who is not stuck can end this wait, or if that is not known.
fn has_a_way_on(wait: &LongWait, stuck: &[Who]) -> bool {
    if wait.moving {
        return true;
    }
    let mut holders = wait.holders.iter().map(|holder| stuck.contains(&holder.who));
    match wait.what {
        // All who have it must give it up; one of them cannot.
        What::Lock | What::RwLock => !holders.any(|is_stuck| is_stuck),
        // One of them is enough; none of them can.
        What::Semaphore => wait.holders.is_empty() || !holders.all(|is_stuck| is_stuck),
        // Anybody may do it.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Party;
    use super::*;
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    /// Party number `n`: threads are the simplest source of different ones.
    fn party(n: usize) -> Party {
        static IDS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
        let mut ids = IDS.lock().unwrap();
        while ids.len() <= n {
            ids.push(thread::spawn(|| thread::current().id()).join().unwrap());
        }
        Party { who: Who::Thread(ids[n]), name: format!("{n}") }
    }

    fn wait(waiter: usize, what: What, holders: &[usize]) -> LongWait {
        LongWait {
            what,
            address: 0,
            waiter: party(waiter),
            number: 0,
            waited: Duration::from_secs(1),
            is_stuck: false,
            granted: None,
            holders: holders.iter().map(|holder| party(*holder)).collect(),
            moving: false,
        }
    }

    #[track_caller]
    fn check(mut waits: Vec<LongWait>, stuck: &[&str]) {
        mark(&mut waits);
        let found = waits.into_iter().filter(|wait| wait.is_stuck);
        let found: Vec<String> = found.map(|wait| wait.waiter.name).collect();
        assert_eq!(found, stuck);
    }

    #[test]
    fn two_who_wait_for_each_other() {
        check(vec![wait(1, What::Lock, &[2]), wait(2, What::Lock, &[1])], &["1", "2"]);
    }

    #[test]
    fn one_who_waits_for_himself_and_one_behind_him() {
        check(vec![wait(1, What::Lock, &[1]), wait(2, What::Lock, &[1])], &["1", "2"]);
    }

    #[test]
    fn who_waits_for_somebody_who_works_is_not_stuck() {
        check(vec![wait(1, What::Lock, &[2]), wait(2, What::Lock, &[3])], &[]);
    }

    #[test]
    fn a_holder_who_waits_for_an_item_may_get_it() {
        check(vec![wait(1, What::Lock, &[2]), wait(2, What::Get, &[])], &[]);
    }

    #[test]
    fn a_writer_needs_all_readers_and_a_unit_needs_one_holder() {
        let ring = |what| vec![wait(1, what, &[2, 3]), wait(2, What::Lock, &[1])];
        check(ring(What::RwLock), &["1", "2"]);
        check(ring(What::Semaphore), &[]);
        let all = vec![wait(1, What::Semaphore, &[2, 1]), wait(2, What::Lock, &[1])];
        check(all, &["1", "2"]);
    }

    #[test]
    fn who_waits_for_what_was_granted_just_now_may_be_next() {
        let granted = LongWait { moving: true, ..wait(1, What::Lock, &[2]) };
        check(vec![granted, wait(2, What::Lock, &[1])], &[]);
    }

    #[test]
    fn who_waits_for_two_things_needs_one_of_them() {
        let waits =
            vec![wait(1, What::Lock, &[2]), wait(1, What::Event, &[]), wait(2, What::Lock, &[1])];
        check(waits, &[]);
    }
}
