//! Several tasks at once, their results together.
//!
//! Three forms of asyncio's `gather`, told apart by what a failure does:
//!
//! | | an `Err` of a child | a child that was cancelled | asyncio |
//! |---|---|---|---|
//! | [`gather`] | a value in its place | interrupts the awaiter | – |
//! | [`try_gather`] | returned at once; the siblings run on | interrupts the awaiter | `gather(*aws)` |
//! | [`outcomes`] | a value in its place | a value in its place | `gather(*aws, return_exceptions=True)` |
//!
//! All start their children when they are called. A child has a [`Seat`], which holds its task until all
//! results are taken; a tuple, an array or a Vec of seats is a [`Row`]. One future waits for any row.

use crate::task::create::ensure_future;
use corrente_task::{Cancelled, Task, TaskError, TaskRef, exit_with, on_cancel};
use std::fmt::Debug;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

/// One child of a gathering.
#[doc(hidden)]
pub struct Seat<T> {
    task: Task<T>,
    ended: bool,
    is_error: fn(&T) -> bool,
}

/// How a child that has ended looks to the one who waits.
enum Look {
    Running,
    Value,
    Error,
    /// Cancelled or panicked: it has no value.
    Lost,
}

impl<T: Send + 'static> Seat<T> {
    #[track_caller]
    fn start<F>(future: F, is_error: fn(&T) -> bool) -> Self
    where
        F: IntoFuture<Output = T, IntoFuture: Send + 'static>,
    {
        Self { task: ensure_future(future), ended: false, is_error }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Look {
        self.ended = self.ended || self.task.poll_finished(cx).is_ready();
        if !self.ended {
            return Look::Running;
        }
        match self.task.outcome_mut() {
            Some(Ok(value)) if (self.is_error)(value) => Look::Error,
            Some(Ok(_)) => Look::Value,
            _ => Look::Lost,
        }
    }

    fn outcome(&mut self) -> Result<T, TaskError> {
        match self.task.try_outcome() {
            Some(outcome) => outcome,
            None => unreachable!("an outcome is taken once, when its task has ended"),
        }
    }

    fn value(&mut self) -> T {
        match self.outcome() {
            Ok(value) => value,
            Err(_) => unreachable!("a child without a value has ended the gathering before"),
        }
    }

    fn lost(&mut self) -> Option<TaskError> {
        match self.task.outcome_mut() {
            Some(Err(_)) => self.outcome().err(),
            _ => None,
        }
    }
}

/// What can be gathered: tuples up to 12, arrays and Vecs of futures, tasks, or what becomes a future.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be gathered",
    label = "not a tuple, array or Vec of futures that are `Send + 'static`",
    note = "for an iterator use `gather(iterator.collect::<Vec<_>>())`"
)]
pub trait Gather {
    /// The children, started.
    #[doc(hidden)]
    type Row: Row;
    /// Starts the children.
    #[doc(hidden)]
    fn start(self) -> Self::Row;
}

/// What [`try_gather`] takes: like [`Gather`], but every future gives a `Result`, all with one error type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be gathered with `try_gather`",
    label = "not a tuple, array or Vec of futures of `Result`s with one error type",
    note = "every future must give a `Result`, and all the same error type: turn them into \
            `corrente::Error` with `.map_err(Into::into)`, or use `gather` to get errors as values"
)]
pub trait TryGather {
    /// The children, started.
    #[doc(hidden)]
    type Row: TryRow;
    /// Starts the children.
    #[doc(hidden)]
    fn start(self) -> Self::Row;
}

/// A `Result` with the error type `E`. Only to say clearly what is wrong when there are two.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`try_gather` needs one error type for all: `{Self}` is no `Result` with the error `{E}`",
    label = "the error type is `{E}` after the first future",
    note = "turn all errors into one type, for example each future with \
            `async {{ Ok::<_, corrente::Error>(future.await?) }}`; or use `gather`, which takes any outputs"
)]
pub trait OneError<E> {}

impl<T, E> OneError<E> for Result<T, E> {}

