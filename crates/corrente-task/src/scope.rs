//! The cancellation scope tree of a task: its nodes, and the way of a request through them.
//!
//! A node belongs to a future that wants to know of cancels (`node.rs`, `Task`). It is registered at that
//! future's first poll under the node that is polled around it, and removed when the future is done or
//! dropped. A request goes to the *leaves*, the innermost nodes, below its `top`.
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
//!
//! No user code runs while the tree is borrowed: foreign wakers are cloned and dropped outside.

use crate::current::{self, Frame};
use crate::error::Cancelled;
use crate::header::{self, Header};
use crate::runnable::{self, Cause};
use crate::state::{LetGo, Seize, Snapshot};
use crate::task_ref::TaskRef;
use crate::waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

/// The index of the root, which is no node: the task's own future.
pub(crate) const ROOT: u32 = u32::MAX;

/// Names a node, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub const ROOT: Self = Self { index: ROOT, generation: 0 };
}

/// What others send to the holder of RUNNING.
pub(crate) enum Message {
    /// A request for the leaves below `top`.
    /// `own`: sent by the task itself, from within its poll.
    Request { top: Key, cancelled: Cancelled, own: bool },
    /// The node's future was dropped, or moved, outside of its task.
    Gone(Key),
}

/// What a node does with a request.
pub(crate) enum Kind {
    /// Keeps it for its future, which is woken to take it.
    Take,
    /// Keeps it, wakes nobody, and puts it back when it leaves. Nothing below it sees the request.
    Mask,
    /// Passes it on to tasks that are not done; if all are, it is the future's to take.
    Forward(Arc<[TaskRef]>),
    /// The same for one task, without a list.
    ForwardOne(TaskRef),
}

/// One request, shared by the leaves it was handed to.
struct Request {
    top: Key,
    // Relaxed everywhere: only holders of one RUNNING bit touch it, one after the other.
    taken: AtomicBool,
    cancelled: Cancelled,
}

struct Node {
    generation: u32,
    live: bool,
    parent: u32,
    children: u32,
    kind: Kind,
    request: Option<Arc<Request>>,
    /// Set only if the future is polled with a waker that is not the task's own.
    waker: Option<Waker>,
}

/// All nodes of one task.
#[derive(Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// A request to a task without nodes.
    root: Option<Arc<Request>>,
}

/// What is left to do after routing, when the tree is no longer borrowed.
#[derive(Default)]
pub(crate) struct Work {
    wake_self: bool,
    wakers: Vec<Waker>,
    forwards: Vec<(TaskRef, Cancelled)>,
}

impl Tree {
    fn insert(&mut self, parent: u32, kind: Kind, waker: Option<Waker>) -> Key {
        if parent != ROOT {
            self.nodes[parent as usize].children += 1;
        }
        if let Some(index) = self.free.pop() {
            let node = &mut self.nodes[index as usize];
            node.live = true;
            (node.parent, node.kind, node.waker) = (parent, kind, waker);
            return Key { index, generation: node.generation };
        }
        let index = self.nodes.len() as u32;
        let node =
            Node { generation: 0, live: true, parent, children: 0, kind, request: None, waker };
        self.nodes.push(node);
        Key { index, generation: 0 }
    }

    fn get(&mut self, key: Key) -> Option<&mut Node> {
        let node = self.nodes.get_mut(key.index as usize)?;
        (node.live && node.generation == key.generation).then_some(node)
    }

    /// Takes a node out. Gives back what must be dropped or put back outside.
    fn remove(&mut self, key: Key) -> Option<(Kind, Option<Waker>, Option<Arc<Request>>)> {
        let node = self.get(key)?;
        node.live = false;
        node.generation = node.generation.wrapping_add(1);
        let (parent, orphans) = (node.parent, std::mem::take(&mut node.children));
        let kind = std::mem::replace(&mut node.kind, Kind::Take);
        let (waker, request) = (node.waker.take(), node.request.take());
        if orphans > 0 {
            // `catch_cancel(&mut pinned)` may leave while nodes inside `pinned` live on.
            for other in self.nodes.iter_mut().filter(|n| n.live && n.parent == key.index) {
                other.parent = parent;
            }
        }
        if parent != ROOT {
            let parent = &mut self.nodes[parent as usize];
            parent.children = parent.children + orphans - 1;
        }
        self.free.push(key.index);
        Some((kind, waker, request))
    }

