//! Futures that are nodes of the scope tree: catch a cancel, clean up after it, put it off, pass it on.
//!
//! All share [`Node`], which registers, looks for a request before it polls what is inside, and notices
//! when something inside wants to unwind. Unwinding is how a cancel leaves code that returns no `Result`:
//! [`Cancelled::resume`] names the node around it in the frame and returns `Pending`; that node gets
//! `Pending` back in the same poll, drops what is inside, and is itself cancelled. Where a foreign waker
//! stands between (a `block_on` or a join from another crate inside a task), `Pending` might park for
//! ever, so there the same news travels as a panic payload that prints nothing and is caught by the node.

use crate::current::{self, Begun};
use crate::error::{Cancelled, Payload, TaskError, contained};
use crate::scope::{Scope, send};
use crate::task_ref::TaskRef;
use crate::tree::{Key, Kind, Message};
use crate::waker;
use std::convert::Infallible;
use std::future::{Future, IntoFuture};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The panic payload of an unwinding that has to cross a foreign poll.
pub(crate) struct Unwinding(TaskError);

impl Unwinding {
    pub fn is(payload: &(dyn std::any::Any + Send)) -> bool {
        payload.is::<Self>()
    }

    pub fn from_payload(payload: Payload) -> Result<TaskError, Payload> {
        payload.downcast::<Self>().map(|this| this.0)
    }
}

/// Makes the node around the caller unwind with `error`. Comes back only to return `Pending`. It is off
/// again if `begun` is dropped before that node has seen the `Pending`.
pub(crate) fn unwind(cx: &Context<'_>, error: TaskError, begun: &mut Begun) {
    current::with_frame(|frame| match frame {
        Some(frame) if waker::is_ours(cx.waker()) => frame.unwind(error, begun),
        Some(_) => resume_unwind(Box::new(Unwinding(error))),
        None => panic!(
            "{error}, outside of every task, where a cancel has nowhere to go: \
             await it with `.outcome()`, which gives it as a value"
        ),
    });
}

/// A future with a node around it.
struct Node<F> {
    // Pinned whenever the Node is. Dropped first, so that the nodes inside leave before the one around them.
    inner: Option<F>,
    scope: Scope,
    begun: Begun,
}

enum NodePoll<T> {
    Pending,
    Ready(T),
    Requested(Cancelled),
    Unwound(TaskError),
}

impl<F: Future> Node<F> {
    const fn new(inner: F) -> Self {
        Self { inner: Some(inner), scope: Scope::new(), begun: Begun::new() }
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        kind: impl FnOnce() -> Kind,
    ) -> NodePoll<F::Output> {
        // SAFETY: `inner` is never moved out; it is polled pinned and dropped in place.
        let this = unsafe { self.get_unchecked_mut() };
        if this.inner.is_none() {
            return NodePoll::Pending;
        }
        current::with_frame(|frame| {
            let Some(frame) = frame else { return this.poll_outside(cx) };
            let index = this.scope.enter(frame, cx, kind);
            if let Some(cancelled) = this.scope.take_request(frame) {
                return NodePoll::Requested(cancelled);
            }
            // SAFETY: `self` is pinned.
            let polled = contained(|| frame.within(index, || unsafe { this.poll_inner(cx) }));
            let unwinding = frame.take_unwinding(index);
            match (polled, unwinding) {
                (Ok(Poll::Ready(value)), _) => {
                    frame.within(index, || this.inner = None);
                    this.scope.leave();
                    NodePoll::Ready(value)
                }
                (Ok(Poll::Pending), Some(error)) => NodePoll::Unwound(error),
                (Ok(Poll::Pending), None) => NodePoll::Pending,
                (Err(payload), _) => match Unwinding::from_payload(payload) {
                    Ok(error) => NodePoll::Unwound(error),
                    Err(payload) => resume_unwind(payload),
                },
            }
        })
    }

