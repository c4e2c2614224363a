//! The scope tree itself: its nodes, and how a request is dealt out to them.
//!
//! Plain data without a lock; who may touch it when, and why no request is lost, stands in `scope.rs`.
//! Nothing here runs user code: wakers are moved, not cloned or dropped, and whatever has to be woken,
//! passed on or dropped afterwards is collected in [`Found`].

use crate::error::Cancelled;
use crate::id::TaskId;
use crate::task_ref::TaskRef;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

/// The index of the root, which is no node: the task's own future.
pub(crate) const ROOT: u32 = u32::MAX;
/// Room for more nodes than this is not kept for the next task.
const MANY: usize = 32;
/// The end of the list of free places.
const NONE: u32 = u32::MAX;

/// Names a node, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub index: u32,
    generation: u32,
}

impl Key {
    pub const ROOT: Self = Self { index: ROOT, generation: 0 };
    /// The first node of a tree that has not had any.
    pub const FIRST: Self = Self { index: 0, generation: 0 };
}

/// What others send to the holder of RUNNING.
pub(crate) enum Message {
    /// A request for the leaves below `top`.
    /// `own`: sent by the task itself, from within its poll.
    Request { top: Key, cancelled: Cancelled, own: bool },
    /// `node` passed a request on, and it came round in a circle, or met a task that had just ended: the node is to
    /// take it itself.
    Returned { node: Key, top: Key, cancelled: Cancelled },
    /// The node's future was dropped, or moved, outside of its task.
    Gone(Key),
    /// So was the handle of this task, which waited in the lane.
    Left(TaskRef),
}

/// What a node does with a request.
pub(crate) enum Kind {
    /// Keeps it for its future, which is woken to take it.
    Take,
    /// Keeps it, wakes nobody, and puts it back when it leaves. Nothing below it sees the request.
    Mask,
    /// Passes it on to those of the tasks that are not done, and nothing below sees it. If all are, it
    /// goes to the leaves below, or is this future's to take.
    Forward(Arc<[TaskRef]>),
    /// The same for one task, without a list.
    ForwardOne(TaskRef),
}

impl Kind {
    /// The tasks to pass a request on to. (Never `me`, the task that the node is in.)
    fn targets(&self, me: TaskId) -> impl Iterator<Item = &TaskRef> {
        let targets: &[TaskRef] = match self {
            Self::Take | Self::Mask => &[],
            Self::Forward(targets) => targets,
            Self::ForwardOne(target) => std::slice::from_ref(target),
        };
        targets.iter().filter(move |target| !target.done() && target.id() != me)
    }

    fn stops(&self, me: TaskId) -> bool {
        matches!(self, Self::Mask) || self.targets(me).next().is_some()
    }
}

/// One request, shared by the leaves it was handed to.
pub(crate) struct Request {
    top: Key,
    own: bool,
    // Relaxed everywhere: only holders of one RUNNING bit touch it, one after the other.
    taken: AtomicBool,
    cancelled: Cancelled,
}

impl Request {
    fn new(top: Key, cancelled: Cancelled, own: bool) -> Arc<Self> {
        Arc::new(Self { top, own, taken: AtomicBool::new(false), cancelled })
    }

    fn take(&self) -> Cancelled {
        self.taken.store(true, Ordering::Relaxed);
        self.cancelled.clone()
    }

    /// The message that brings the request back, if nobody has taken it.
    fn put_back(&self) -> Option<Message> {
        let put_back = !self.taken.swap(true, Ordering::Relaxed);
        put_back.then(|| Message::Request {
            top: self.top,
            cancelled: self.cancelled.clone(),
            own: self.own,
        })
    }
}

/// A request at a node that has not taken it yet.
struct Held {
    request: Arc<Request>,
    /// It stands for so many that came for the same `top`.
    times: u32,
}

struct Node {
    generation: u32,
    live: bool,
    /// The node around this one; of a place that is free, the next free one.
    parent: u32,
    children: u32,
    kind: Kind,
    /// Each with another `top`: a later one for the same top replaces the earlier.
    requests: Vec<Held>,
    /// Set only if the future is polled with a waker that is not the task's own.
    waker: Option<Waker>,
}

