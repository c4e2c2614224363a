//! How a request finds its way to the scopes of a task, and from there on to other tasks.
//!
//! A node (`tree.rs`) belongs to a future that wants to know of cancels (`node.rs`, `Task`). It is
//! registered at that future's first poll under the node that is polled around it, and removed when the
//! future is done or dropped. A request goes to the *leaves*, the innermost nodes, below its `top`.
//!
//! ```text
//! root ── timeout ──┬── catch            a request to the root goes to `catch` and to `join`;
//!                   └── join → task 7    `join` passes it on to task 7 and goes on waiting
//! ```
//!
//! # Who may touch the tree, and why no request is lost
//!
//! The tree has no lock of its own: it belongs to the holder of RUNNING, like the future. Everybody else
//! writes a [`Message`] into the inbox (under the notes' lock) and then *announces* it: one step of the
//! state word that either seizes the resting task, so that the sender routes the message itself, or sets
//! POSTED, which the holder cannot overlook because letting go is a step on the same word.
//!
//! 1. A message is in the inbox before it is announced. So whoever sees POSTED, or seizes, finds it.
//! 2. While a task rests its tree does not change, so routing during a seizure sees the leaves as the last
//!    poll left them: the suspension at which the request is to strike.
//! 3. A routed request makes ASKED stay set when the holder lets go, so the next poll looks at its nodes
//!    before it polls them: a request wins over an event that woke the task in the meantime.
//! 4. A node that goes away with a request nobody took puts it back into the inbox. If only some of the
//!    leaves of one request were dropped, it counts as taken as soon as one of them has taken it.
//! 5. A request whose `top` is gone is void: what it was to interrupt has ended.
//! 6. A future may be moved to another task, or dropped elsewhere, after its first poll. It notices by its
//!    [`Place`], which names the task, and sends `Gone` there instead of touching a foreign tree.
//! 7. Passing a request on is a walk through the tasks that await each other, depth first, by a list and
//!    not by recursion ([`finish`]): each task is asked once, and a request that comes round in a circle is
//!    taken by the node that closes the circle, since there nobody else is left to end the waiting. So is one that
//!    meets a task that has ended in the meantime.

use crate::current::{self, Frame};
use crate::ending::{self, Ending};
use crate::error::{Cancelled, TaskError, contained, drop_payload};
use crate::header::Lane;
use crate::id::TaskId;
use crate::lane;
use crate::runnable::{self, Cause};
use crate::state::{LetGo, Seize, Snapshot};
use crate::task_ref::TaskRef;
use crate::tree::{Forward, Found, Key, Kind, Message, ROOT, Removed, Tree};
use crate::waker;
use std::collections::HashSet;
use std::task::{Context, Waker};

/// Borrows the tree. `f` runs no user code and does not borrow it again.
///
/// The caller holds RUNNING of `task`.
#[inline]
pub(crate) fn with_tree<R>(task: &TaskRef, f: impl FnOnce(&mut Tree) -> R) -> R {
    // SAFETY: the callers below are frames, pollers and seizers, which hold RUNNING, the lock of the tree.
    unsafe { task.header().notes().tree(f) }
}

/// Reads the inbox and routes what is in it; the caller holds RUNNING. True if the tree holds requests.
pub(crate) fn settle(task: &TaskRef, found: &mut Found) -> bool {
    let Some(notes) = task.header().notes_if_any() else { return false };
    let messages = notes.shared(|shared| std::mem::take(&mut shared.inbox));
    if !messages.is_empty() {
        lane::spill(task);
    }
    let asked = with_tree(task, |tree| {
        tree.read(messages, found);
        tree.asked()
    });
    if !found.forwards.is_empty() {
        found.sender = Some(task.clone());
    }
    if std::mem::take(&mut found.wake_self) {
        // We hold RUNNING: this only notes that the task is to be polled again.
        let _ = task.header().state.wake_by_ref();
    }
    asked
}

/// Before a poll of a task that has ASKED or POSTED set: the request to the root, if there is one.
pub(crate) fn requested_at_root(task: &TaskRef, before: Snapshot) -> Option<Cancelled> {
    let notes = task.header().notes_if_any()?;
    if !before.is_started() {
        // A task that was never polled has no tree: any request strikes before its first step.
        return notes.shared(|shared| newest(&shared.inbox, |_| true));
    }
    with_tree(task, Tree::take_root)
}

/// A cancel of one's own that was not delivered before the task returned.
pub(crate) fn undelivered(task: &TaskRef) -> Option<Cancelled> {
    task.header().notes_if_any()?.shared(|shared| newest(&shared.inbox, |own| own))
}

