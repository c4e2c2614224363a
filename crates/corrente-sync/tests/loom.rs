//! Models of what is owned: locks, semaphores and the line of those who wait for them, by loom.
//!
//! Each is named for the promise that it proves. Events and those who meet have models of their own, in
//! `loom_events.rs`, and so has what is handed over, in `loom_channels.rs`.
#![cfg(corrente_loom)]

mod model;

use corrente_sync::{Lock, RwLock, Semaphore};
use loom::thread::spawn;
use model::{Waiter, block_on};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[test]
fn one_at_a_time_has_the_lock() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0));
        let other = Arc::clone(&lock);
        let thread = spawn(move || *block_on(other.lock()) += 1);
        *block_on(lock.lock()) += 1;
        thread.join().unwrap();
        assert_eq!(*lock.try_lock().expect("both are done"), 2);
    });
}

#[test]
fn a_waiter_that_comes_during_the_release_gets_the_lock() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0));
        let guard = lock.try_lock_owned().unwrap();
        let thread = spawn(move || drop(guard));
        *block_on(lock.lock()) += 1;
        thread.join().unwrap();
    });
}

#[test]
fn a_lock_granted_to_a_cancelled_waiter_goes_to_the_next() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let second = Waiter::new(lock.lock_owned());
        let release = spawn(move || drop(guard));
        let cancel = spawn(move || drop(first));
        release.join().unwrap();
        cancel.join().unwrap();
        assert!(second.finish().is_some(), "the second waiter has the lock");
        assert!(lock.try_lock().is_some(), "and released it");
    });
}

#[test]
fn a_lock_granted_to_waiters_who_are_all_cancelled_is_free() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let second = Waiter::new(lock.lock_owned());
        let release = spawn(move || drop(guard));
        let cancel = spawn(move || drop(second));
        drop(first);
        release.join().unwrap();
        cancel.join().unwrap();
        assert!(lock.try_lock().is_some(), "nobody has it");
        assert!(!lock.locked());
    });
}

#[test]
fn a_grant_by_somebody_else_carries_what_the_last_owner_wrote() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0));
        let mut guard = lock.try_lock_owned().unwrap();
        let first = Waiter::new(lock.lock_owned());
        let mut second = Waiter::new(lock.lock_owned());
        let release = spawn(move || {
            *guard += 1;
            drop(guard);
        });
        // Between the giving of the unit and the giver's settling, this one settles.
        drop(first);
        if second.woken() {
            assert_eq!(second.poll().map(|guard| *guard), Some(1));
        }
        release.join().unwrap();
    });
}

#[test]
fn who_looks_before_it_is_woken_has_all_or_nothing() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0));
        let mut guard = lock.try_lock_owned().unwrap();
        let mut waiter = Waiter::new(lock.lock_owned());
        let release = spawn(move || {
            *guard += 1;
            drop(guard);
        });
        if let Some(guard) = waiter.poll() {
            assert_eq!(*guard, 1);
        }
        release.join().unwrap();
    });
}

/// What a writer gives is more than a reader wants: it is shared out.
#[test]
fn a_reader_who_looks_before_it_is_woken_has_all_or_nothing() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(0));
        let mut guard = block_on(lock.write_owned());
        let mut reader = Waiter::new(lock.read_owned());
        let release = spawn(move || {
            *guard += 1;
            drop(guard);
        });
        if let Some(guard) = reader.poll() {
            assert_eq!(*guard, 1);
        }
        release.join().unwrap();
    });
}

#[test]
fn who_was_granted_the_lock_during_the_release_finds_it_locked() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let release = spawn(move || drop(guard));
        let mut comes = Box::pin(lock.lock_owned());
        for _ in 0..2 {
            if let Poll::Ready(_guard) =
                comes.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                assert!(lock.locked());
                break;
            }
        }
        release.join().unwrap();
    });
}

#[test]
fn free_units_are_not_taken_past_somebody_who_was_granted_his() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let waiter = Waiter::new(semaphore.acquire_owned());
        let other = Arc::clone(&semaphore);
        let barge = spawn(move || other.try_acquire().is_some());
        semaphore.release_many(2);
        assert!(!barge.join().unwrap(), "somebody was called before");
        assert!(waiter.finish().is_some());
        assert!(semaphore.try_acquire_many(2).is_some());
    });
}

#[test]
fn nobody_overtakes_who_was_granted_the_lock() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.try_lock_owned().unwrap();
        let waiter = Waiter::new(lock.lock_owned());
        let other = Arc::clone(&lock);
        let barge = spawn(move || other.try_lock().is_some());
        drop(guard);
        assert!(!barge.join().unwrap(), "the lock was promised");
        assert!(waiter.finish().is_some());
    });
}

#[test]
fn units_are_neither_lost_nor_doubled_when_a_waiter_leaves() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let many = Waiter::new(semaphore.acquire_many_owned(2));
        let one = Waiter::new(semaphore.acquire_owned());
        let giver = Arc::clone(&semaphore);
        let give = spawn(move || giver.release());
        let cancel = spawn(move || drop(many));
        semaphore.release();
        give.join().unwrap();
        cancel.join().unwrap();
        one.finish().expect("one unit goes to the second waiter").forget();
        assert_eq!(semaphore.available(), 1);
        assert!(!semaphore.locked(), "the line is empty");
    });
}

#[test]
fn who_stands_behind_one_that_leaves_is_served() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let many = Waiter::new(semaphore.acquire_many_owned(3));
        let one = Waiter::new(semaphore.acquire_owned());
        let cancel = spawn(move || drop(many));
        semaphore.release();
        cancel.join().unwrap();
        assert!(one.finish().is_some());
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn a_unit_given_while_somebody_joins_the_line_is_taken() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let giver = Arc::clone(&semaphore);
        let give = spawn(move || giver.release());
        block_on(semaphore.acquire()).forget();
        give.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    });
}

#[test]
fn a_writer_is_alone() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(0));
        let other = Arc::clone(&lock);
        let writer = spawn(move || *block_on(other.write()) += 1);
        let seen = *block_on(lock.read());
        writer.join().unwrap();
        assert!(seen <= 1);
        assert_eq!(*lock.try_read().unwrap(), 1);
    });
}

#[test]
fn readers_behind_a_cancelled_writer_go_on() {
    loom::model(|| {
        let lock = Arc::new(RwLock::new(()));
        let reading = lock.try_read().map(std::mem::forget);
        assert!(reading.is_some());
        let writer = Waiter::new(lock.clone().write_owned());
        let reader = Waiter::new(lock.clone().read_owned());
        let cancel = spawn(move || drop(writer));
        let other = Arc::clone(&lock);
        let late = spawn(move || drop(block_on(other.read())));
        cancel.join().unwrap();
        late.join().unwrap();
        assert!(reader.finish().is_some());
    });
}