    fn move_under(&mut self, index: u32, parent: u32) {
        let old = std::mem::replace(&mut self.nodes[index as usize].parent, parent);
        if old == parent {
            return;
        }
        if old != ROOT {
            self.nodes[old as usize].children -= 1;
        }
        if parent != ROOT {
            self.nodes[parent as usize].children += 1;
        }
    }

    /// Where a request from `top` stops on its way to `leaf`: at the leaf, or at the outermost mask above
    /// it. None if `leaf` is not below `top`.
    fn stop(&self, top: u32, leaf: u32) -> Option<u32> {
        let mut stop = leaf;
        let mut at = leaf;
        loop {
            if at == top {
                return Some(stop);
            }
            if at == ROOT {
                return None;
            }
            let node = &self.nodes[at as usize];
            if matches!(node.kind, Kind::Mask) {
                stop = at;
            }
            at = node.parent;
        }
    }

    /// Hands a request to every leaf at or below `top`.
    fn route(&mut self, top: Key, cancelled: Cancelled, work: &mut Work) {
        if top != Key::ROOT && self.get(top).is_none() {
            return;
        }
        let request = Arc::new(Request { top, taken: AtomicBool::new(false), cancelled });
        let mut leafless = true;
        for leaf in 0..self.nodes.len() as u32 {
            let node = &self.nodes[leaf as usize];
            if !node.live || node.children > 0 {
                continue;
            }
            if let Some(stop) = self.stop(top.index, leaf) {
                leafless = false;
                self.hand(stop, &request, work);
            }
        }
        if leafless {
            self.root = Some(request);
            work.wake_self = true;
        }
    }

    fn hand(&mut self, index: u32, request: &Arc<Request>, work: &mut Work) {
        let node = &mut self.nodes[index as usize];
        let targets: &[TaskRef] = match &node.kind {
            Kind::Mask => {
                node.request = Some(request.clone());
                return;
            }
            Kind::Take => &[],
            Kind::Forward(targets) => targets,
            Kind::ForwardOne(target) => std::slice::from_ref(target),
        };
        let mut passed_on = false;
        for target in targets.iter().filter(|target| !target.done()) {
            passed_on = true;
            work.forwards.push((target.clone(), request.cancelled.clone()));
        }
        if passed_on {
            request.taken.store(true, Ordering::Relaxed);
            return;
        }
        node.request = Some(request.clone());
        match &node.waker {
            Some(waker) => work.wakers.push(waker.clone()),
            None => work.wake_self = true,
        }
    }

    fn read(&mut self, messages: Vec<Message>, work: &mut Work) -> Vec<(Kind, Option<Waker>)> {
        let mut garbage = Vec::new();
        for message in messages {
            match message {
                Message::Request { top, cancelled, .. } => self.route(top, cancelled, work),
                Message::Gone(key) => {
                    let Some((kind, waker, request)) = self.remove(key) else { continue };
                    garbage.push((kind, waker));
                    if let Some(Message::Request { top, cancelled, .. }) = put_back(request) {
                        self.route(top, cancelled, work);
                    }
                }
            }
        }
        garbage
    }

    /// True if some future must look for a request before it polls.
    fn asked(&self) -> bool {
        self.root.is_some()
            || self.nodes.iter().any(|n| n.request.is_some() && !matches!(n.kind, Kind::Mask))
    }

    fn take_root(&mut self) -> Option<Cancelled> {
        self.root.take().map(|request| {
            request.taken.store(true, Ordering::Relaxed);
            request.cancelled.clone()
        })
    }
}

/// The message that brings an untaken request back, if it is one.
fn put_back(request: Option<Arc<Request>>) -> Option<Message> {
    let request = request?;
    if request.taken.swap(true, Ordering::Relaxed) {
        return None;
    }
    let cancelled = request.cancelled.clone();
    Some(Message::Request { top: request.top, cancelled, own: false })
}

