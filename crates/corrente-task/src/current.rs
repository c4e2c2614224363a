//! What this thread is polling: the frame of the current task.
//!
//! A [`Frame`] lives on the stack of whoever holds a cell and runs user code in it (a poll, the drop of a
//! future). The thread-local points at the innermost one. While a frame is entered its thread holds
//! RUNNING of that task, which is what makes every access to the task's tree and context through the
//! frame sound.

use crate::context::Context;
use crate::error::TaskError;
use crate::header::Header;
use crate::scope::ROOT;
use crate::task_ref::TaskRef;
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
    /// The node that a `resume` wants to unwind, until that node sees its inner future come back.
    pub unwinding: Cell<Option<u32>>,
    /// What it unwinds with.
    pub exit: RefCell<Option<TaskError>>,
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
            unwinding: Cell::new(None),
            exit: RefCell::new(None),
        }
    }

    pub fn enter(&self) -> Entered<'_> {
        let this = Some(NonNull::from(self));
        let before = FRAME.try_with(|frame| frame.replace(this)).unwrap_or(None);
        Entered { before, _frame: self }
    }

    /// The task's header. Valid while the frame is entered, and its thread holds RUNNING.
    pub fn header(&self) -> &Header {
        // SAFETY: the holder of RUNNING has a reference to the cell; see `Frame::new`.
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

    /// If a `resume` below wants to unwind `node`: what it unwinds with.
    pub fn take_unwinding(&self, node: u32) -> Option<TaskError> {
        if self.unwinding.get() != Some(node) {
            return None;
        }
        self.unwinding.set(None);
        self.exit.take()
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

/// True if this thread is polling a task or a callback right now.
pub fn in_task() -> bool {
    with_frame(|frame| frame.is_some())
}

/// The task that is being polled on this thread, or whose future is being dropped.
///
/// asyncio: `current_task()`. None outside of every task and in callbacks.
pub fn current() -> Option<TaskRef> {
    with_frame(|frame| match frame {
        Some(frame) if !frame.callback => Some(TaskRef::from_header(frame.header())),
        _ => None,
    })
}

/// Like [`current`], without counting a reference.
pub fn with_current<R>(f: impl FnOnce(Option<&TaskRef>) -> R) -> R {
    with_frame(|frame| match frame {
        Some(frame) if !frame.callback => f(Some(&TaskRef::borrowed(frame.header()))),
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