fn newest(inbox: &[Message], which: impl Fn(bool) -> bool) -> Option<Cancelled> {
    inbox.iter().rev().find_map(|message| match message {
        Message::Request { cancelled, own, .. } if which(*own) => Some(cancelled.clone()),
        _ => None,
    })
}

/// Takes one request back; how many are left? At none, those that were not delivered are withdrawn.
pub(crate) fn take_back(task: &TaskRef) -> u32 {
    let Some(notes) = task.header().notes_if_any() else { return 0 };
    let left = notes.shared(|shared| {
        shared.requests = shared.requests.saturating_sub(1);
        if shared.requests == 0 {
            shared.inbox.retain(|message| !matches!(message, Message::Request { .. }));
        }
        shared.requests
    });
    if left == 0 && current::is_polling(task) {
        with_tree(task, Tree::withdraw_masked);
    }
    left
}

/// How many requests the current task has had, less those taken back and those that an
/// [`uncancellable`](crate::uncancellable) around the caller holds back for later.
///
/// What a scope compares on its way in and out to learn whether somebody else wants to get out further
/// than it. Elsewhere [`cancelling`](TaskRef::cancelling) is what you want. None outside of every task.
pub fn cancelling_here() -> u32 {
    current::with_frame(|frame| {
        let Some(frame) = frame else { return 0 };
        let task = frame.task();
        match task.cancelling() {
            0 => 0,
            all => all.saturating_sub(with_tree(&task, |tree| tree.held_back(frame.node.get()))),
        }
    })
}

/// A task has ended: nothing in its notes may keep other tasks alive, or it by itself.
///
/// The caller holds RUNNING; the future is gone.
pub(crate) fn clear(task: &TaskRef) {
    task.header().set_lane(Lane::Empty);
    if task.header().notes_if_any().is_none() {
        return;
    }
    if let Some(mut tree) = with_tree(task, |t| (!t.is_empty()).then(|| std::mem::take(t))) {
        // Emptied outside, since it may hold wakers; its memory goes back.
        match contained(|| tree.empty()) {
            Ok(()) => with_tree(task, |t| *t = tree),
            Err(payload) => drop_payload(payload),
        }
    }
}

/// Sends `message` to `task`, and everything that follows from it to others. True if the task was not
/// over yet. `count`: it is a request that counts.
pub(crate) fn send(task: &TaskRef, message: Message, count: bool) -> bool {
    let mut found = Found::new(task.id());
    let accepted = send_one(task, message, count, &mut found);
    finish(found);
    accepted
}

/// Wakes and passes on what routing has left to do. No lock is held, no tree borrowed.
pub(crate) fn finish(mut found: Found) {
    found.flush();
    if !found.forwards.is_empty() {
        pass_on(found);
    }
}

impl Found {
    /// Wakes who is to be woken, and drops what is to be dropped.
    fn flush(&mut self) {
        for waker in self.wakers.drain(..) {
            if let Err(payload) = contained(|| waker.wake()) {
                drop_payload(payload);
            }
        }
        for removed in self.garbage.drain(..) {
            if let Err(payload) = contained(|| drop(removed)) {
                drop_payload(payload);
            }
        }
    }
}

enum Step {
    /// A request on its way, and who sends it.
    Pass(TaskRef, Forward),
    /// All that followed from this task is done.
    Close(TaskId),
}

#[cold]
fn pass_on(mut found: Found) {
    // The tasks between the beginning and the current step, and all that were asked.
    let mut open = HashSet::from([found.task]);
    let mut asked = HashSet::new();
    let mut steps = Vec::new();
    extend(&mut steps, &mut found);
    while let Some(step) = steps.pop() {
        let (sender, forward) = match step {
            Step::Pass(sender, forward) => (sender, forward),
            Step::Close(id) => {
                open.remove(&id);
                continue;
            }
        };
        let target = &forward.target;
        let comes_back = if open.contains(&target.id()) {
            true
        } else if asked.insert(target.id()) {
            open.insert(target.id());
            steps.push(Step::Close(target.id()));
            let cancelled = forward.cancelled.clone();
            let message = Message::Request { top: Key::ROOT, cancelled, own: false };
            let accepted = send_one(target, message, true, &mut found);
            extend(&mut steps, &mut found);
            !accepted && forward.is_refused()
        } else {
            false
        };
        if comes_back {
            let Forward { node, top, cancelled, .. } = forward;
            send_one(&sender, Message::Returned { node, top, cancelled }, false, &mut found);
            extend(&mut steps, &mut found);
        }
    }
}