/// All nodes of one task.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    free: u32,
    /// A request to a task without nodes.
    root: Option<Arc<Request>>,
}

/// What a node that was taken out leaves behind, to be dropped or put back outside.
pub(crate) struct Removed {
    requests: Vec<Held>,
    _kind: Kind,
    _waker: Option<Waker>,
}

impl Removed {
    /// A reference to be given up outside.
    fn reference(task: TaskRef) -> Self {
        Self { requests: Vec::new(), _kind: Kind::ForwardOne(task), _waker: None }
    }

    /// The messages that bring back what nobody has taken.
    pub fn put_back(&self) -> impl Iterator<Item = Message> {
        self.requests.iter().filter_map(|held| held.request.put_back())
    }
}

/// A request that a node passes on.
pub(crate) struct Forward {
    pub node: Key,
    pub top: Key,
    pub target: TaskRef,
    pub cancelled: Cancelled,
    /// For a node that passes it on to several: how many of them have not refused it.
    willing: Option<Arc<AtomicUsize>>,
}

impl Forward {
    /// The target has ended: it cannot be interrupted. True if nobody else was asked instead.
    pub fn is_refused(&self) -> bool {
        // Relaxed: only the thread that deals out the request counts.
        self.willing.as_ref().is_none_or(|willing| willing.fetch_sub(1, Ordering::Relaxed) == 1)
    }
}

/// What dealing out requests in the tree of `task` leaves to be done when nothing is borrowed.
pub(crate) struct Found {
    pub task: TaskId,
    /// The task whose nodes pass something on, if that is so.
    pub sender: Option<TaskRef>,
    pub wake_self: bool,
    pub wakers: Vec<Waker>,
    pub forwards: Vec<Forward>,
    pub garbage: Vec<Removed>,
}

impl Found {
    pub const fn new(task: TaskId) -> Self {
        Self {
            task,
            sender: None,
            wake_self: false,
            wakers: Vec::new(),
            forwards: Vec::new(),
            garbage: Vec::new(),
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: NONE, root: None }
    }
}

