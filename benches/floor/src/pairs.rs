//! Pairs of tasks that exchange numbers over async-channel, on an executor that can do nothing else: tasks in a list, a
//! plain queue of indices, and a place for the task that was woken last and runs next, though not more than 16 times in a
//! row. A wake from another thread would be lost, and there is none.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

thread_local! {
    static READY: RefCell<Ready> = const { RefCell::new(Ready::new()) };
}

/// The tasks that are ready, by their index.
struct Ready {
    next: Option<usize>,
    /// How many in a row were next.
    streak: usize,
    queue: VecDeque<usize>,
}

impl Ready {
    const fn new() -> Self {
        Ready { next: None, streak: 0, queue: VecDeque::new() }
    }

    fn push(&mut self, index: usize) {
        self.queue.extend(self.next.replace(index));
    }

    fn pop(&mut self) -> Option<usize> {
        if self.streak < 16 && self.next.is_some() {
            self.streak += 1;
            return self.next.take();
        }
        self.streak = 0;
        self.queue.pop_front().or_else(|| self.next.take())
    }
}

/// Which task to poll, and whether it is in the queue.
struct Place {
    index: usize,
    queued: AtomicBool,
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Relaxed: everything happens on one thread.
        if !self.queued.load(Ordering::Relaxed) {
            self.queued.store(true, Ordering::Relaxed);
            READY.with_borrow_mut(|ready| ready.push(self.index));
        }
    }
}

type Task = (Arc<Place>, Waker, Option<Pin<Box<dyn Future<Output = ()>>>>);

#[derive(Default)]
struct Tasks(Vec<Task>);

impl Tasks {
    fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        let index = self.0.len();
        let place = Arc::new(Place { index, queued: AtomicBool::new(false) });
        place.wake_by_ref();
        self.0.push((place.clone(), place.into(), Some(Box::pin(future))));
    }

    /// Polls whoever is ready until nobody is; how many tasks have ended.
    fn run(&mut self) -> usize {
        let mut ended = 0;
        while let Some(index) = READY.with_borrow_mut(Ready::pop) {
            let (place, waker, future) = &mut self.0[index];
            place.queued.store(false, Ordering::Relaxed);
            let Some(running) = future else { continue };
            if running.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                *future = None;
                ended += 1;
            }
        }
        ended
    }
}

/// Lets so many pairs exchange so many numbers each.
pub fn exchange(pairs: usize, rounds: usize) {
    let mut tasks = Tasks::default();
    for _ in 0..pairs {
        let (ping, pinged) = async_channel::bounded::<usize>(1);
        let (pong, ponged) = async_channel::bounded::<usize>(1);
        tasks.spawn(async move {
            while let Ok(value) = pinged.recv().await {
                pong.send(value + 1).await.expect("the other end is there");
            }
        });
        tasks.spawn(async move {
            for round in 0..rounds {
                ping.send(round).await.expect("the other end is there");
                assert_eq!(ponged.recv().await, Ok(round + 1));
            }
        });
    }
    assert_eq!(tasks.run(), 2 * pairs, "every task comes to its end");
}
