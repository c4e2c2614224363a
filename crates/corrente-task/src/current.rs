//! What this thread is polling: the frame of the current task.
//!
//! A [`Frame`] lives on the stack of whoever holds a cell and runs user code in it (a poll, the drop of a
//! future). The thread-local points at the innermost one. While a frame is entered its thread holds
//! RUNNING of that task, which is what makes every access to the task's tree and context through the
//! frame sound.

use crate::context::Context;
use crate::error::TaskError;
use crate::header::Header;
use crate::task_ref::{Borrowed, TaskRef};
use crate::tree::ROOT;
use corrente_shim::atomic::Counter;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

/// The state of one poll that only its own thread sees.
pub(crate) struct Frame {
    header: NonNull<Header>,
    callback: bool,
    /// The innermost scope node that is being polled.
    pub node: Cell<u32>,
    /// The tree may hold requests: nodes must look before they poll.
    pub asked: Cell<bool>,
    /// The task has woken itself, which the state word does not know yet.
    pub woken: Cell<bool>,
    unwinding: Cell<Option<Wanted>>,
}

/// A `resume` wants to unwind a node, until that node sees its inner future come back.
struct Wanted {
    node: u32,
    /// The number of that unwinding.
    number: u64,
    error: TaskError,
}

/// Numbers for unwindings. Only a cancel, a cold path, takes one.
static UNWINDINGS: Counter = Counter::new(1);

/// A future's own unwinding: it is off if the future is dropped before the node around it has seen it,
/// as by a `select` that another branch has won in the same poll.
#[derive(Debug, Default)]
pub(crate) struct Begun(u64);

impl Begun {
    pub const fn new() -> Self {
        Self(0)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.0 != 0 {
            with_frame(|frame| {
                if let Some(frame) = frame {
                    frame.withdraw(self.0);
                }
            });
        }
    }
}

corrente_shim::local! {
    static FRAME: Cell<Option<NonNull<Frame>>> = Cell::new(None);
}

corrente_shim::local! {
    /// The context of a thread that polls no task, while `Context::run` is on its stack.
    static AMBIENT: RefCell<Option<Context>> = RefCell::new(None);
}

/// Leaves the frame when it is dropped.
pub(crate) struct Entered<'a> {
    before: Option<NonNull<Frame>>,
    _frame: &'a Frame,
}

impl Frame {
    /// A frame for the task at `header`.
    ///
    /// # Safety
    ///
    /// The caller holds RUNNING of that task for as long as the frame is entered.
    pub unsafe fn new(header: NonNull<Header>, asked: bool, callback: bool) -> Self {
        Self {
            header,
            callback,
            node: Cell::new(ROOT),
            asked: Cell::new(asked),
            woken: Cell::new(false),
            unwinding: Cell::new(None),
        }
    }

    pub fn enter(&self) -> Entered<'_> {
        let this = Some(NonNull::from(self));
        let before = FRAME.try_with(|frame| frame.replace(this)).unwrap_or(None);
        Entered { before, _frame: self }
    }

    /// The task. Valid while the frame is entered, and its thread holds RUNNING.
    #[inline]
    pub fn task(&self) -> Borrowed<'_> {
        // SAFETY: the holder of RUNNING has a reference to the cell; see `Frame::new`.
        unsafe { TaskRef::borrowed(self.header) }
    }

    #[inline]
    pub fn is_of(&self, task: &TaskRef) -> bool {
        task.pointer() == self.header
    }

    /// If the task at `header` is the one that is polled, notes that it wakes itself. Nobody can poll it before it is
    /// let go of, so the word need not say so earlier.
    #[inline]
    pub fn wakes_itself(header: NonNull<Header>) -> bool {
        with_frame(|frame| match frame {
            Some(frame) if frame.header == header => {
                frame.woken.set(true);
                true
            }
            _ => false,
        })
    }

    fn header(&self) -> &Header {
        // SAFETY: as for `task`.
        unsafe { self.header.as_ref() }
    }

    /// Runs `f` with `node` as the innermost node.
    pub fn within<R>(&self, node: u32, f: impl FnOnce() -> R) -> R {
        struct Back<'a>(&'a Cell<u32>, u32);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _back = Back(&self.node, self.node.replace(node));
        f()
    }

    /// Makes the innermost node unwind with `error` as soon as its future has come back.
    pub fn unwind(&self, error: TaskError, begun: &mut Begun) {
        begun.0 = UNWINDINGS.take(1);
        let wanted = Wanted { node: self.node.get(), number: begun.0, error };
        if let Some(old) = self.unwinding.replace(Some(wanted)) {
            old.error.drop_contained();
        }
    }

    fn withdraw(&self, number: u64) {
        if let Some(wanted) = self.take_if(|wanted| wanted.number == number) {
            wanted.error.drop_contained();
        }
    }

    #[inline]
    fn take_if(&self, is_meant: impl FnOnce(&Wanted) -> bool) -> Option<Wanted> {
        let wanted = self.unwinding.take()?;
        if is_meant(&wanted) {
            return Some(wanted);
        }
        self.unwinding.set(Some(wanted));
        None
    }

    /// If something below wants to unwind `node`: what it unwinds with.
    #[inline]
    pub fn take_unwinding(&self, node: u32) -> Option<TaskError> {
        self.take_if(|wanted| wanted.node == node).map(|wanted| wanted.error)
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if let Some(wanted) = self.unwinding.take() {
            wanted.error.drop_contained();
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _ = FRAME.try_with(|frame| frame.set(self.before));
    }
}