    /// # Safety
    ///
    /// `self` is pinned.
    #[inline]
    unsafe fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &mut self.inner {
            // SAFETY: `self` is pinned, and with it `inner`.
            Some(inner) => unsafe { Pin::new_unchecked(inner) }.poll(cx),
            None => Poll::Pending,
        }
    }

    /// Polled outside of every task: there is nobody to cancel. (Any more, if it was in one.)
    #[cold]
    fn poll_outside(&mut self, cx: &mut Context<'_>) -> NodePoll<F::Output> {
        self.scope.leave();
        // SAFETY: `poll` calls this, with what was pinned there.
        match unsafe { self.poll_inner(cx) } {
            Poll::Ready(value) => {
                self.inner = None;
                NodePoll::Ready(value)
            }
            Poll::Pending => NodePoll::Pending,
        }
    }

    /// Drops what is inside, as code of this node, and leaves the tree.
    fn clear(&mut self) {
        current::with_frame(|frame| match (frame, self.scope.index_in(frame)) {
            (Some(frame), Some(index)) => frame.within(index, || self.inner = None),
            _ => self.inner = None,
        });
        self.scope.leave();
    }

    fn inner(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        // SAFETY: `inner` is pinned with `self`.
        unsafe { self.map_unchecked_mut(|this| &mut this.inner) }.as_pin_mut()
    }

    fn clear_pinned(self: Pin<&mut Self>) {
        // SAFETY: `clear` drops `inner` in place and moves nothing.
        unsafe { self.get_unchecked_mut() }.clear();
    }

    /// Ends this node by unwinding the one around it.
    fn pass_on<T>(mut self: Pin<&mut Self>, cx: &Context<'_>, error: TaskError) -> Poll<T> {
        self.as_mut().clear_pinned();
        // SAFETY: `begun` is never pinned, and nothing is moved.
        unwind(cx, error, unsafe { &mut self.get_unchecked_mut().begun });
        Poll::Pending
    }
}

/// The future of [`catch_cancel`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct CatchCancel<F>(Node<F>);

/// Runs `future`; a cancel interrupts it where it waits and comes out as `Err`, with `future` dropped.
///
/// This is the sharp tool: an `Err` that is not resumed is a cancel swallowed. After clean-up go on with
/// [`Cancelled::resume`]; or use [`with_cleanup`], which does so by itself.
/// asyncio: `try: … except CancelledError: …`.
///
/// # Errors
///
/// [`Cancelled`], if a cancel request reached this scope, or something awaited in it unwound.
///
/// # Cancel safety
///
/// Dropping it drops `future`.
///
/// # Examples
///
/// ```
/// # async fn job() {} async fn say_goodbye() {}
/// # async fn example() {
/// if let Err(cancelled) = corrente_task::catch_cancel(job()).await {
///     say_goodbye().await;
///     cancelled.resume().await;
/// }
/// # }
/// ```
pub fn catch_cancel<F: IntoFuture>(future: F) -> CatchCancel<F::IntoFuture> {
    CatchCancel(Node::new(future.into_future()))
}

impl<F: Future> CatchCancel<F> {
    fn node(self: Pin<&mut Self>) -> Pin<&mut Node<F>> {
        // SAFETY: the node is pinned with `self` and is its only field.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }
    }

    /// Interrupts what runs inside, as a cancel request that goes no further out than this scope.
    ///
    /// For whoever polls it, from within the same poll (a deadline that has passed). The request is
    /// counted: give it back with [`TaskRef::uncancel`]. False if it was never polled in a task; then
    /// nothing happens.
    pub fn interrupt(self: Pin<&mut Self>, reason: Option<&str>) -> bool {
        self.interrupt_as(Cancelled::new(reason))
    }

    /// [`interrupt`](Self::interrupt), with a cancel that goes to others, too.
    pub fn interrupt_as(self: Pin<&mut Self>, cancelled: Cancelled) -> bool {
        self.0.scope.interrupt(cancelled)
    }

