//! What a queue does, whatever the order of its items.
//!
//! Everything is under one short lock: the items, the three lines, and the count for `join`. A lock
//! that is held for some twenty nanoseconds is as cheap as the atomics of a lock-free queue, and lets
//! "an item came" and "the first in line has it" be one step. Where nobody waits for places, the items that are next
//! to go out stand in the [`Front`], so that getters and putters do not meet at that lock for each item.
//!
//! What always holds when nobody has the lock:
//! * `getters.granted()` of the items are promised to getters that were woken, `putters.granted()` of
//!   the free places to putters. Whoever comes and would wait takes neither.
//! * A getter waits only while every item is promised, a putter only while every free place is; after
//!   a shutdown nobody waits in either line.
//! * Nobody waits in `joiners` while `unfinished` is zero.
//!
//! The `_nowait` forms may take what was promised. The woken waiter finds less than it was promised
//! then, and waits again as the first in line: the sums above go on to hold.

use super::error::{GetNowaitError, PutNowaitError, QueueShutDown, TooManyDone};
use super::front::Front;
use super::store::Store;
use crate::diagnostics::What;
use crate::wait_queue::{Act, Entered, Held, List, Wait, Wakers};
use corrente_shim::sync::Mutex;
use futures_core::Stream;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Aligned so that what every operation touches lies in one cache line: the lock and, in this order,
/// the first four fields of [`Shared`].
#[repr(C, align(64))]
pub(crate) struct Core<S: Store> {
    shared: Mutex<Shared<S>>,
    maxsize: usize,
    /// Items that come before those in [`Shared`]; used if they go out in the order of coming, and without limit.
    /// Its lock is taken under that of `shared`, or alone.
    front: Front<S>,
}

#[repr(C)]
pub(crate) struct Shared<S> {
    /// Nobody is in any line, and it is not shut down: nothing else needs to be looked at.
    quiet: bool,
    store: S,
    /// `usize::MAX` if there is no limit.
    places: usize,
    /// Items that were put and not reported done.
    unfinished: usize,
    shut_down: bool,
    getters: List<()>,
    putters: List<()>,
    joiners: List<()>,
}

impl<S: Store> Core<S> {
    pub(crate) fn new(maxsize: usize) -> Self {
        let shared = Shared {
            quiet: true,
            store: S::new(),
            places: if maxsize == 0 { usize::MAX } else { maxsize },
            unfinished: 0,
            shut_down: false,
            getters: List::new(),
            putters: List::new(),
            joiners: List::new(),
        };
        Self { maxsize, shared: Mutex::new(shared), front: Front::new() }
    }

    pub(crate) fn maxsize(&self) -> usize {
        self.maxsize
    }

    pub(crate) fn len(&self) -> usize {
        let shared = self.shared.lock();
        shared.store.len() + self.front.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        let shared = self.shared.lock();
        shared.store.len() >= shared.places
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shared.lock().shut_down
    }

    pub(crate) fn put(&self, item: S::Item) -> Wait<&Self, Put<S>> {
        Wait::new(self, Put { item: Some(item) })
    }

    pub(crate) fn get(&self) -> Wait<&Self, Get<S>> {
        Wait::new(self, Get(PhantomData))
    }

    pub(crate) fn join(&self) -> Wait<&Self, Join<S>> {
        Wait::new(self, Join(PhantomData))
    }

    pub(crate) fn put_nowait(&self, item: S::Item) -> Result<(), PutNowaitError<S::Item>> {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        if shared.shut_down {
            return Err(PutNowaitError::QueueShutDown(item));
        }
        if shared.store.len() >= shared.places {
            return Err(PutNowaitError::QueueFull(item));
        }
        shared.push(item, wakers);
        Ok(())
    }

    pub(crate) fn get_nowait(&self) -> Result<S::Item, GetNowaitError> {
        if let Some(item) = self.front.pop() {
            return Ok(item);
        }
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        match self.front.pop().or_else(|| self.pop(shared, wakers)) {
            Some(item) => Ok(item),
            None if shared.shut_down => Err(GetNowaitError::QueueShutDown),
            None => Err(GetNowaitError::QueueEmpty),
        }
    }

    pub(crate) fn task_done(&self) -> Result<(), TooManyDone> {
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.unfinished = shared.unfinished.checked_sub(1).ok_or(TooManyDone)?;
        if !shared.quiet {
            shared.serve(wakers);
        }
        Ok(())
    }

    pub(crate) fn shut_down(&self, immediate: bool) {
        // Outlives the lock: dropping items is user code.
        let dropped;
        let mut held = Held::lock(&self.shared);
        let (shared, wakers) = held.parts();
        shared.shut_down = true;
        if immediate {
            dropped = (self.front.take(), std::mem::replace(&mut shared.store, S::new()));
            let items = dropped.0.len() + dropped.1.len();
            shared.unfinished = shared.unfinished.saturating_sub(items);
        }
        shared.serve(wakers);
    }

