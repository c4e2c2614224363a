//! A pool of threads with one queue, for tests that need tasks to meet; and small stacks.

use super::{lock, options};
use corrente_task::{Cause, Runnable, Schedule, Spawned, Task, Unobserved};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

#[derive(Clone, Default)]
pub struct Queue(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    ready: VecDeque<Runnable>,
    closed: bool,
}

impl Schedule for Queue {
    fn schedule(&self, runnable: Runnable, _: Cause) {
        let mut inner = lock(&self.0.0);
        if inner.closed {
            drop(inner);
            return drop(runnable);
        }
        inner.ready.push_back(runnable);
        drop(inner);
        self.0.1.notify_one();
    }
    fn unobserved(&self, _: &Unobserved<'_>) {}
}

/// Threads that run what is ready. Dropped, it waits for them; what is still there is ended.
pub struct Pool {
    pub queue: Queue,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub fn new(threads: usize) -> Self {
        let queue = Queue::default();
        let threads = (0..threads)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || queue.work())
            })
            .collect();
        Self { queue, threads }
    }

    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let Spawned { runnable, task, .. } =
            corrente_task::spawn(future, self.queue.clone(), options());
        runnable.schedule();
        task
    }
}

impl Queue {
    fn work(&self) {
        while let Some(runnable) = self.next() {
            runnable.run();
        }
    }

    fn next(&self) -> Option<Runnable> {
        let mut inner = lock(&self.0.0);
        loop {
            if let Some(runnable) = inner.ready.pop_front() {
                return Some(runnable);
            }
            if inner.closed {
                return None;
            }
            inner = self.0.1.wait(inner).unwrap();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.queue.0.0).closed = true;
        self.queue.0.1.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Calls `f` on a thread with a stack of 256 KiB: what recurses as deep as a chain is long, ends there.
pub fn on_a_small_stack<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, f);
        match thread.unwrap().join() {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    })
}
