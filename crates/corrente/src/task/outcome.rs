//! What a child of a group may return, so that an `Err` is told from a value.
//!
//! Rust has no stable specialisation, so a blanket impl for every type would collide with the one for
//! `Result`. Hence a list: `Result`, `()`, std's plain types, and one line for a type of one's own.

use corrente_task::Task;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A type that says whether it is an error.
///
/// Implemented for `Result` (an `Err` is an error) and for the plain types of std (no error). A type of
/// your own becomes one by
///
/// ```
/// use std::convert::Infallible;
/// struct Mine;
/// impl corrente::Outcome for Mine {
///     type Value = Self;
///     type Error = Infallible;
///     fn into_result(self) -> Result<Self, Infallible> {
///         Ok(self)
///     }
/// }
/// ```
///
/// The impl for `Result` is bare on purpose: bounds on it would break `Send` checks of tasks within tasks
/// (see the decision record on errors).
#[diagnostic::on_unimplemented(
    message = "a child of a group returns `()`, a `Result` or a plain value known as such; `{Self}` is none of these",
    label = "`{Self}` is not an `Outcome`",
    note = "return `Ok(value)`, or implement `corrente::Outcome` for your own type"
)]
pub trait Outcome {
    /// What it is when it is no error.
    type Value;
    /// The error it may be.
    type Error;
    /// Tells the two apart.
    ///
    /// # Errors
    ///
    /// If it is an error.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
    /// True if it is an error.
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;
    fn into_result(self) -> Self {
        self
    }
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

macro_rules! plain {
    ($([$($p:ident),*] $t:ty),* $(,)?) => { $(
        impl<$($p),*> Outcome for $t {
            type Value = Self;
            type Error = Infallible;
            fn into_result(self) -> Result<Self, Infallible> {
                Ok(self)
            }
        }
    )* };
}

plain!(
    [] (), [] bool, [] char, [] i8, [] i16, [] i32, [] i64, [] i128, [] isize, [] u8, [] u16, [] u32,
    [] u64, [] u128, [] usize, [] f32, [] f64, [] String, [] &'static str, [] Duration, [] Instant,
    [] SystemTime, [] Infallible, [T] Vec<T>, [T] Option<T>, [T] Box<T>, [T] Arc<T>, [T] VecDeque<T>,
    [T] Task<T>, [K, V] HashMap<K, V>, [K, V] BTreeMap<K, V>, [T] HashSet<T>, [T] BTreeSet<T>,
    [] Cow<'static, str>, [] std::path::PathBuf, [] std::net::SocketAddr, [] std::net::IpAddr,
    [] std::process::ExitStatus,
    [A] (A,), [A, B] (A, B), [A, B, C] (A, B, C), [A, B, C, D] (A, B, C, D), [A, B, C, D, E] (A, B, C, D, E),
    [A, B, C, D, E, F] (A, B, C, D, E, F),
);

impl<T, const N: usize> Outcome for [T; N] {
    type Value = Self;
    type Error = Infallible;
    fn into_result(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}