/// The children of one gathering.
#[doc(hidden)]
pub trait Row: Send + Unpin {
    type Values;
    type Outcomes;
    /// Looks at all: how many still run, and whether one has lost its value, or has an error.
    fn poll(&mut self, cx: &mut Context<'_>) -> Tally;
    fn each(&self, act: &mut dyn FnMut(&TaskRef));
    fn lost(&mut self) -> Option<TaskError>;
    fn values(self) -> Self::Values;
    fn outcomes(self) -> Self::Outcomes;
}

/// The children of one `try_gather`.
#[doc(hidden)]
pub trait TryRow: Row {
    type Oks;
    type Error;
    /// The values, or the first error in the row; further errors, present and to come, are reported.
    fn oks(self) -> Result<Self::Oks, Self::Error>;
}

/// What a look at a row has found.
#[doc(hidden)]
#[derive(Default)]
pub struct Tally {
    running: usize,
    errors: usize,
    lost: usize,
}

impl Tally {
    fn count(&mut self, look: Look) {
        match look {
            Look::Running => self.running += 1,
            Look::Value => {}
            Look::Error => self.errors += 1,
            Look::Lost => self.lost += 1,
        }
    }
}

/// When a gathering stops waiting before all its children have ended.
#[derive(Clone, Copy)]
enum Stop {
    Never,
    AtLost,
    AtErrorOrLost,
}

/// Waits for a row.
struct Waiting<R> {
    row: R,
    stop: Stop,
    own: Option<Cancelled>,
}

impl<R: Row> Future for Waiting<R> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let tally = self.row.poll(cx);
        let enough = match self.stop {
            // A gathering that is being cancelled waits for the clean-ups of all its children.
            Stop::AtLost if self.own.is_none() => tally.lost > 0,
            Stop::Never | Stop::AtLost => false,
            Stop::AtErrorOrLost => tally.lost > 0 || tally.errors > 0,
        };
        if enough || tally.running == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Waits for a row; comes back if it has what its caller wants, and else unwinds.
async fn settle<R: Row>(row: R, stop: Stop) -> R {
    let mut waiting = Waiting { row, stop, own: None };
    on_cancel(&mut waiting, |waiting, cancelled| {
        let waiting = &mut **waiting.get_mut();
        waiting.row.each(&mut |child| {
            child.cancel_as(cancelled.clone());
        });
        waiting.own = Some(cancelled);
    })
    .await;
    let Waiting { mut row, own, .. } = waiting;
    if !matches!(stop, Stop::Never) {
        match row.lost() {
            Some(TaskError::Panicked(panic)) => panic.resume(),
            Some(error) => match exit_with_cancel(error).await {},
            None => {}
        }
    }
    if let Some(own) = own {
        // Even if no child minded: a gathering that was cancelled is cancelled.
        match own.resume().await {}
    }
    row
}

fn exit_with_cancel(error: TaskError) -> corrente_task::Resume {
    match error {
        TaskError::Cancelled(cancelled) => cancelled.resume(),
        other => exit_with(other),
    }
}

/// Runs all at the same time and gives their outputs in the order of the arguments.
///
/// An output that is an `Err` is a value in its place. A child that panics panics here; one that was
/// cancelled interrupts the awaiter at once, and the others run on. A cancel of the awaiter cancels all
/// children and comes out when they have ended. asyncio: `gather`, where an error is raised at once: that
/// is [`try_gather`].
///
/// # Panics
///
/// Called outside of a runtime; awaited, if a child panicked.
///
/// # Cancel safety
///
/// Dropping the future detaches the children.
///
/// # Examples
///
/// ```
/// corrente::run(async {
///     let (a, b) = corrente::gather((async { 1 }, async { "two" })).await;
///     assert_eq!((a, b), (1, "two"));
///     let squares = corrente::gather((0..4).map(|n| async move { n * n }).collect::<Vec<_>>()).await;
///     assert_eq!(squares, [0, 1, 4, 9]);
/// });
/// ```
#[must_use = "the children run, but their results are seen only if this is awaited"]
#[track_caller]
pub fn gather<G: Gather>(
    children: G,
) -> impl Future<Output = <G::Row as Row>::Values> + Send + use<G> {
    let row = children.start();
    async move { settle(row, Stop::AtLost).await.values() }
}

/// Runs all at the same time and gives their values in the order of the arguments, or the first error.
///
/// The first error comes out at once; the other children run on, and their errors are reported, not lost.
/// asyncio: `gather(*aws)`.
///
/// # Errors
///
/// The first `Err` of a child.
///
/// # Panics
///
/// Called outside of a runtime; awaited, if a child panicked.
///
/// # Cancel safety
///
/// Dropping the future detaches the children.
///
/// # Examples
///
/// ```
/// async fn half(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
/// }
/// corrente::run(async {
///     assert_eq!(corrente::try_gather((half(4), half(6))).await, Ok((2, 3)));
///     assert_eq!(corrente::try_gather(vec![half(4), half(7)]).await, Err("7 is odd".into()));
/// });
/// ```
#[must_use = "the children run, but their results are seen only if this is awaited"]
#[track_caller]
pub fn try_gather<G: TryGather>(
    children: G,
) -> impl Future<Output = Result<<G::Row as TryRow>::Oks, <G::Row as TryRow>::Error>> + Send + use<G>
{
    let row = children.start();
    async move { settle(row, Stop::AtErrorOrLost).await.oks() }
}

/// Runs all at the same time and gives how each ended, as a value: output, cancel, or panic.
///
/// asyncio: `gather(*aws, return_exceptions=True)`.
///
/// # Panics
///
/// Called outside of a runtime.
///
/// # Cancel safety
///
/// Dropping the future detaches the children.
#[must_use = "the children run, but their results are seen only if this is awaited"]
#[doc(alias = "return_exceptions")]
#[track_caller]
pub fn outcomes<G: Gather>(
    children: G,
) -> impl Future<Output = <G::Row as Row>::Outcomes> + Send + use<G> {
    let row = children.start();
    async move { settle(row, Stop::Never).await.outcomes() }
}

fn never<T>(_: &T) -> bool {
    false
}

macro_rules! rows {
    ($(($($F:ident $T:ident $i:tt $v:ident),+))+) => { $(
        impl<$($F, $T: Send + 'static),+> Gather for ($($F,)+)
        where
            $($F: IntoFuture<Output = $T, IntoFuture: Send + 'static>),+
        {
            type Row = ($(Seat<$T>,)+);
            #[track_caller]
            fn start(self) -> Self::Row {
                ($(Seat::start(self.$i, never),)+)
            }
        }
        impl<Er, $($F, $T: Send + 'static),+> TryGather for ($($F,)+)
        where
            Er: Debug + Send + 'static,
            $($F: IntoFuture<Output: OneError<Er>>,)+
            $($F: IntoFuture<Output = Result<$T, Er>, IntoFuture: Send + 'static>),+
        {
            type Row = ($(Seat<Result<$T, Er>>,)+);
            #[track_caller]
            fn start(self) -> Self::Row {
                ($(Seat::start(self.$i, Result::is_err),)+)
            }
        }
        impl<$($T: Send + 'static),+> Row for ($(Seat<$T>,)+) {
            type Values = ($($T,)+);
            type Outcomes = ($(Result<$T, TaskError>,)+);
            fn poll(&mut self, cx: &mut Context<'_>) -> Tally {
                let mut tally = Tally::default();
                $(tally.count(self.$i.poll(cx));)+
                tally
            }
            fn each(&self, act: &mut dyn FnMut(&TaskRef)) {
                $(act(self.$i.task.as_ref());)+
            }
            fn lost(&mut self) -> Option<TaskError> {
                $(if let Some(error) = self.$i.lost() { return Some(error); })+
                None
            }
            fn values(mut self) -> Self::Values {
                ($(self.$i.value(),)+)
            }
            fn outcomes(mut self) -> Self::Outcomes {
                ($(self.$i.outcome(),)+)
            }
        }
        impl<Er: Debug + Send + 'static, $($T: Send + 'static),+> TryRow for ($(Seat<Result<$T, Er>>,)+) {
            type Oks = ($($T,)+);
            type Error = Er;
            fn oks(self) -> Result<Self::Oks, Er> {
                let ($(mut $v,)+) = self;
                let mut first = None;
                $(let $v = first_error(&mut $v, &mut first).ok_or($v);)+
                match first {
                    None => Ok(($(oks_value($v),)+)),
                    Some(error) => {
                        $(report_rest($v);)+
                        Err(error)
                    }
                }
            }
        }
    )+ };
}

/// Takes the value, or the error if it is the first; what is neither stays in its seat.
fn first_error<T: Send + 'static, E: Send + 'static>(
    seat: &mut Seat<Result<T, E>>,
    first: &mut Option<E>,
) -> Option<T> {
    if matches!(seat.task.outcome_mut(), Some(Ok(Err(_)))) && first.is_some() {
        return None;
    }
    match seat.task.try_outcome() {
        Some(Ok(Ok(value))) => Some(value),
        Some(Ok(Err(error))) => {
            *first = Some(error);
            None
        }
        _ => None,
    }
}

fn oks_value<T, S>(value: Result<T, S>) -> T {
    match value {
        Ok(value) => value,
        Err(_) => unreachable!("without an error every child of the row has its value"),
    }
}

/// Has the error of a child reported, now or when it comes.
fn report_rest<T, E: Debug>(seat: Result<T, Seat<Result<T, E>>>) {
    if let Err(seat) = seat {
        seat.task.detach();
    }
}

rows! {
    (A TA 0 a)
    (A TA 0 a, B TB 1 b)
    (A TA 0 a, B TB 1 b, C TC 2 c)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g, H TH 7 h)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g, H TH 7 h, I TI 8 i)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g, H TH 7 h, I TI 8 i, J TJ 9 j)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g, H TH 7 h, I TI 8 i, J TJ 9 j, K TK 10 k)
    (A TA 0 a, B TB 1 b, C TC 2 c, D TD 3 d, E TE 4 e, F TF 5 f, G TG 6 g, H TH 7 h, I TI 8 i, J TJ 9 j, K TK 10 k, L TL 11 l)
}

