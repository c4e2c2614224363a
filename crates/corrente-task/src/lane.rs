//! The commonest node of the scope tree, which mostly needs no tree.
//!
//! A task that waits for one thing is a leaf below the root: it awaits another task directly, or is in one scope that
//! catches cancels, such as a timeout. That fits into one word of its header, the *lane*: the address of the awaited
//! task, or a mark for the scope. So `task.await` touches no memory but the two cells, and a scope none but its own
//! task's. As soon as a request has to be dealt out, the lane is *spilled* into the tree as an ordinary node ([`spill`]).
//!
//! What always holds: the lane is read and written by the holder of RUNNING.
//!
//! **An awaited task** is alive while its address is in the lane, since its handle takes the address out
//! ([`Awaiting::leave`]) before it gives up its own reference. A handle that is not polled or dropped by the waiting task
//! sends word instead; then the lane is spilled with a reference of its own by whoever reads that, or was cleared at
//! the end of the waiting task. The handle finds a spilled node by the awaited task, which only one handle can await.
//!
//! **A scope** enters the lane only if its task has no notes ([`enter_scope`]), and is spilled before the tree gets any
//! other node. So while it stands there its tree has never had a node, its own would be the first of all, and has
//! that one's key, [`Key::FIRST`]: its owner names it by that key in the lane as in the tree, and need not know which.
//! The key is unique although the next scope in the lane has it, too: whoever is given it besides the owner makes
//! sure of notes first (`Scope::remote`, `scope::send`), and a scope that leaves the lane of a task that has notes is spilled and then
//! removed, which uses the key up ([`leave_scope`]).

use crate::current::{self, Frame};
use crate::error::Cancelled;
use crate::header::Lane;
use crate::scope::{self, Scope};
use crate::task_ref::TaskRef;
use crate::tree::{Key, Kind, Message, ROOT};
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
                if plain && task.header().lane() == Lane::Empty {
                    task.header().set_lane(Lane::Task(target.pointer()));
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
            if frame.is_of(task) && task.header().lane() != Lane::Task(target.pointer()) {
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
                if !current::is_polling(&task) {
                    leave_from_afar(&task, target);
                } else if task.header().lane() == Lane::Task(target.pointer()) {
                    task.header().set_lane(Lane::Empty);
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

/// Puts a scope into the lane: one that catches cancels, entered below the root with the task's own waker. False if it
/// needs a node of its own. The caller holds RUNNING.
#[inline]
pub(crate) fn enter_scope(task: &TaskRef) -> bool {
    let header = task.header();
    let may = header.lane() == Lane::Empty && header.notes_if_any().is_none();
    if may {
        header.set_lane(Lane::Scope);
    }
    may
}

/// The caller holds RUNNING.
#[inline]
pub(crate) fn holds_scope(task: &TaskRef) -> bool {
    task.header().lane() == Lane::Scope
}

/// Takes a scope out of the lane. False if there is none, or if others may know its key: then it is in the tree now.
/// The caller holds RUNNING.
#[inline]
pub(crate) fn leave_scope(task: &TaskRef) -> bool {
    if !holds_scope(task) {
        return false;
    }
    // Whoever has the key had it from the owner, who has come here since: so the notes are seen.
    if task.header().notes_if_any().is_some() {
        spill(task);
        return false;
    }
    task.header().set_lane(Lane::Empty);
    true
}

/// A scope in the lane becomes a node, since there will be others. The caller holds RUNNING.
#[inline]
pub(crate) fn spill_scope(task: &TaskRef) {
    if holds_scope(task) {
        spill(task);
    }
}

/// Makes a node of what is in the lane. The caller holds RUNNING.
#[cold]
pub(crate) fn spill(task: &TaskRef) {
    let kind = match task.header().lane() {
        Lane::Empty => return,
        // SAFETY: the handle that put it there keeps the cell alive, see the module.
        Lane::Task(target) => Kind::ForwardOne(unsafe { TaskRef::borrowed(target) }.clone()),
        Lane::Scope => Kind::Take,
    };
    let scope = matches!(kind, Kind::Take);
    task.header().set_lane(Lane::Empty);
    let key = scope::with_tree(task, |tree| tree.insert(ROOT, kind, None));
    debug_assert!(!scope || key == Key::FIRST);
}

/// Whether there are notes cannot be seen from outside.
#[cfg(test)]
mod tests {
    use crate::header::Lane;
    use crate::{Cause, Options, Runnable, Schedule, Spawned, Task, catch_cancel, spawn};
    use std::future::{Future, pending, poll_fn};
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    #[derive(Clone, Default)]
    struct Queue(Arc<Mutex<Vec<Runnable>>>);

    impl Schedule for Queue {
        fn schedule(&self, runnable: Runnable, _: Cause) {
            self.0.lock().unwrap().push(runnable);
        }
    }

    impl Queue {
        /// A task that has been polled once.
        fn begin<T: Send + 'static>(
            &self,
            future: impl Future<Output = T> + Send + 'static,
        ) -> Task<T> {
            let Spawned { runnable, task, .. } = spawn(future, self.clone(), Options::default());
            runnable.run();
            task
        }

        fn run(&self) {
            while let Some(runnable) = { self.0.lock().unwrap().pop() } {
                runnable.run();
            }
        }
    }

    async fn rest() {
        let mut rested = false;
        poll_fn(|cx| match std::mem::replace(&mut rested, true) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    fn has_notes<T>(task: &Task<T>) -> bool {
        task.as_ref().header().notes_if_any().is_some()
    }

    #[test]
    fn scopes_that_follow_each_other_need_no_notes() {
        let queue = Queue::default();
        let task = queue.begin(async {
            for _ in 0..3 {
                catch_cancel(rest()).await.unwrap();
            }
        });
        assert!(task.as_ref().header().lane() == Lane::Scope && !has_notes(&task));
        queue.run();
        assert!(task.done() && task.as_ref().header().lane() == Lane::Empty && !has_notes(&task));
    }

    #[test]
    fn a_scope_within_a_scope_and_one_of_a_task_with_notes_go_into_the_tree() {
        let queue = Queue::default();
        let mut nested =
            queue.begin(catch_cancel(async { catch_cancel(pending::<()>()).await.is_err() }));
        assert!(nested.as_ref().header().lane() == Lane::Empty && has_notes(&nested));
        nested.cancel();
        queue.run();
        assert!(matches!(nested.try_outcome(), Some(Ok(Ok(true)))));

        let mut named = queue.begin(async {
            rest().await;
            catch_cancel(pending::<()>()).await.is_err()
        });
        named.as_ref().set_name("named");
        queue.run();
        assert!(named.as_ref().header().lane() == Lane::Empty);
        // Or its Runnable would lie in a queue that it holds itself.
        named.cancel();
        queue.run();
        assert!(matches!(named.try_outcome(), Some(Ok(true))));
    }
}
