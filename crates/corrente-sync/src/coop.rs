//! The way to a task's budget: how much a task may find ready before it must let others run.

use std::task::{Context, Poll};

/// To be asked before something is taken that needs no waiting. `Pending` if the task has had its
/// share; it is then woken already.
#[inline]
pub(crate) fn poll_proceed(context: &mut Context<'_>) -> Poll<()> {
    corrente_task::budget::poll_proceed(context)
}
