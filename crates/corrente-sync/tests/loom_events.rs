//! Models of what many wait for: events, conditions, barriers and cells that are filled once, by loom.
#![cfg(corrente_loom)]

mod model;

use corrente_sync::{Barrier, Condition, Event, OnceCell};
use loom::thread::spawn;
use model::{Waiter, block_on};
use std::sync::Arc;

#[test]
fn an_event_that_is_set_while_somebody_comes_lets_it_through() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let setter = Arc::clone(&event);
        let set = spawn(move || setter.set());
        block_on(event.wait());
        set.join().unwrap();
    });
}

#[test]
fn an_event_that_is_set_and_cleared_lets_through_all_who_waited() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let (one, other) = (Arc::clone(&event), Arc::clone(&event));
        let first = Waiter::new(async move { one.wait().await });
        let second = Waiter::new(async move { other.wait().await });
        let setter = Arc::clone(&event);
        let set = spawn(move || {
            setter.set();
            setter.clear();
        });
        drop(first);
        set.join().unwrap();
        assert!(second.finish().is_some());
        assert!(!event.is_set());
    });
}

#[test]
fn who_waits_after_a_clear_is_not_let_through_by_the_set_before_it() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let one = Arc::clone(&event);
        let first = Waiter::new(async move { one.wait().await });
        let setter = Arc::clone(&event);
        let set = spawn(move || setter.set());
        event.clear();
        let one = Arc::clone(&event);
        let mut late = Waiter::unpolled(async move { one.wait().await });
        let through = late.poll().is_some();
        set.join().unwrap();
        assert!(first.finish().is_some());
        // The set came before the clear, or after the wait began, or in between.
        assert_eq!(through || late.woken(), event.is_set());
    });
}

#[test]
fn a_notification_of_a_cancelled_waiter_goes_to_the_next() {
    loom::model(|| {
        let condition = Arc::new(Condition::new(()));
        let wait = |condition: Arc<Condition>| async move {
            condition.lock().await.wait().await;
        };
        let first = Waiter::new(wait(Arc::clone(&condition)));
        let second = Waiter::new(wait(Arc::clone(&condition)));
        let notifier = Arc::clone(&condition);
        let notify = spawn(move || block_on(notifier.lock()).notify(1));
        let cancel = spawn(move || drop(first));
        notify.join().unwrap();
        cancel.join().unwrap();
        assert!(second.finish().is_some());
    });
}

#[test]
fn no_notification_falls_between_look_and_wait() {
    loom::model(|| {
        let condition = Arc::new(Condition::new(false));
        let other = Arc::clone(&condition);
        let notify = spawn(move || {
            let mut ready = block_on(other.lock());
            *ready = true;
            ready.notify(1);
        });
        block_on(async {
            condition.lock().await.wait_for(|ready| *ready).await;
        });
        notify.join().unwrap();
    });
}

#[test]
fn the_turn_of_a_cancelled_maker_goes_to_the_next() {
    loom::model(|| {
        let cell = Arc::new(OnceCell::new());
        let (one, other) = (Arc::clone(&cell), Arc::clone(&cell));
        let maker = Waiter::new(async move { *one.get_or_init(std::future::pending::<u32>).await });
        let cancel = spawn(move || drop(maker));
        let make = spawn(move || *block_on(other.get_or_init(|| async { 7 })));
        cancel.join().unwrap();
        assert_eq!(make.join().unwrap(), 7);
        assert_eq!(cell.get(), Some(&7));
    });
}

#[test]
fn those_who_meet_at_a_barrier_all_go_on() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = Arc::clone(&barrier);
        let meet = spawn(move || block_on(other.wait()).unwrap());
        let own = block_on(barrier.wait()).unwrap();
        assert_eq!(own + meet.join().unwrap(), 1, "one has 0, one has 1");
    });
}