    /// True if the task that is polled has polled this last, and now does with its own waker: whoever that waker was
    /// given to then still has the right one.
    #[inline]
    pub fn is_at_home(&self, cx: &Context<'_>) -> bool {
        self.0.scope.is_at_home(cx)
    }

    /// A handle with which others can do the same. None before the first poll, and outside of tasks.
    pub fn interrupter(&self) -> Option<Interrupter> {
        self.0.scope.remote().map(|(task, key)| Interrupter { task, key })
    }
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, Cancelled>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut node = self.node();
        match node.as_mut().poll(cx, || Kind::Take) {
            NodePoll::Pending => Poll::Pending,
            NodePoll::Ready(value) => Poll::Ready(Ok(value)),
            NodePoll::Requested(cancelled) | NodePoll::Unwound(TaskError::Cancelled(cancelled)) => {
                node.clear_pinned();
                Poll::Ready(Err(cancelled))
            }
            NodePoll::Unwound(error) => node.pass_on(cx, error),
        }
    }
}

/// Interrupts the inside of one scope, from any thread.
#[derive(Clone, Debug)]
pub struct Interrupter {
    task: TaskRef,
    key: Key,
}

impl Interrupter {
    /// Asks whatever runs inside the scope to stop. False if the scope's task has ended.
    ///
    /// The request is counted in that task, also if the scope has ended meanwhile and nothing is
    /// interrupted: whoever calls this sees to it that it is taken back, once
    /// ([`TaskRef::uncancel`]).
    pub fn interrupt(&self, reason: Option<&str>) -> bool {
        self.interrupt_as(Cancelled::new(reason))
    }
    /// [`interrupt`](Self::interrupt), with a cancel that goes to others, too.
    pub fn interrupt_as(&self, cancelled: Cancelled) -> bool {
        send(&self.task, Message::Request { top: self.key, cancelled, own: false }, true)
    }
    /// The task that the scope is in.
    pub fn task(&self) -> &TaskRef {
        &self.task
    }
}

/// Runs `future`, then `cleanup`, also when a cancel interrupts `future`; then the cancel goes on.
///
/// asyncio: `try: … finally: …` with awaits in it. `cleanup` is not disturbed by the cancel that brought
/// it about; a second cancel interrupts it. A panic skips it.
///
/// # Cancel safety
///
/// Dropping the future drops both without running `cleanup`: only a cancel gives it the time to run.
///
/// # Examples
///
/// ```
/// # async fn serve() -> u32 { 7 } async fn close() {}
/// # async fn example() -> u32 {
/// corrente_task::with_cleanup(serve(), async { close().await }).await
/// # }
/// ```
pub async fn with_cleanup<F: IntoFuture>(
    future: F,
    cleanup: impl IntoFuture<Output = ()>,
) -> F::Output {
    match catch_cancel(future).await {
        Ok(value) => {
            cleanup.await;
            value
        }
        Err(cancelled) => {
            cleanup.await;
            match cancelled.resume().await {}
        }
    }
}

impl Cancelled {
    /// Goes on being cancelled: unwinds to the next scope outwards, or ends the task. Never resolves.
    ///
    /// asyncio: a bare `raise` in `except CancelledError`.
    ///
    /// # Panics
    ///
    /// Awaited outside of every task, where there is nothing to unwind.
    pub fn resume(self) -> Resume {
        Resume { error: Some(TaskError::Cancelled(self)), begun: Begun::new() }
    }
}

/// Ends the current task with `error` instead of an output. Never resolves.
///
/// For what is built on tasks (groups): it unwinds every scope, none of which may catch it.
///
/// # Panics
///
/// As [`Cancelled::resume`].
pub fn exit_with(error: TaskError) -> Resume {
    Resume { error: Some(error), begun: Begun::new() }
}

/// The future of [`Cancelled::resume`]; never resolves.
#[must_use = "nothing unwinds unless this is awaited"]
#[derive(Debug)]
pub struct Resume {
    error: Option<TaskError>,
    begun: Begun,
}