/// Calls `f` with the innermost frame of this thread.
#[inline]
pub(crate) fn with_frame<R>(f: impl FnOnce(Option<&Frame>) -> R) -> R {
    let frame = FRAME.try_with(Cell::get).unwrap_or(None);
    // SAFETY: an entered frame lives on this thread's stack below us: `Entered` borrows it and takes the
    // pointer out of the thread-local before the borrow ends.
    f(frame.map(|frame| unsafe { frame.as_ref() }))
}

/// True if `task` is what this thread is polling, or whose future it is dropping.
#[inline]
pub(crate) fn is_polling(task: &TaskRef) -> bool {
    with_frame(|frame| frame.is_some_and(|frame| frame.is_of(task)))
}

/// True if this thread is polling a task or a callback right now.
pub fn in_task() -> bool {
    with_frame(|frame| frame.is_some())
}

/// The task that is being polled on this thread, or whose future is being dropped.
///
/// asyncio: `current_task()`. None outside of every task and in callbacks.
pub fn current() -> Option<TaskRef> {
    with_frame(|frame| match frame {
        Some(frame) if !frame.callback => Some(frame.task().clone()),
        _ => None,
    })
}

/// Like [`current`], without counting a reference.
pub fn with_current<R>(f: impl FnOnce(Option<&TaskRef>) -> R) -> R {
    with_frame(|frame| match frame {
        Some(frame) if !frame.callback => f(Some(&frame.task())),
        _ => f(None),
    })
}

/// Calls `f` with the context that is current here.
pub(crate) fn context<R>(f: impl FnOnce(&Context) -> R) -> Option<R> {
    // A copy: `f` may call user code, which may set a variable.
    let context = with_frame(|frame| match frame {
        Some(frame) => Some(frame.header().context()),
        None => AMBIENT.try_with(|ambient| ambient.borrow().clone()).unwrap_or(None),
    });
    context.map(|context| f(&context))
}

/// Puts `change(current context)` in its place and gives back the one before.
pub(crate) fn change_context(change: impl Fn(&Context) -> Context) -> Option<Context> {
    with_frame(|frame| match frame {
        Some(frame) => {
            let header = frame.header();
            let next = match header.shared_context() {
                Some(shared) => shared.change(&change),
                None => change(&header.context()),
            };
            Some(header.replace_context(next))
        }
        None => AMBIENT
            .try_with(|ambient| {
                let before = ambient.borrow().clone()?;
                let next = change(&before);
                *ambient.borrow_mut() = Some(next);
                Some(before)
            })
            .unwrap_or(None),
    })
}

/// Runs `f` with `context` as the current one; gives back what it has become.
pub(crate) fn with_ambient<R>(context: Context, f: impl FnOnce() -> R) -> (R, Context) {
    fn swap(next: Option<Context>) -> Option<Context> {
        with_frame(|frame| match (frame, next) {
            (Some(frame), next) => Some(frame.header().replace_context(next.unwrap_or_default())),
            (None, next) => AMBIENT.try_with(|ambient| ambient.replace(next)).unwrap_or(None),
        })
    }
    struct Back(Option<Context>);
    impl Drop for Back {
        fn drop(&mut self) {
            swap(self.0.take());
        }
    }
    let mut back = Back(swap(Some(context)));
    let result = f();
    let after = swap(back.0.take()).unwrap_or_default();
    std::mem::forget(back);
    (result, after)
}
