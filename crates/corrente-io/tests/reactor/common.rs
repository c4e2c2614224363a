//! A small loop over `Reactor::turn`, and a macro that runs a test in every mode.
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use corrente_io::{Reactor, ReactorHandle};

/// Far more than any test needs; only a lost event takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reactor and the thread that turns it.
pub struct Loop {
    pub reactor: Reactor,
    /// How many turns there were.
    pub turns: usize,
}

impl Loop {
    pub fn new(reactor: Reactor) -> Self {
        Self { reactor, turns: 0 }
    }

    pub fn handle(&self) -> ReactorHandle {
        self.reactor.handle()
    }

    /// One turn, and the wakes it asks for; how many there were.
    pub fn turn(&mut self, limit: Option<Duration>) -> usize {
        let mut woken = Vec::new();
        self.reactor.turn(limit, &mut woken).expect("the reactor waits");
        self.turns += 1;
        let count = woken.len();
        woken.into_iter().for_each(Waker::wake);
        count
    }

    /// Turns until `future` is done, polling it only when it was woken.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let flag = Arc::new(Flag::default());
        flag.woken.store(true, Ordering::SeqCst);
        let _ = flag.interrupter.set(self.reactor.interrupter());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        let start = Instant::now();
        loop {
            if flag.take() {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return output;
                }
            } else {
                assert!(start.elapsed() < PATIENCE, "nothing has woken the future");
                self.turn(Some(PATIENCE));
            }
        }
    }

    /// Polls once, with a waker that goes nowhere.
    pub fn poll_once<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

/// A waker that remembers that it was woken, and interrupts the loop if it is told how.
#[derive(Default)]
pub struct Flag {
    woken: AtomicBool,
    interrupter: std::sync::OnceLock<Waker>,
}

impl Flag {
    /// Was it woken since the last call?
    pub fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        // The loop's own thread wakes between turns; others must end the turn.
        if let Some(interrupter) = self.interrupter.get() {
            interrupter.wake_by_ref();
        }
    }
}

/// Makes three tests of each function: on the fastest path, and on both portable ones.
macro_rules! in_every_mode {
    ($(fn $name:ident($run:ident: &mut Loop) $body:block)*) => {$(
        mod $name {
            use super::*;

            fn run($run: &mut Loop) $body

            #[test]
            fn fastest() {
                run(&mut Loop::new(corrente_io::Reactor::new().unwrap()));
            }

            #[test]
            fn portable_edge() {
                let reactor = corrente_io::Reactor::portable(corrente_io::Trigger::Edge);
                run(&mut Loop::new(reactor.unwrap()));
            }

            #[test]
            fn portable_oneshot() {
                let reactor = corrente_io::Reactor::portable(corrente_io::Trigger::Oneshot);
                run(&mut Loop::new(reactor.unwrap()));
            }
        }
    )*};
}