fn extend(steps: &mut Vec<Step>, found: &mut Found) {
    found.flush();
    if let Some(sender) = found.sender.take() {
        let forwards = found.forwards.drain(..).rev();
        steps.extend(forwards.map(|forward| Step::Pass(sender.clone(), forward)));
    }
}

fn send_one(task: &TaskRef, message: Message, count: bool, found: &mut Found) -> bool {
    let header = task.header();
    if header.state.load().is_complete() {
        return false;
    }
    found.task = task.id();
    let again = header.notes().shared(|shared| {
        if let Message::Request { top: Key::ROOT, cancelled, .. } = &message {
            if shared.last.as_ref().is_some_and(|last| cancelled.is_again(last)) {
                return true;
            }
            shared.last = Some(cancelled.clone());
        }
        shared.requests += u32::from(count);
        shared.inbox.push(message);
        if count {
            found.wakers.extend(shared.watchers.take());
        }
        false
    });
    if again {
        return true;
    }
    match header.state.announce() {
        Seize::Done => {
            if count {
                // It ended in between: this request was made too late to count.
                header.notes().shared(|shared| shared.requests = shared.requests.saturating_sub(1));
            }
            false
        }
        Seize::Busy => true,
        Seize::Seized(was) => {
            match struck_unstarted(task, was) {
                // SAFETY: the seizure holds RUNNING, and the caller a reference.
                Some(ending) => unsafe { ending::end(task, ending) },
                None => route_and_let_go(task, was, found),
            }
            true
        }
    }
}

/// How a task ends that was never polled and need not wait for its first poll to learn that it is cancelled. The
/// caller has seized it.
///
/// Its Runnable may try to begin meanwhile: it bounces off the seizure, or comes after the end and does nothing;
/// if it came first, the task was not seized, and the poll finds the request. So it is polled or ended here, and
/// never both. A request that was taken back before the seizure is not in the inbox any more; then it goes on.
fn struck_unstarted(task: &TaskRef, was: Snapshot) -> Option<Ending> {
    if was.is_started() || !task.header().vtable.ends_unstarted {
        return None;
    }
    requested_at_root(task, was).map(|cancelled| Ending::Error(TaskError::Cancelled(cancelled)))
}

/// The caller has seized the task, which was in state `was`.
fn route_and_let_go(task: &TaskRef, was: Snapshot, found: &mut Found) {
    // Before its first poll a task has no tree: that poll is to read the inbox.
    let unread = !was.is_started();
    let mut asked = !unread && settle(task, found);
    loop {
        match task.header().state.let_go_seized(was, asked, unread) {
            LetGo::Look => asked = settle(task, found),
            LetGo::Submit => {
                // SAFETY: the state word has counted a reference for the new Runnable.
                unsafe { runnable::submit(task.pointer(), Cause::Wake) };
                return;
            }
            LetGo::Quiet | LetGo::Parked { .. } | LetGo::Drop => return,
        }
    }
}

/// A future's place in the tree of the task that polls it.
#[derive(Default)]
pub(crate) struct Scope {
    place: Option<Place>,
}

struct Place {
    task: TaskRef,
    key: Key,
}

impl Scope {
    pub const fn new() -> Self {
        Self { place: None }
    }

    /// Registers on the first poll, and follows the future where it goes. Returns the node's index.
    #[inline]
    pub fn enter(&mut self, frame: &Frame, cx: &Context<'_>, kind: impl FnOnce() -> Kind) -> u32 {
        let task = frame.task();
        let parent = frame.node.get();
        let plain = parent == ROOT && waker::is_of(cx.waker(), &task);
        match &self.place {
            Some(place) if plain && place.task == *task && lane::holds_scope(&task) => {
                return place.key.index;
            }
            Some(_) => {}
            None if plain => {
                let kind = kind();
                if matches!(kind, Kind::Take) && lane::enter_scope(&task) {
                    self.place = Some(Place { task: task.clone(), key: Key::FIRST });
                    return Key::FIRST.index;
                }
                return self.enter_tree(&task, parent, None, || kind);
            }
            None => {}
        }
        let foreign = (!waker::is_of(cx.waker(), &task)).then_some(cx.waker());
        self.enter_tree(&task, parent, foreign, kind)
    }

