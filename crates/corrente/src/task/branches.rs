//! Several futures within one task: [`join!`](crate::join) and [`select!`](crate::select).
//!
//! Every branch is a scope of its own. So a cancel of the task reaches each of them, also those that have
//! no scope inside, and all clean-ups run; and a branch that has lost a `select!` is not dropped but
//! interrupted, and awaited to its end.

use corrente_task::{Cancelled, CatchCancel, TaskRef, catch_cancel, current as current_task};
use pin_project_lite::pin_project;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// One future among several, and what it ended with.
    #[doc(hidden)]
    pub struct Branch<F: Future> {
        #[pin]
        future: CatchCancel<F>,
        ended: Option<Result<F::Output, Cancelled>>,
        done: bool,
    }
}

impl<F: Future> Branch<F> {
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self { future: catch_cancel(future), ended: None, done: false }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        if !*this.done {
            if let Poll::Ready(ended) = this.future.poll(cx) {
                *this.ended = Some(ended);
                *this.done = true;
            }
        }
        *this.done
    }

    fn interrupt(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        !*this.done && this.future.interrupt(Some("another branch was first"))
    }

    fn cancelled(self: Pin<&mut Self>) -> Option<Cancelled> {
        match self.project().ended {
            Some(Err(cancelled)) => Some(cancelled.clone()),
            _ => None,
        }
    }

    /// The output of a branch that has ended with one.
    pub fn take(self: Pin<&mut Self>) -> F::Output {
        match self.project().ended.take() {
            Some(Ok(output)) => output,
            _ => unreachable!("a branch is asked for its output once, when it has one"),
        }
    }
}

