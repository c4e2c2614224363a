//! What tasks lie in, under the model checker: rows of places, the place for the next one, the queue's twin.
//!
//! Whatever is put in comes out once, and a close, a look or a thief in the middle loses none.
#![cfg(corrente_loom)]

use corrente_scheduler::parts::{LocalQueue, Place, Slots};
use loom::sync::Arc;
use loom::thread;
use std::sync::Arc as StdArc;

const MOST: u32 = 1 << 20;

fn all(slots: &Slots<StdArc<u32>>) -> Vec<StdArc<u32>> {
    let mut all = Vec::new();
    let _: Option<()> = slots.find(|task, _| {
        all.push(task.clone());
        None
    });
    all
}

#[test]
fn slots_a_close_finds_who_has_entered_or_sends_it_back() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        // One has its place before the close, the other may or may not get one.
        let reserved = slots.reserve(MOST).unwrap();
        let other = slots.clone();
        let enters = thread::spawn(move || {
            let first = other.enter(reserved, StdArc::new(1), false).is_ok();
            let second = other.reserve(MOST);
            first || second.is_some_and(|slot| other.enter(slot, StdArc::new(2), false).is_ok())
        });
        slots.close();
        let found = all(&slots);
        if enters.join().unwrap() {
            assert!(found.iter().any(|task| **task == 1), "a task runs that nobody will end");
        }
        assert!(found.iter().all(|task| **task != 2) || found.len() == 2);
    });
}

#[test]
fn slots_who_leaves_has_its_task_though_somebody_looks() {
    loom::model(|| {
        let slots = Arc::new(Slots::new());
        let tasks: Vec<_> = (0..2).map(StdArc::new).collect();
        let places: Vec<u32> = tasks
            .iter()
            .map(|task| {
                let place = slots.reserve(MOST).unwrap();
                slots.enter(place, task.clone(), false).unwrap();
                place
            })
            .collect();
        let looks = slots.clone();
        let looks = thread::spawn(move || all(&looks).len());
        assert_eq!(slots.leave(places[1]).as_ref(), Some(&tasks[1]));
        let again = slots.reserve(MOST).unwrap();
        assert_eq!(again, places[1], "the first row is used again");
        slots.enter(again, StdArc::new(7), false).unwrap();
        assert!(looks.join().unwrap() >= 1);
        let left: Vec<u32> = all(&slots).iter().map(|task| **task).collect();
        assert_eq!(left, [0, 7]);
    });
}

#[test]
fn slots_a_place_that_was_given_back_is_found_again() {
    loom::model(|| {
        let slots = Arc::new(Slots::<StdArc<u32>>::new());
        let places: Vec<u32> = (0..2).map(|_| slots.reserve(MOST).unwrap()).collect();
        places.iter().for_each(|place| slots.enter(*place, StdArc::new(1), false).unwrap());
        // The lowest free place is given first: the other's, if it is free.
        let (other, place) = (slots.clone(), places[0]);
        let other = thread::spawn(move || assert_eq!(other.leave(place), Some(StdArc::new(1))));
        assert!(slots.leave(places[1]).is_some());
        // The other may not have told of the row yet: then this one is of a new row.
        let early = slots.reserve(MOST).unwrap();
        slots.enter(early, StdArc::new(5), false).unwrap();
        other.join().unwrap();
        assert_eq!(all(&slots), [StdArc::new(5)]);
        let mut again: Vec<u32> = (0..3).map(|_| slots.reserve(MOST).unwrap()).collect();
        again.push(early);
        again.sort_unstable();
        assert_eq!(again, [0, 1, 2, 3], "of two rows, no place is lost and none is given twice");
        assert!(places.iter().all(|place| again.contains(place)));
    });
}

#[test]
fn place_each_item_comes_out_once() {
    loom::model(|| {
        let slot = Arc::new(Place::new());
        let thief = slot.clone();
        let thief = thread::spawn(move || thief.take());
        let displaced = [slot.put(1), slot.put(2)];
        let mine = slot.take();
        let stolen = thief.join().unwrap();
        let mut out: Vec<i32> = displaced.into_iter().chain([mine, stolen]).flatten().collect();
        out.sort_unstable();
        assert_eq!(out, [1, 2]);
    });
}

#[test]
fn queue_each_item_comes_out_once() {
    loom::model(|| {
        let (mine, loot) = (LocalQueue::new(), LocalQueue::new());
        let stealer = mine.stealer();
        let thief = thread::spawn(move || {
            let first = stealer.steal_into(&loot);
            first.into_iter().chain(std::iter::from_fn(|| loot.pop())).collect::<Vec<i32>>()
        });
        (0..3).for_each(|n| mine.push(n));
        let mut out: Vec<i32> = std::iter::from_fn(|| mine.pop()).collect();
        out.extend(thief.join().unwrap());
        out.sort_unstable();
        assert_eq!(out, [0, 1, 2]);
    });
}