    fn enter_tree(
        &mut self,
        task: &TaskRef,
        parent: u32,
        foreign: Option<&Waker>,
        kind: impl FnOnce() -> Kind,
    ) -> u32 {
        if let Some(place) = self.place.as_ref().filter(|place| place.task == *task) {
            lane::spill_scope(task);
            match with_tree(task, |tree| tree.revisit(place.key, parent, foreign)) {
                Some(true) => return place.key.index,
                Some(false) => {
                    let next = foreign.cloned();
                    let old = with_tree(task, |tree| tree.replace_waker(place.key, next));
                    drop(old);
                    return place.key.index;
                }
                None => {}
            }
        }
        // Polled by another task than before? Leave that one's tree first.
        self.leave();
        let waker = foreign.cloned();
        let kind = kind();
        lane::spill_scope(task);
        let key = with_tree(task, |tree| tree.insert(parent, kind, waker));
        self.place = Some(Place { task: task.clone(), key });
        key.index
    }

    /// The node's index, if it is in the tree of the task that is polled.
    #[inline]
    pub fn index_in(&self, frame: Option<&Frame>) -> Option<u32> {
        let place = self.place.as_ref()?;
        frame?.is_of(&place.task).then_some(place.key.index)
    }

    /// True if it is in the tree of the task that is polled, with that task's own waker.
    #[inline]
    pub fn is_at_home(&self, cx: &Context<'_>) -> bool {
        current::with_frame(|frame| match (frame, &self.place) {
            (Some(frame), Some(place)) => {
                frame.is_of(&place.task) && waker::is_of(cx.waker(), &place.task)
            }
            _ => false,
        })
    }

    /// The request that this node was handed, if any. Only while the task is polled.
    #[inline]
    pub fn take_request(&self, frame: &Frame) -> Option<Cancelled> {
        if !frame.asked.get() {
            return None;
        }
        let place = self.place.as_ref().filter(|place| frame.is_of(&place.task))?;
        if lane::holds_scope(&place.task) {
            return None; // What is dealt out is dealt out in the tree.
        }
        with_tree(&place.task, |tree| tree.take_request(place.key))
    }

    /// Interrupts what is below this node, from within the task's own poll. False without a task.
    pub fn interrupt(&self, cancelled: Cancelled) -> bool {
        current::with_frame(|frame| {
            let (Some(frame), Some(place)) = (frame, &self.place) else { return false };
            if !frame.is_of(&place.task) {
                return false;
            }
            let task = &place.task;
            lane::spill_scope(task);
            let mut found = Found::new(task.id());
            task.header().notes().shared(|shared| {
                shared.requests += 1;
                found.wakers.extend(shared.watchers.take());
            });
            with_tree(task, |tree| tree.route(place.key, cancelled, false, &mut found));
            frame.asked.set(true);
            found.sender = Some(task.clone());
            // Leaves with the task's own waker are polled in this very poll or woken by the outer one.
            if std::mem::take(&mut found.wake_self) {
                let _ = task.header().state.wake_by_ref();
            }
            finish(found);
            true
        })
    }

    /// A handle by which other threads may interrupt what is below this node.
    pub fn remote(&self) -> Option<(TaskRef, Key)> {
        let place = self.place.as_ref()?;
        // The node need not be in the tree yet, but its key must not be given to another: see `lane.rs`.
        place.task.header().notes();
        Some((place.task.clone(), place.key))
    }

    /// Takes the node out of its tree; a request it has not taken is put back.
    #[inline]
    pub fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            leave(place);
        }
    }
}

/// The node in the tree of `task`, which is polled, that waits for `target`.
pub(crate) fn spilled(task: &TaskRef, target: &TaskRef) -> Option<Scope> {
    task.header().notes_if_any()?;
    let key = with_tree(task, |tree| tree.find(target))?;
    Some(Scope { place: Some(Place { task: task.clone(), key }) })
}

fn leave(place: Place) {
    if current::is_polling(&place.task) {
        if lane::leave_scope(&place.task) {
            return;
        }
        if with_tree(&place.task, |tree| tree.remove_plain(place.key)) {
            return;
        }
        let removed = with_tree(&place.task, |tree| tree.remove(place.key));
        if let Some(removed) = removed {
            leave_behind(&place.task, removed);
        }
    } else if !place.task.done() {
        send(&place.task, Message::Gone(place.key), false);
    }
}

/// A node was taken out of `task`, which is polled by this thread.
fn leave_behind(task: &TaskRef, removed: Removed) {
    for message in removed.put_back() {
        task.header().notes().shared(|shared| shared.inbox.push(message));
        // We hold RUNNING, so this sets POSTED: the request strikes at the next suspension.
        let _ = task.header().state.announce();
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.leave();
    }
}
