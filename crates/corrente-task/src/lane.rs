//! A task's wait for another one: the commonest node of the scope tree, which mostly needs no tree.
//!
//! A task that awaits another directly, with no scope in between, is a leaf below the root. That fits into one word of
//! its header, the *lane*: the address of the task that it awaits. So `task.await` touches no memory but the two
//! cells. As soon as a request has to be dealt out, the lane is *spilled* into the tree as an ordinary node
//! ([`spill`]), and its owner finds it there by the awaited task, which only one handle can await.
//!
//! What always holds: the lane is read and written by the holder of RUNNING; the task whose address is in it is alive,
//! since its handle takes the address out ([`Awaiting::leave`]) before it gives up its own reference. A handle that is
//! not polled or dropped by the waiting task sends word instead; then the lane is spilled with a reference of its own
//! by whoever reads that, or was cleared at the end of the waiting task.

use crate::current::{self, Frame};
use crate::error::Cancelled;
use crate::scope::{self, Scope};
use crate::task_ref::TaskRef;
use crate::tree::{Kind, Message, ROOT};
use crate::waker;
use std::mem;
use std::task::Context;

/// Where a handle waits for its task.
#[derive(Default)]
pub(crate) enum Awaiting {
    #[default]
    Nowhere,
    /// In the lane of this task, or spilled into its tree.
    Lane(TaskRef),
    /// At a node of its own.
    Node(Scope),
}

impl Awaiting {
    /// `target` is awaited by the task that is polled. `target` must be the same in all calls.
    pub fn enter(&mut self, frame: &Frame, cx: &Context<'_>, target: &TaskRef) {
        let task = frame.task();
        let plain = frame.node.get() == ROOT && waker::is_of(cx.waker(), &task);
        match self {
            Self::Lane(place) if plain && *place == *task => {}
            Self::Node(scope) => {
                scope.enter(frame, cx, || Kind::ForwardOne(target.clone()));
            }
            Self::Nowhere | Self::Lane(_) => {
                self.leave(target);
                if plain && task.header().lane().is_none() {
                    task.header().set_lane(Some(target.pointer()));
                    *self = Self::Lane(task.clone());
                } else {
                    let mut scope = Scope::new();
                    scope.enter(frame, cx, || Kind::ForwardOne(target.clone()));
                    *self = Self::Node(scope);
                }
            }
        }
    }

    /// The request that this wait was handed, if any. Only while the task is polled.
    #[inline]
    pub fn take_request(&mut self, frame: &Frame, target: &TaskRef) -> Option<Cancelled> {
        if !frame.asked.get() {
            return None;
        }
        if let Self::Lane(task) = self {
            if frame.is_of(task) && task.header().lane() != Some(target.pointer()) {
                *self = Self::Node(scope::spilled(task, target)?);
            }
        }
        match self {
            Self::Node(scope) => scope.take_request(frame),
            _ => None,
        }
    }

    /// Waits no more; a request that was not taken is put back.
    #[inline]
    pub fn leave(&mut self, target: &TaskRef) {
        match mem::take(self) {
            Self::Nowhere => {}
            Self::Node(scope) => drop(scope),
            Self::Lane(task) => {
                let pointer = Some(target.pointer());
                if !current::is_polling(&task) {
                    leave_from_afar(&task, target);
                } else if task.header().lane() == pointer {
                    task.header().set_lane(None);
                } else {
                    drop(scope::spilled(&task, target));
                }
            }
        }
    }
}

#[cold]
fn leave_from_afar(task: &TaskRef, target: &TaskRef) {
    if !task.done() {
        scope::send(task, Message::Left(target.clone()), false);
    }
}

/// Makes a node of what is in the lane. The caller holds RUNNING.
pub(crate) fn spill(task: &TaskRef) {
    if let Some(target) = task.header().lane() {
        task.header().set_lane(None);
        // SAFETY: the handle that put it there keeps the cell alive, see the module.
        let target = unsafe { TaskRef::borrowed(target) }.clone();
        scope::with_tree(task, |tree| tree.insert(ROOT, Kind::ForwardOne(target), None));
    }
}