    /// Gets if there is an item; the front is empty. What stands behind the item goes to the front.
    #[inline]
    fn pop(&self, shared: &mut Shared<S>, wakers: &mut Wakers) -> Option<S::Item> {
        let item = shared.pop(wakers);
        if shared.has_front() && shared.store.len() > 0 && shared.getters.is_empty() {
            self.front.fill(&mut shared.store);
        }
        item
    }
}

impl<S: Store> Shared<S> {
    /// True if items go out through the front: in the order of coming, and nobody waits for their places.
    #[inline]
    fn has_front(&self) -> bool {
        S::IN_ORDER && self.places == usize::MAX
    }

    /// Puts where there is a place.
    #[inline]
    fn push(&mut self, item: S::Item, wakers: &mut Wakers) {
        self.store.push(item);
        self.unfinished += 1;
        if !self.quiet {
            self.serve(wakers);
        }
    }

    /// Gets if there is an item.
    #[inline]
    fn pop(&mut self, wakers: &mut Wakers) -> Option<S::Item> {
        let item = self.store.pop();
        if !self.quiet {
            self.serve(wakers);
        }
        item
    }

    /// True if there are items that are promised to nobody.
    fn has_item(&self) -> bool {
        self.store.len() > self.getters.granted()
    }

    /// True if there are places that are promised to nobody.
    fn has_place(&self) -> bool {
        self.store.len().saturating_add(self.putters.granted()) < self.places
    }

    /// Promises what is there to those who wait, first come first. To be called after every change but
    /// one that finds it quiet.
    #[cold]
    fn serve(&mut self, wakers: &mut Wakers) {
        while self.getters.waiting() > 0 && (self.shut_down || self.has_item()) {
            self.getters.grant_first(wakers);
        }
        while self.putters.waiting() > 0 && (self.shut_down || self.has_place()) {
            self.putters.grant_first(wakers);
        }
        if self.unfinished == 0 {
            self.joiners.grant_all(wakers);
        }
        let lines = self.getters.is_empty() && self.putters.is_empty() && self.joiners.is_empty();
        self.quiet = lines && !self.shut_down;
    }
}

/// Waits for a place, and puts.
pub(crate) struct Put<S: Store> {
    /// There until it is put, or given back.
    item: Option<S::Item>,
}

impl<S: Store> Put<S> {
    /// Puts, or finds the queue shut down, or has to wait.
    #[inline]
    fn come(
        &mut self,
        shared: &mut Shared<S>,
        wakers: &mut Wakers,
    ) -> Option<Result<(), QueueShutDown<S::Item>>> {
        let may_put = if shared.quiet {
            shared.store.len() < shared.places
        } else {
            shared.putters.waiting() == 0 && shared.has_place()
        };
        self.try_put(shared, wakers, may_put)
    }

    #[inline]
    fn try_put(
        &mut self,
        shared: &mut Shared<S>,
        wakers: &mut Wakers,
        may_put: bool,
    ) -> Option<Result<(), QueueShutDown<S::Item>>> {
        if !shared.quiet && shared.shut_down {
            return self.item.take().map(|item| Err(QueueShutDown(item)));
        }
        if may_put {
            if let Some(item) = self.item.take() {
                shared.push(item, wakers);
            }
            return Some(Ok(()));
        }
        None
    }
}

impl<S: Store> Act<Core<S>> for Put<S> {
    type Shared = Shared<S>;
    type Want = ();
    type Output = Result<(), QueueShutDown<S::Item>>;

    fn mutex(home: &Core<S>) -> &Mutex<Shared<S>> {
        &home.shared
    }

    fn what(_: &Core<S>) -> What {
        What::Put
    }

    fn line(shared: &mut Shared<S>) -> &mut List<()> {
        &mut shared.putters
    }

    #[inline]
    fn try_now(&mut self, home: &Core<S>) -> Option<Self::Output> {
        let mut held = Held::lock(&home.shared);
        let (shared, wakers) = held.parts();
        self.come(shared, wakers)
    }

    fn enter(&mut self, _: &Core<S>, held: &mut Held<'_, Shared<S>>) -> Entered<Self::Output, ()> {
        let (shared, wakers) = held.parts();
        self.come(shared, wakers).map_or(Entered::Wait(()), Entered::Done)
    }

    fn claim(
        &mut self,
        _: &Core<S>,
        held: &mut Held<'_, Shared<S>>,
        (): (),
    ) -> Option<Self::Output> {
        let (shared, wakers) = held.parts();
        let may_put = shared.store.len() < shared.places;
        self.try_put(shared, wakers, may_put)
    }