/// Borrows the tree. `f` runs no user code and does not borrow it again.
///
/// The caller holds RUNNING of `header`'s task.
fn with_tree<R>(header: &Header, f: impl FnOnce(&mut Tree) -> R) -> R {
    // SAFETY: the callers below are frames, pollers and seizers, which hold RUNNING, the lock of the tree.
    header.notes().tree.with_mut(|tree| f(unsafe { &mut *tree }))
}

/// Reads the inbox and routes what is in it; the caller holds RUNNING. True if the tree holds requests.
pub(crate) fn settle(header: &Header, work: &mut Work) -> bool {
    let Some(notes) = header.notes_if_any() else { return false };
    let messages = std::mem::take(&mut notes.shared.lock().inbox);
    let (garbage, asked) = with_tree(header, |tree| (tree.read(messages, work), tree.asked()));
    drop(garbage);
    if std::mem::take(&mut work.wake_self) {
        // We hold RUNNING: this only notes that the task is to be polled again.
        let _ = header.state.wake_by_ref();
    }
    asked
}

/// Before a poll of a task that has ASKED or POSTED set: the request to the root, if there is one.
pub(crate) fn requested_at_root(header: &Header, before: Snapshot) -> Option<Cancelled> {
    let notes = header.notes_if_any()?;
    if !before.is_started() {
        // A task that was never polled has no tree: any request strikes before its first step.
        let mut shared = notes.shared.lock();
        let position = shared.inbox.iter().rposition(|m| matches!(m, Message::Request { .. }))?;
        let Message::Request { cancelled, .. } = shared.inbox.remove(position) else { return None };
        return Some(cancelled);
    }
    with_tree(header, Tree::take_root)
}

/// A cancel of one's own that was not delivered before the task returned.
pub(crate) fn undelivered(header: &Header) -> Option<Cancelled> {
    let shared = header.notes_if_any()?.shared.lock();
    shared.inbox.iter().rev().find_map(|message| match message {
        Message::Request { cancelled, own: true, .. } => Some(cancelled.clone()),
        _ => None,
    })
}

/// Sends `message` to `task` and everything that follows from it to others, by a work list: no two locks
/// at once, no recursion. True if the task was not over yet.
pub(crate) fn send(task: &TaskRef, message: Message, count: bool) -> bool {
    let mut work = Work::default();
    let accepted = send_one(task.header(), message, count, &mut work);
    finish(work);
    accepted
}

/// Wakes and forwards what routing has left to do. No lock is held, no tree borrowed.
pub(crate) fn finish(mut work: Work) {
    loop {
        for waker in work.wakers.drain(..) {
            if let Err(payload) = header::wake_contained(waker) {
                header::drop_payload(payload);
            }
        }
        let Some((task, cancelled)) = work.forwards.pop() else { break };
        let message = Message::Request { top: Key::ROOT, cancelled, own: false };
        send_one(task.header(), message, true, &mut work);
    }
}

