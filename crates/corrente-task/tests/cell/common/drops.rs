//! Values that tell when and where they are dropped, and some that panic while they are.

use super::World;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

/// Counts its drops.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicUsize>);

/// One of the values that a [`Counter`] counts.
pub struct Counted(Arc<AtomicUsize>);

impl Counter {
    pub fn one(&self) -> Counted {
        Counted(self.0.clone())
    }
    pub fn dropped(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a function when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Logs its name when it is dropped.
pub fn logged(world: &Arc<World>, name: &'static str) -> OnDrop<impl FnMut() + Send + use<>> {
    let world = world.clone();
    OnDrop(move || world.log(format!("{name} dropped")))
}

/// Panics when it is dropped; if `again`, with a payload that does so, too.
pub struct Bomb {
    pub name: &'static str,
    pub again: bool,
}

pub fn bomb(name: &'static str) -> Bomb {
    Bomb { name, again: false }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match std::mem::take(&mut self.again) {
            true => std::panic::panic_any(bomb(self.name)),
            false => panic!("{} went off", self.name),
        }
    }
}

/// Panics unless it is dropped on the thread that made it.
pub struct AtHome {
    home: ThreadId,
    _counted: Counted,
}

impl AtHome {
    pub fn new(counter: &Counter) -> Self {
        Self { home: std::thread::current().id(), _counted: counter.one() }
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        assert_eq!(std::thread::current().id(), self.home, "dropped on a foreign thread");
    }
}