/// Nothing gathered is nothing, at once.
impl Gather for () {
    type Row = [Seat<()>; 0];
    fn start(self) -> Self::Row {
        []
    }
}

impl<F, T: Send + 'static> Gather for Vec<F>
where
    F: IntoFuture<Output = T, IntoFuture: Send + 'static>,
{
    type Row = Vec<Seat<T>>;
    #[track_caller]
    fn start(self) -> Self::Row {
        self.into_iter().map(|future| Seat::start(future, never)).collect()
    }
}

impl<F, T: Send + 'static, E: Debug + Send + 'static> TryGather for Vec<F>
where
    F: IntoFuture<Output = Result<T, E>, IntoFuture: Send + 'static>,
{
    type Row = Vec<Seat<Result<T, E>>>;
    #[track_caller]
    fn start(self) -> Self::Row {
        self.into_iter().map(|future| Seat::start(future, Result::is_err)).collect()
    }
}

impl<F, T: Send + 'static, const N: usize> Gather for [F; N]
where
    F: IntoFuture<Output = T, IntoFuture: Send + 'static>,
{
    type Row = [Seat<T>; N];
    #[track_caller]
    fn start(self) -> Self::Row {
        self.map(|future| Seat::start(future, never))
    }
}

impl<F, T: Send + 'static, E: Debug + Send + 'static, const N: usize> TryGather for [F; N]
where
    F: IntoFuture<Output = Result<T, E>, IntoFuture: Send + 'static>,
{
    type Row = [Seat<Result<T, E>>; N];
    #[track_caller]
    fn start(self) -> Self::Row {
        self.map(|future| Seat::start(future, Result::is_err))
    }
}