    /// The place is promised to nobody any more: `settle` finds it.
    fn give_back(_: &Core<S>, _: &mut Held<'_, Shared<S>>, (): ()) {}

    fn settle(_: &Core<S>, held: &mut Held<'_, Shared<S>>) {
        let (shared, wakers) = held.parts();
        shared.serve(wakers);
    }
}

/// Waits for an item, and gets it.
pub(crate) struct Get<S>(PhantomData<fn() -> S>);

impl<S: Store> Get<S> {
    /// Gets, or finds the queue shut down and drained, or has to wait.
    #[inline]
    fn come(
        home: &Core<S>,
        held: &mut Held<'_, Shared<S>>,
    ) -> Option<Result<S::Item, QueueShutDown>> {
        let (shared, _) = held.parts();
        if shared.has_front() {
            if let Some(item) = home.front.pop() {
                return Some(Ok(item));
            }
        }
        let may_get = shared.quiet || shared.getters.waiting() == 0 && shared.has_item();
        Self::try_get(home, held, may_get)
    }

    #[inline]
    fn try_get(
        home: &Core<S>,
        held: &mut Held<'_, Shared<S>>,
        may_get: bool,
    ) -> Option<Result<S::Item, QueueShutDown>> {
        let (shared, wakers) = held.parts();
        match may_get.then(|| home.pop(shared, wakers)).flatten() {
            Some(item) => Some(Ok(item)),
            None if shared.shut_down && shared.store.len() == 0 => Some(Err(QueueShutDown(()))),
            None => None,
        }
    }
}

impl<S: Store> Act<Core<S>> for Get<S> {
    type Shared = Shared<S>;
    type Want = ();
    type Output = Result<S::Item, QueueShutDown>;

    fn mutex(home: &Core<S>) -> &Mutex<Shared<S>> {
        &home.shared
    }

    fn what(_: &Core<S>) -> What {
        What::Get
    }

    fn line(shared: &mut Shared<S>) -> &mut List<()> {
        &mut shared.getters
    }

    #[inline]
    fn try_now(&mut self, home: &Core<S>) -> Option<Self::Output> {
        if let Some(item) = home.front.pop() {
            return Some(Ok(item));
        }
        Self::come(home, &mut Held::lock(&home.shared))
    }

    fn enter(
        &mut self,
        home: &Core<S>,
        held: &mut Held<'_, Shared<S>>,
    ) -> Entered<Self::Output, ()> {
        Self::come(home, held).map_or(Entered::Wait(()), Entered::Done)
    }

    fn claim(
        &mut self,
        home: &Core<S>,
        held: &mut Held<'_, Shared<S>>,
        (): (),
    ) -> Option<Self::Output> {
        Self::try_get(home, held, true)
    }

    /// The item is promised to nobody any more: `settle` finds it.
    fn give_back(_: &Core<S>, _: &mut Held<'_, Shared<S>>, (): ()) {}

    fn settle(_: &Core<S>, held: &mut Held<'_, Shared<S>>) {
        let (shared, wakers) = held.parts();
        shared.serve(wakers);
    }
}

/// Waits until nothing is unfinished.
pub(crate) struct Join<S>(PhantomData<fn() -> S>);

impl<S: Store> Act<Core<S>> for Join<S> {
    type Shared = Shared<S>;
    type Want = ();
    type Output = ();

    fn mutex(home: &Core<S>) -> &Mutex<Shared<S>> {
        &home.shared
    }

    fn what(_: &Core<S>) -> What {
        What::Join
    }

    fn line(shared: &mut Shared<S>) -> &mut List<()> {
        &mut shared.joiners
    }

    fn enter(&mut self, _: &Core<S>, held: &mut Held<'_, Shared<S>>) -> Entered<(), ()> {
        match held.parts().0.unfinished {
            0 => Entered::Done(()),
            _ => Entered::Wait(()),
        }
    }

    fn claim(&mut self, _: &Core<S>, _: &mut Held<'_, Shared<S>>, (): ()) -> Option<()> {
        Some(())
    }

    /// Being released takes nothing from the others.
    fn give_back(_: &Core<S>, _: &mut Held<'_, Shared<S>>, (): ()) {}

    fn settle(_: &Core<S>, held: &mut Held<'_, Shared<S>>) {
        let (shared, wakers) = held.parts();
        shared.serve(wakers);
    }
}

/// The items of a queue, as they come, until it is shut down and drained.
pub(crate) struct Items<'a, S: Store> {
    core: &'a Core<S>,
    next: Wait<&'a Core<S>, Get<S>>,
}

impl<'a, S: Store> Items<'a, S> {
    pub(crate) fn new(core: &'a Core<S>) -> Self {
        Self { core, next: core.get() }
    }
}

impl<S: Store> Stream for Items<'_, S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let polled = Pin::new(&mut self.next).poll(context);
        if polled.is_ready() {
            self.next = self.core.get();
        }
        polled.map(Result::ok)
    }
}