impl Tree {
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.root.is_none()
    }

    /// Forgets everything but its memory, unless that is much.
    pub fn empty(&mut self) {
        self.nodes.clear();
        if self.nodes.capacity() > MANY {
            self.nodes = Vec::new();
        }
        self.free = NONE;
        self.root = None;
    }

    #[inline]
    pub fn insert(&mut self, parent: u32, kind: Kind, waker: Option<Waker>) -> Key {
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.children += 1;
        }
        let Some(node) = self.nodes.get_mut(self.free as usize) else {
            return self.append(parent, kind, waker);
        };
        let index = std::mem::replace(&mut self.free, node.parent);
        node.live = true;
        node.parent = parent;
        // A free place holds a kind and a waker with nothing to drop: `remove` saw to that.
        std::mem::forget(std::mem::replace(&mut node.kind, kind));
        std::mem::forget(std::mem::replace(&mut node.waker, waker));
        Key { index, generation: node.generation }
    }

    #[cold]
    fn append(&mut self, parent: u32, kind: Kind, waker: Option<Waker>) -> Key {
        let index = self.nodes.len() as u32;
        let (generation, requests) = (0, Vec::new());
        if index < 2 {
            // Many have one (a timeout), few more than two, and a vector would begin with four.
            self.nodes.reserve_exact(1);
        }
        self.nodes.push(Node {
            generation,
            live: true,
            parent,
            children: 0,
            kind,
            requests,
            waker,
        });
        Key { index, generation }
    }

    #[inline]
    fn get(&mut self, key: Key) -> Option<&mut Node> {
        let node = self.nodes.get_mut(key.index as usize)?;
        (node.live && node.generation == key.generation).then_some(node)
    }

    /// Takes a node out that leaves nothing behind and nothing within. False if it is not so simple.
    #[inline]
    pub fn remove_plain(&mut self, key: Key) -> bool {
        let free = self.free;
        let Some(node) = self.get(key) else { return false };
        let bare = matches!(node.kind, Kind::Take | Kind::Mask) && node.waker.is_none();
        if !bare || node.children > 0 || !node.requests.is_empty() {
            return false;
        }
        node.live = false;
        node.generation = node.generation.wrapping_add(1);
        let parent = std::mem::replace(&mut node.parent, free);
        self.free = key.index;
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.children -= 1;
        }
        true
    }

    /// Takes a node out. Gives back what must be dropped or put back outside.
    pub fn remove(&mut self, key: Key) -> Option<Removed> {
        let free = self.free;
        let node = self.get(key)?;
        node.live = false;
        node.generation = node.generation.wrapping_add(1);
        let parent = std::mem::replace(&mut node.parent, free);
        let orphans = std::mem::take(&mut node.children);
        let removed = Removed {
            requests: std::mem::take(&mut node.requests),
            _kind: std::mem::replace(&mut node.kind, Kind::Take),
            _waker: node.waker.take(),
        };
        self.free = key.index;
        if orphans > 0 {
            // `catch_cancel(&mut pinned)` may leave while nodes inside `pinned` live on.
            for other in self.nodes.iter_mut().filter(|n| n.live && n.parent == key.index) {
                other.parent = parent;
            }
        }
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.children = parent.children + orphans - 1;
        }
        Some(removed)
    }

    /// A node is polled again, below `parent` and with this foreign waker. `None` if it is not here any
    /// more; else whether its waker is still the right one.
    pub fn revisit(&mut self, key: Key, parent: u32, foreign: Option<&Waker>) -> Option<bool> {
        let node = self.get(key)?;
        let same = match (&node.waker, foreign) {
            (None, None) => true,
            (Some(old), Some(new)) => old.will_wake(new),
            _ => false,
        };
        let old = std::mem::replace(&mut node.parent, parent);
        if old != parent {
            if let Some(old) = self.nodes.get_mut(old as usize) {
                old.children -= 1;
            }
            if let Some(new) = self.nodes.get_mut(parent as usize) {
                new.children += 1;
            }
        }
        Some(same)
    }

    /// Gives the node another foreign waker; the old one comes back.
    #[must_use = "a waker is user code and must be dropped outside"]
    pub fn replace_waker(&mut self, key: Key, waker: Option<Waker>) -> Option<Waker> {
        match self.get(key) {
            Some(node) => std::mem::replace(&mut node.waker, waker),
            None => waker,
        }
    }

    /// The requests that this node was handed are taken now; the newest one's reason counts.
    pub fn take_request(&mut self, key: Key) -> Option<Cancelled> {
        let node = self.get(key)?;
        if matches!(node.kind, Kind::Mask) {
            return None;
        }
        let mut newest = None;
        for held in node.requests.drain(..) {
            newest = Some(held.request.take());
        }
        newest
    }

    /// How many requests the masks at and around `node` hold back.
    pub fn held_back(&self, node: u32) -> u32 {
        let mut held_back = 0;
        let mut at = node;
        while let Some(node) = self.nodes.get(at as usize) {
            if matches!(node.kind, Kind::Mask) {
                held_back += node.requests.iter().map(|held| held.times).sum::<u32>();
            }
            at = node.parent;
        }
        held_back
    }

    /// The request to the root is taken, if there is one.
    pub fn take_root(&mut self) -> Option<Cancelled> {
        self.root.take().map(|request| request.take())
    }

    /// Drops the requests that masks remember.
    pub fn withdraw_masked(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| matches!(node.kind, Kind::Mask)) {
            node.requests.clear();
        }
    }

    /// True if some future must look for a request before it polls.
    pub fn asked(&self) -> bool {
        self.root.is_some()
            || self.nodes.iter().any(|n| !n.requests.is_empty() && !matches!(n.kind, Kind::Mask))
    }

    /// Deals out what was sent.
    pub fn read(&mut self, messages: Vec<Message>, found: &mut Found) {
        for message in messages {
            match message {
                Message::Request { top, cancelled, own } => self.route(top, cancelled, own, found),
                Message::Returned { node, top, cancelled } => {
                    if self.get(node).is_some() {
                        let request = Request::new(top, cancelled, false);
                        self.hold(node.index, &request, found);
                    } else {
                        self.route(top, cancelled, false, found);
                    }
                }
                Message::Gone(key) => self.read_gone(key, found),
                Message::Left(target) => {
                    if let Some(key) = self.find(&target) {
                        self.read_gone(key, found);
                    }
                    found.garbage.push(Removed::reference(target));
                }
            }
        }
    }

    fn read_gone(&mut self, key: Key, found: &mut Found) {
        if let Some(removed) = self.remove(key) {
            self.read(removed.put_back().collect(), found);
            found.garbage.push(removed);
        }
    }

    /// The node that waits for this one task.
    pub fn find(&self, target: &TaskRef) -> Option<Key> {
        let is_it = |node: &Node| {
            node.live && matches!(&node.kind, Kind::ForwardOne(task) if task == target)
        };
        let index = self.nodes.iter().position(is_it)?;
        Some(Key { index: index as u32, generation: self.nodes[index].generation })
    }

    /// Hands a request to every leaf at or below `top`.
    pub fn route(&mut self, top: Key, cancelled: Cancelled, own: bool, found: &mut Found) {
        if top != Key::ROOT && self.get(top).is_none() {
            return;
        }
        let request = Request::new(top, cancelled, own);
        let mut leafless = true;
        for leaf in 0..self.nodes.len() as u32 {
            let node = &self.nodes[leaf as usize];
            if !node.live || node.children > 0 {
                continue;
            }
            if let Some(stop) = self.stop(top.index, leaf, found.task) {
                leafless = false;
                self.hand(stop, &request, found);
            }
        }
        if leafless {
            self.root = Some(request);
            found.wake_self = true;
        }
    }

    /// Where a request from `top` stops on its way to `leaf`: at the leaf, or at the outermost node above
    /// it that lets no request through. None if `leaf` is not below `top`.
    fn stop(&self, top: u32, leaf: u32, me: TaskId) -> Option<u32> {
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
            if node.kind.stops(me) {
                stop = at;
            }
            at = node.parent;
        }
    }

    fn hand(&mut self, index: u32, request: &Arc<Request>, found: &mut Found) {
        let node = &self.nodes[index as usize];
        let before = found.forwards.len();
        let willing = matches!(node.kind, Kind::Forward(_)).then(Arc::<AtomicUsize>::default);
        for target in node.kind.targets(found.task) {
            found.forwards.push(Forward {
                node: Key { index, generation: node.generation },
                top: request.top,
                target: target.clone(),
                cancelled: request.cancelled.clone(),
                willing: willing.clone(),
            });
        }
        let passed_on = found.forwards.len() - before;
        if let Some(willing) = willing {
            willing.store(passed_on, Ordering::Relaxed);
        }
        if passed_on > 0 {
            request.taken.store(true, Ordering::Relaxed);
        } else {
            self.hold(index, request, found);
        }
    }

    /// The node keeps the request until its future takes it.
    fn hold(&mut self, index: u32, request: &Arc<Request>, found: &mut Found) {
        let node = &mut self.nodes[index as usize];
        match node.requests.iter_mut().find(|held| held.request.top == request.top) {
            Some(held) if Arc::ptr_eq(&held.request, request) => return,
            Some(held) => {
                held.request = request.clone();
                held.times += 1;
            }
            None => node.requests.push(Held { request: request.clone(), times: 1 }),
        }
        if matches!(node.kind, Kind::Mask) {
            return;
        }
        // Moved out, not cloned: the future puts its waker back when it is polled.
        match node.waker.take() {
            Some(waker) => found.wakers.push(waker),
            None => found.wake_self = true,
        }
    }
}