impl<T: Send + 'static> Row for Vec<Seat<T>> {
    type Values = Vec<T>;
    type Outcomes = Vec<Result<T, TaskError>>;
    fn poll(&mut self, cx: &mut Context<'_>) -> Tally {
        poll_all(self, cx)
    }
    fn each(&self, act: &mut dyn FnMut(&TaskRef)) {
        self.iter().for_each(|seat| act(seat.task.as_ref()));
    }
    fn lost(&mut self) -> Option<TaskError> {
        self.iter_mut().find_map(Seat::lost)
    }
    fn values(mut self) -> Self::Values {
        self.iter_mut().map(Seat::value).collect()
    }
    fn outcomes(mut self) -> Self::Outcomes {
        self.iter_mut().map(Seat::outcome).collect()
    }
}

impl<T: Send + 'static, E: Debug + Send + 'static> TryRow for Vec<Seat<Result<T, E>>> {
    type Oks = Vec<T>;
    type Error = E;
    fn oks(self) -> Result<Vec<T>, E> {
        all_oks(self.into_iter())
    }
}

impl<T: Send + 'static, const N: usize> Row for [Seat<T>; N] {
    type Values = [T; N];
    type Outcomes = [Result<T, TaskError>; N];
    fn poll(&mut self, cx: &mut Context<'_>) -> Tally {
        poll_all(self, cx)
    }
    fn each(&self, act: &mut dyn FnMut(&TaskRef)) {
        self.iter().for_each(|seat| act(seat.task.as_ref()));
    }
    fn lost(&mut self) -> Option<TaskError> {
        self.iter_mut().find_map(Seat::lost)
    }
    fn values(self) -> Self::Values {
        self.map(|mut seat| seat.value())
    }
    fn outcomes(self) -> Self::Outcomes {
        self.map(|mut seat| seat.outcome())
    }
}

impl<T: Send + 'static, E: Debug + Send + 'static, const N: usize> TryRow
    for [Seat<Result<T, E>>; N]
{
    type Oks = [T; N];
    type Error = E;
    fn oks(self) -> Result<[T; N], E> {
        let values = all_oks(self.into_iter())?;
        match values.try_into() {
            Ok(values) => Ok(values),
            Err(_) => unreachable!("every seat has given its value"),
        }
    }
}

fn poll_all<T: Send + 'static>(seats: &mut [Seat<T>], cx: &mut Context<'_>) -> Tally {
    let mut tally = Tally::default();
    for seat in seats {
        tally.count(seat.poll(cx));
    }
    tally
}

fn all_oks<T: Send + 'static, E: Debug + Send + 'static>(
    seats: impl Iterator<Item = Seat<Result<T, E>>>,
) -> Result<Vec<T>, E> {
    let mut first = None;
    let taken: Vec<_> =
        seats.map(|mut seat| first_error(&mut seat, &mut first).ok_or(seat)).collect();
    match first {
        None => Ok(taken.into_iter().map(oks_value).collect()),
        Some(error) => {
            taken.into_iter().for_each(report_rest);
            Err(error)
        }
    }
}
