//! Waiters that are in a line, for the property tests and the fuzz targets.

use crate::waiter::Waiter;
use std::collections::BTreeMap;

/// Waiters by number, and when each was last seen to be woken.
pub struct Line<'a, T> {
    pub waiters: BTreeMap<usize, Waiter<'a, T>>,
    known: BTreeMap<usize, usize>,
}

impl<T> Line<'_, T> {
    pub fn new() -> Self {
        Self { waiters: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Who was woken since this was asked last, first woken first.
    pub fn newly_woken(&mut self) -> Vec<usize> {
        let wakes = self.waiters.iter().map(|(name, waiter)| (*name, waiter.wake()));
        let known = |name: &usize| self.known.get(name).copied().unwrap_or(0);
        let mut new: Vec<_> = wakes.filter(|(name, wake)| *wake > known(name)).collect();
        new.sort_by_key(|(_, wake)| *wake);
        self.known.extend(new.iter().copied());
        new.into_iter().map(|(name, _)| name).collect()
    }

    /// One of those in line, if any.
    pub fn pick(&self, choice: usize) -> Option<usize> {
        let at = choice.checked_rem(self.waiters.len())?;
        self.waiters.keys().nth(at).copied()
    }
}