fn send_one(header: &Header, message: Message, count: bool, work: &mut Work) -> bool {
    if header.state.load().is_complete() {
        return false;
    }
    {
        let mut shared = header.notes().shared.lock();
        shared.requests += u32::from(count);
        shared.inbox.push(message);
        if count {
            work.wakers.append(&mut shared.watchers);
        }
    }
    match header.state.announce() {
        Seize::Done => false,
        Seize::Busy => true,
        Seize::Seized(was) => {
            let unread = !was.is_started();
            let mut asked = !unread && settle(header, work);
            loop {
                match header.state.let_go_seized(was, asked, unread) {
                    LetGo::Look => {
                        asked = settle(header, work);
                        continue;
                    }
                    // SAFETY: we hold RUNNING and the task is not over.
                    LetGo::Drop => unsafe { runnable::end_seized(header.into()) },
                    // SAFETY: the state word has counted a reference for the new Runnable.
                    LetGo::Submit => unsafe { runnable::submit(header.into(), Cause::Wake) },
                    LetGo::Quiet | LetGo::Parked { .. } => {}
                }
                return true;
            }
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
    foreign_waker: bool,
}

impl Scope {
    pub const fn new() -> Self {
        Self { place: None }
    }

    /// Registers on the first poll, and follows the future where it goes. Returns the node's index.
    pub fn enter(&mut self, frame: &Frame, cx: &Context<'_>, kind: impl FnOnce() -> Kind) -> u32 {
        let header = frame.header();
        let foreign = !waker::is_of(cx.waker(), header);
        if let Some(place) = &mut self.place {
            if place.task.is_at(header) {
                let key = place.key;
                if foreign || place.foreign_waker {
                    let next = foreign.then(|| cx.waker().clone());
                    place.foreign_waker = foreign;
                    let old = with_tree(header, |tree| {
                        tree.get(key).and_then(|node| std::mem::replace(&mut node.waker, next))
                    });
                    drop(old);
                }
                with_tree(header, |tree| tree.move_under(key.index, frame.node.get()));
                return key.index;
            }
            // Polled by another task than before: leave that one's tree first.
            self.leave();
        }
        let waker = foreign.then(|| cx.waker().clone());
        let key = with_tree(header, |tree| tree.insert(frame.node.get(), kind(), waker));
        let task = TaskRef::from_header(header);
        self.place = Some(Place { task, key, foreign_waker: foreign });
        key.index
    }

    /// The node's index, if it is in the tree of the task that is polled.
    pub fn index_in(&self, frame: Option<&Frame>) -> Option<u32> {
        let place = self.place.as_ref()?;
        place.task.is_at(frame?.header()).then_some(place.key.index)
    }

    /// The request that this node was handed, if any. Only while the task is polled.
    pub fn take_request(&self, frame: &Frame) -> Option<Cancelled> {
        if !frame.asked.get() {
            return None;
        }
        let place = self.place.as_ref().filter(|place| place.task.is_at(frame.header()))?;
        with_tree(frame.header(), |tree| {
            let node = tree.get(place.key)?;
            if matches!(node.kind, Kind::Mask) {
                return None;
            }
            let request = node.request.take()?;
            request.taken.store(true, Ordering::Relaxed);
            Some(request.cancelled.clone())
        })
    }

    /// Interrupts what is below this node, from within the task's own poll. False without a task.
    pub fn interrupt(&self, cancelled: Cancelled) -> bool {
        current::with_frame(|frame| {
            let (Some(frame), Some(place)) = (frame, &self.place) else { return false };
            if !place.task.is_at(frame.header()) {
                return false;
            }
            let header = frame.header();
            header.notes().shared.lock().requests += 1;
            let mut work = Work::default();
            with_tree(header, |tree| tree.route(place.key, cancelled, &mut work));
            frame.asked.set(true);
            // Leaves with the task's own waker are polled in this very poll or woken by the outer one.
            if std::mem::take(&mut work.wake_self) {
                let _ = header.state.wake_by_ref();
            }
            finish(work);
            true
        })
    }

    /// A handle by which other threads may interrupt what is below this node.
    pub fn remote(&self) -> Option<(TaskRef, Key)> {
        self.place.as_ref().map(|place| (place.task.clone(), place.key))
    }

    /// Takes the node out of its tree; a request it has not taken is put back.
    pub fn leave(&mut self) {
        let Some(place) = self.place.take() else { return };
        let own = current::with_frame(|frame| {
            let header = frame.filter(|frame| place.task.is_at(frame.header()))?.header();
            let removed = with_tree(header, |tree| tree.remove(place.key));
            let (kind, waker, request) = removed?;
            if let Some(message) = put_back(request) {
                header.notes().shared.lock().inbox.push(message);
                // We hold RUNNING, so this sets POSTED: the request strikes at the next suspension.
                let _ = header.state.announce();
            }
            Some((kind, waker))
        });
        if own.is_none() && !place.task.done() && !is_current(&place.task) {
            send(&place.task, Message::Gone(place.key), false);
        }
        drop(own);
    }
}

fn is_current(task: &TaskRef) -> bool {
    current::with_frame(|frame| frame.is_some_and(|frame| task.is_at(frame.header())))
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.leave();
    }
}
