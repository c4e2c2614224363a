//! In which order items come out.
//!
//! A store that was drained gives large memory back, so that a queue that was long once is not large
//! for ever.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// An empty store keeps at most so many bytes.
const KEEP_BYTES: usize = 16 * 1024;

/// Holds the items of a queue.
pub(crate) trait Store {
    type Item;

    /// Items come out in the order in which they went in.
    const IN_ORDER: bool;

    /// Holds nothing. Allocates nothing.
    fn new() -> Self;
    fn len(&self) -> usize;
    fn push(&mut self, item: Self::Item);
    fn pop(&mut self) -> Option<Self::Item>;
}

/// First in, first out.
pub(crate) struct Fifo<T>(VecDeque<T>);

/// Last in, first out.
pub(crate) struct Lifo<T>(Vec<T>);

/// Smallest first.
pub(crate) struct Priority<T>(BinaryHeap<Reverse<T>>);

fn too_large<T>(capacity: usize) -> bool {
    capacity.saturating_mul(size_of::<T>()) > KEEP_BYTES
}

impl<T> Store for Fifo<T> {
    type Item = T;
    const IN_ORDER: bool = true;

    fn new() -> Self {
        Self(VecDeque::new())
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        if self.0.is_empty() && too_large::<T>(self.0.capacity()) {
            self.0 = VecDeque::new();
        }
        item
    }
}

impl<T> Store for Lifo<T> {
    type Item = T;
    const IN_ORDER: bool = false;

    fn new() -> Self {
        Self(Vec::new())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.0.pop();
        if self.0.is_empty() && too_large::<T>(self.0.capacity()) {
            self.0 = Vec::new();
        }
        item
    }
}

impl<T: Ord> Store for Priority<T> {
    type Item = T;
    const IN_ORDER: bool = false;

    fn new() -> Self {
        Self(BinaryHeap::new())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, item: T) {
        self.0.push(Reverse(item));
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.0.pop();
        if self.0.is_empty() && too_large::<T>(self.0.capacity()) {
            self.0 = BinaryHeap::new();
        }
        item.map(|Reverse(item)| item)
    }
}
