//! Ctrl-C in `run`, as asyncio has it.
//!
//! The first one cancels the main task and nothing else; clean-ups run, and if main ends cancelled the
//! process then dies of the signal, as its parent expects. A main task that catches the cancel and returns
//! goes on as if nothing had been. A second Ctrl-C ends the process at once. A program that listens for the
//! signal itself ([`signal::ctrl_c`](crate::signal::ctrl_c)) has it for itself.
//!
//! Only on the main thread: elsewhere (in tests, on threads of a larger program) the signal is not ours.

use crate::net::UnixStream;
use crate::signal::{Listener, SignalKind};
use corrente_task::current as current_task;
use futures_io::AsyncRead;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// What has come of Ctrl-C during a run.
#[derive(Default)]
pub(crate) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// Ends the process by the signal, if main was cancelled by it and ended cancelled.
    pub fn die_of_it(&self) {
        if self.0.load(Ordering::Relaxed) {
            let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGINT);
        }
    }
}

pin_project! {
    /// A main future that is cancelled by Ctrl-C.
    pub(crate) struct Interruptible<F> {
        #[pin]
        main: F,
        begun: bool,
        watch: Option<Watch>,
        interrupted: Arc<AtomicBool>,
    }
}

struct Watch {
    listener: Listener,
    pipe: UnixStream,
}

impl<F: Future> Interruptible<F> {
    pub fn new(main: F) -> (Self, Interrupted) {
        let interrupted = Interrupted::default();
        let flag = interrupted.0.clone();
        (Self { main, begun: false, watch: None, interrupted: flag }, interrupted)
    }
}

fn watch() -> Option<Watch> {
    if std::thread::current().name() != Some("main") {
        return None;
    }
    // Without a descriptor for it the signal does what it always did.
    let (listener, pipe) = Listener::new(SignalKind::INTERRUPT).ok()?;
    Some(Watch { listener, pipe: pipe.try_into().ok()? })
}

impl<F: Future> Future for Interruptible<F> {
    type Output = F::Output;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !std::mem::replace(this.begun, true) {
            *this.watch = watch();
        }
        let mut bytes = [0; 16];
        while let Some(watch) = this.watch {
            match Pin::new(&mut &watch.pipe).poll_read(cx, &mut bytes) {
                Poll::Pending => break,
                Poll::Ready(Ok(1..)) if !watch.listener.is_alone() => {}
                Poll::Ready(_) => {
                    // Nobody listens any more: the next one ends the process.
                    *this.watch = None;
                    this.interrupted.store(true, Ordering::Relaxed);
                    if let Some(task) = current_task() {
                        task.cancel_with("Ctrl-C");
                    }
                }
            }
        }
        this.main.poll(cx)
    }
}