/// A row of branches.
#[doc(hidden)]
pub trait Branches {
    type Outputs;
    /// Polls all; tells how many have ended, and the first of these.
    fn poll(&mut self, cx: &mut Context<'_>) -> (usize, Option<usize>);
    /// Interrupts all but one; tells how many requests that took.
    fn interrupt_others(&mut self, but: usize) -> u32;
    /// The cancel that a branch ended with.
    fn cancelled(&mut self) -> Option<Cancelled>;
    fn is_cancelled(&mut self, index: usize) -> Option<Cancelled>;
    fn outputs(&mut self) -> Self::Outputs;
    fn count(&self) -> usize;
}

macro_rules! rows {
    ($(($($F:ident $i:tt),+))+) => { $(
        impl<$($F: Future),+> Branches for ($(Pin<&mut Branch<$F>>,)+) {
            type Outputs = ($($F::Output,)+);
            fn poll(&mut self, cx: &mut Context<'_>) -> (usize, Option<usize>) {
                let (mut ended, mut first) = (0, None);
                $(if self.$i.as_mut().poll(cx) {
                    ended += 1;
                    first = first.or(Some($i));
                })+
                (ended, first)
            }
            fn interrupt_others(&mut self, but: usize) -> u32 {
                let mut requests = 0;
                $(if $i != but && self.$i.as_mut().interrupt() {
                    requests += 1;
                })+
                requests
            }
            fn cancelled(&mut self) -> Option<Cancelled> {
                $(if let Some(cancelled) = self.$i.as_mut().cancelled() {
                    return Some(cancelled);
                })+
                None
            }
            fn is_cancelled(&mut self, index: usize) -> Option<Cancelled> {
                $(if index == $i {
                    return self.$i.as_mut().cancelled();
                })+
                None
            }
            fn outputs(&mut self) -> Self::Outputs {
                ($(self.$i.as_mut().take(),)+)
            }
            fn count(&self) -> usize {
                [$($i),+].len()
            }
        }
    )+ };
}

rows! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// Waits for all branches. If one of them was cancelled, goes on being cancelled when all have ended.
#[doc(hidden)]
pub async fn join<B: Branches>(branches: &mut B) -> B::Outputs {
    poll_fn(|cx| {
        let (ended, _) = branches.poll(cx);
        if ended == branches.count() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    if let Some(cancelled) = branches.cancelled() {
        match cancelled.resume().await {}
    }
    branches.outputs()
}

/// Gives requests back that were made for the losers, also if the wait for them is dropped.
struct TakeBack {
    task: Option<TaskRef>,
    requests: u32,
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            for _ in 0..self.requests {
                task.uncancel();
            }
        }
    }
}

/// Waits for the first branch to end, interrupts the others and waits for them, too; gives its index.
#[doc(hidden)]
pub async fn select<B: Branches>(branches: &mut B) -> usize {
    let before = corrente_task::cancelling_here();
    let winner = poll_fn(|cx| match branches.poll(cx).1 {
        Some(first) => Poll::Ready(first),
        None => Poll::Pending,
    })
    .await;
    // A cancel from outside has reached all branches already: a second one would cut their clean-ups.
    let from_outside = corrente_task::cancelling_here() > before;
    let spare = from_outside && branches.is_cancelled(winner).is_some();
    let requests = if spare { 0 } else { branches.interrupt_others(winner) };
    let take_back = TakeBack { task: current_task(), requests };
    poll_fn(|cx| {
        let (ended, _) = branches.poll(cx);
        // Outside of every task nobody can be interrupted, and the losers are dropped.
        let over = ended == branches.count() || take_back.task.is_none();
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(take_back);
    let own = branches.is_cancelled(winner);
    let outer = (corrente_task::cancelling_here() > before).then(|| branches.cancelled()).flatten();
    if let Some(cancelled) = own.or(outer) {
        match cancelled.resume().await {}
    }
    winner
}

/// Runs several futures at the same time within this task, and gives all their outputs.
///
/// Unlike [`gather`](crate::gather) it makes no tasks, so the futures may borrow; they share one thread.
/// When the task is cancelled each of them is, and all clean-ups run before the cancel goes on.
///
/// # Examples
///
/// ```
/// corrente::run(async {
///     let text = String::from("borrowed");
///     let (a, b) = corrente::join!(async { text.len() }, async { text.as_str() });
///     assert_eq!((a, b), (8, "borrowed"));
/// });
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {{
        let mut branches = ($(::std::pin::pin!($crate::__private::Branch::new($future)),)+);
        $crate::__private::join(&mut branches).await
    }};
}

/// Runs several futures at the same time within this task, until the first of them ends.
///
/// The others are interrupted, as by a cancel: their clean-ups run, and only then the arm of the first one
/// is entered. (Other runtimes drop them, and clean-ups with them.) If several end in one poll, the first
/// in the list counts.
///
/// # Examples
///
/// ```
/// use corrente::{select, sleep};
/// use std::time::Duration;
///
/// corrente::run(async {
///     let answer = select! {
///         value = async { 42 } => value,
///         _ = sleep(Duration::from_secs(60)) => 0,
///     };
///     assert_eq!(answer, 42);
/// });
/// ```
#[macro_export]
macro_rules! select {
    ($($pattern:pat = $future:expr => $body:expr),+ $(,)?) => {{
        let mut branches = ($(::std::pin::pin!($crate::__private::Branch::new($future)),)+);
        let winner = $crate::__private::select(&mut branches).await;
        $crate::__select_arms!(winner branches [0 1 2 3 4 5 6 7] {} $($pattern => $body,)+)
    }};
}

/// Builds the match of `select!`, one arm after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_arms {
    ($winner:ident $branches:ident [$i:tt $($rest:tt)*] {$($done:tt)*} $pattern:pat => $body:expr, $($more:tt)*) => {
        $crate::__select_arms!($winner $branches [$($rest)*] {
            $($done)*
            $i => {
                let $pattern = $branches.$i.as_mut().take();
                $body
            }
        } $($more)*)
    };
    ($winner:ident $branches:ident [$($rest:tt)*] {$($done:tt)*}) => {
        match $winner {
            $($done)*
            _ => ::std::unreachable!("the winner is one of the branches"),
        }
    };
}