impl Future for Resume {
    type Output = Infallible;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        if let Some(error) = self.error.take() {
            unwind(cx, error, &mut self.begun);
        }
        Poll::Pending
    }
}

/// The future of [`uncancellable`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Uncancellable<F>(Node<F>);

/// Runs `future` undisturbed by cancels. One that comes meanwhile strikes at the first wait after it.
///
/// A timeout or a group *inside* `future` works as ever. [`TaskRef::uncancel`] withdraws what is held back.
/// asyncio has no such thing; trio: a shielded cancel scope.
///
/// # Cancel safety
///
/// Dropping it drops `future`.
pub fn uncancellable<F: IntoFuture>(future: F) -> Uncancellable<F::IntoFuture> {
    Uncancellable(Node::new(future.into_future()))
}

impl<F: Future> Future for Uncancellable<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the node is pinned with `self` and is its only field.
        let mut node = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        match node.as_mut().poll(cx, || Kind::Mask) {
            NodePoll::Ready(value) => Poll::Ready(value),
            NodePoll::Unwound(error) => node.pass_on(cx, error),
            NodePoll::Pending | NodePoll::Requested(_) => Poll::Pending,
        }
    }
}

/// The future of [`on_cancel`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct OnCancel<F, H> {
    node: Node<F>,
    handler: H,
}

/// Runs `future` to its end; each cancel request that reaches it is given to `handler` instead, together
/// with `future`.
///
/// What a group does while it waits for its children: the first request cancels them, later ones are only
/// counted. The request counts as delivered: whoever wants to go on being cancelled afterwards must do so
/// himself, by [`Cancelled::resume`].
///
/// # Cancel safety
///
/// Dropping it drops `future`.
pub fn on_cancel<F: Future, H: FnMut(Pin<&mut F>, Cancelled)>(
    future: F,
    handler: H,
) -> OnCancel<F, H> {
    OnCancel { node: Node::new(future), handler }
}

impl<F: Future, H: FnMut(Pin<&mut F>, Cancelled)> Future for OnCancel<F, H> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `node` is pinned with `self`; `handler` is never pinned, and nothing is moved out.
        let (mut node, handler) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.node), &mut this.handler)
        };
        loop {
            match node.as_mut().poll(cx, || Kind::Take) {
                NodePoll::Pending => return Poll::Pending,
                NodePoll::Ready(value) => return Poll::Ready(value),
                NodePoll::Requested(cancelled) => {
                    if let Some(inner) = node.as_mut().inner() {
                        handler(inner, cancelled);
                    }
                }
                NodePoll::Unwound(error) => return node.pass_on(cx, error),
            }
        }
    }
}

/// The future of [`forward_cancel`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct ForwardCancel<F> {
    node: Node<F>,
    targets: Arc<[TaskRef]>,
}

/// Runs `future`, which waits for `targets`; a cancel goes to those of them that are not done, and not to
/// scopes inside `future`.
///
/// What `gather` does: the waiter itself is interrupted only if nothing is left to pass the request on to.
///
/// # Cancel safety
///
/// Dropping it drops `future`; the targets go on.
pub fn forward_cancel<F: Future>(targets: Arc<[TaskRef]>, future: F) -> ForwardCancel<F> {
    ForwardCancel { node: Node::new(future), targets }
}

impl<F: Future> Future for ForwardCancel<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `node` is pinned with `self`; `targets` is never pinned, and nothing is moved out.
        let (mut node, targets) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.node), &this.targets)
        };
        match node.as_mut().poll(cx, || Kind::Forward(targets.clone())) {
            NodePoll::Pending => Poll::Pending,
            NodePoll::Ready(value) => Poll::Ready(value),
            NodePoll::Requested(cancelled) => node.pass_on(cx, TaskError::Cancelled(cancelled)),
            NodePoll::Unwound(error) => node.pass_on(cx, error),
        }
    }
}
