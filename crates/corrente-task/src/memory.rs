//! Memory for cells: what a task leaves behind serves the next one.
//!
//! Most tasks are short and of a few sizes, so the blocks that they lived in are kept, sorted by size, and given out
//! again. That is several times cheaper than a general allocator, and spares the page faults of memory that was given
//! back to the system only to be asked for again.
//!
//! A thread takes from a small stack of its own and puts there what it frees. When the stack is full, half of it goes to
//! the depot, which all threads share, and when it is empty a batch comes from there: so a thread that only ends
//! tasks supplies one that only spawns them, for one lock in `BATCH` tasks.
//!
//! What always holds: a kept block is unused, was allocated from the global allocator with the layout of its class, and is
//! in no other place. No user code and no allocation of a cell happens under a lock or a borrow.

use crate::spare;
use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sizes are rounded up to a multiple of this, less `BESIDE`.
const STEP: usize = 16;
/// What many allocators, glibc's among them, keep beside a block that is aligned to `STEP`. A block of a multiple of
/// `STEP` would have them take a whole `STEP` more for it.
const BESIDE: usize = 8;
/// How many classes of sizes there are. What is larger goes straight to the allocator.
const CLASSES: usize = 64;
/// What an allocator gives without effort.
const ALIGN: usize = 16;
/// So many blocks go to the depot at once. A thread keeps fewer than twice as many of each class.
const BATCH: usize = 64;
/// How many bytes the depot holds at most. Under a sanitizer nothing is kept, since that hides a use after free.
const MOST: usize = if cfg!(corrente_sanitize) { 0 } else { 16 * 1024 * 1024 };
/// How many bytes are left in the depot by [`give_back`].
const FEW: usize = 1024 * 1024;

/// An unused block.
struct Block(NonNull<u8>);

// SAFETY: nobody uses the block, so it may be used by whatever thread gets it.
unsafe impl Send for Block {}

impl Block {
    /// # Safety
    ///
    /// It is of this class, and in no list any more.
    unsafe fn dealloc(self, class: usize) {
        // SAFETY: unused, and allocated with this layout; see the module.
        unsafe { alloc::dealloc(self.0.as_ptr(), layout_of(class)) };
    }
}

/// The blocks that a thread keeps, by class.
struct Stacks([Vec<Block>; CLASSES]);

corrente_shim::local! {
    static MINE: RefCell<Stacks> = RefCell::new(Stacks([const { Vec::new() }; CLASSES]));
}

/// The batches that no thread keeps, by class. Not the shim's locks: they are held for a few instructions that touch
/// nothing a model looks at.
static DEPOT: [Mutex<Vec<Vec<Block>>>; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
/// The bytes in it. Relaxed: a bound that may be passed by a batch for each thread.
static IN_DEPOT: AtomicUsize = AtomicUsize::new(0);

fn depot(class: usize) -> MutexGuard<'static, Vec<Vec<Block>>> {
    DEPOT[class].lock().unwrap_or_else(PoisonError::into_inner)
}

/// The class of blocks that hold a value of this layout, if there is one.
const fn class_of(layout: Layout) -> Option<usize> {
    let class = (layout.size() + BESIDE).div_ceil(STEP).saturating_sub(1);
    if class < CLASSES && layout.align() <= ALIGN { Some(class) } else { None }
}

const fn layout_of(class: usize) -> Layout {
    match Layout::from_size_align((class + 1) * STEP - BESIDE, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("the largest class is small"),
    }
}

/// Memory for a `T`, not initialised.
#[inline]
pub(crate) fn allocate<T>() -> NonNull<T> {
    const { assert!(size_of::<T>() > 0) };
    let Some(class) = (const { class_of(Layout::new::<T>()) }) else {
        return ask(Layout::new::<T>()).cast();
    };
    let mine = MINE.try_with(|mine| mine.borrow_mut().0[class].pop()).unwrap_or(None);
    mine.unwrap_or_else(|| refill(class)).0.cast()
}

/// Gives back the memory of a `T`.
///
/// # Safety
///
/// It came from [`allocate`] of the same type, and what was in it is gone.
#[inline]
pub(crate) unsafe fn free<T>(block: NonNull<T>) {
    let Some(class) = (const { class_of(Layout::new::<T>()) }) else {
        // SAFETY: too large for a class, so it came from the allocator with this very layout.
        return unsafe { alloc::dealloc(block.cast().as_ptr(), Layout::new::<T>()) };
    };
    let mut block = Some(Block(block.cast()));
    // There is no stack any more at the end of a thread.
    let full = MINE.try_with(|mine| {
        let stack = &mut mine.borrow_mut().0[class];
        stack.extend(block.take());
        (stack.len() >= 2 * BATCH || MOST == 0).then(|| stack.split_off(stack.len() / 2))
    });
    if let Ok(Some(batch)) = full {
        store(class, batch);
    }
    if let Some(block) = block {
        // SAFETY: it is of this class, and was not put into the stack.
        unsafe { block.dealloc(class) };
    }
}

/// A block for a thread whose stack is empty: the last of a batch that it gets.
#[cold]
fn refill(class: usize) -> Block {
    let batch = depot(class).pop();
    let Some(mut batch) = batch else { return Block(ask(layout_of(class))) };
    IN_DEPOT.fetch_sub(batch.len() * layout_of(class).size(), Ordering::Relaxed);
    let block = batch.pop();
    let mut rest = Some(batch);
    let _ = MINE.try_with(|mine| {
        let old =
            std::mem::replace(&mut mine.borrow_mut().0[class], rest.take().unwrap_or_default());
        debug_assert!(old.is_empty());
    });
    rest.into_iter().for_each(|batch| drop_all(class, batch));
    block.unwrap_or_else(|| Block(ask(layout_of(class))))
}

#[cold]
fn ask(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout that comes here has the size zero.
    let block = unsafe { alloc::alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

/// Puts a batch into the depot, or gives it back if that is full.
#[cold]
fn store(class: usize, batch: Vec<Block>) {
    let bytes = batch.len() * layout_of(class).size();
    if IN_DEPOT.load(Ordering::Relaxed) + bytes > MOST {
        return drop_all(class, batch);
    }
    IN_DEPOT.fetch_add(bytes, Ordering::Relaxed);
    depot(class).push(batch);
}

fn drop_all(class: usize, batch: Vec<Block>) {
    for block in batch {
        // SAFETY: a kept block of this class, taken out of its list.
        unsafe { block.dealloc(class) };
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        for (class, stack) in self.0.iter_mut().enumerate() {
            drop_all(class, std::mem::take(stack));
        }
    }
}

/// Gives most of the memory back that is kept for tasks to come. For a scheduler that has had no work for a while.
pub fn give_back() {
    spare::give_back();
    for class in (0..CLASSES).rev() {
        while IN_DEPOT.load(Ordering::Relaxed) > FEW {
            let Some(batch) = depot(class).pop() else { break };
            IN_DEPOT.fetch_sub(batch.len() * layout_of(class).size(), Ordering::Relaxed);
            drop_all(class, batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_size_has_a_class_that_holds_it() {
        for size in 1..=CLASSES * STEP - BESIDE {
            for align in [1, 8, ALIGN] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let class = class_of(layout).unwrap();
                assert!(layout_of(class).size() >= size && layout_of(class).align() >= align);
                assert!(layout_of(class).size() < size + STEP, "less than a step is wasted");
            }
        }
        let none = |size, align| class_of(Layout::from_size_align(size, align).unwrap()).is_none();
        assert!(none(CLASSES * STEP - BESIDE + 1, 8) && none(8, 2 * ALIGN));
    }

    #[test]
    fn a_block_is_used_again_and_never_twice_at_once() {
        let first = allocate::<[u64; 9]>();
        // SAFETY: it is ours and holds nothing.
        unsafe { free(first) };
        let (again, other) = (allocate::<[u64; 8]>(), allocate::<[u64; 8]>());
        // Where nothing is kept the allocator may give the same block, or not.
        assert!(MOST == 0 || again.cast::<u8>() == first.cast());
        assert_ne!(again, other);
        // SAFETY: as above.
        [again, other].into_iter().for_each(|block| unsafe { free(block) });
    }

    /// The only test of this process with blocks of this size.
    #[test]
    fn one_thread_supplies_another_and_the_depot_has_a_bound() {
        type Large = [u8; 1000];
        let class = class_of(Layout::new::<Large>()).unwrap();
        let many = MOST / layout_of(class).size() + 10 * BATCH;
        let blocks: Vec<_> = (0..many).map(|_| Block(allocate::<Large>().cast())).collect();
        let addresses: HashSet<_> = blocks.iter().map(|block| block.0.addr()).collect();
        // SAFETY: nobody uses them.
        let end = || blocks.into_iter().for_each(|block| unsafe { free::<Large>(block.0.cast()) });
        std::thread::scope(|scope| scope.spawn(end).join()).unwrap();
        let kept = depot(class).iter().map(Vec::len).sum::<usize>() * layout_of(class).size();
        assert!(kept <= MOST && kept + 2 * BATCH * layout_of(class).size() > MOST);
        if MOST > 0 {
            let again: Vec<_> = (0..many).map(|_| allocate::<Large>()).collect();
            let known = again.iter().filter(|block| addresses.contains(&block.addr())).count();
            assert!(known > many / 2, "{known} of {many} come from the other thread");
            // SAFETY: they are ours and hold nothing.
            again.into_iter().for_each(|block| unsafe { free(block) });
        }
        give_back();
        assert!(IN_DEPOT.load(Ordering::Relaxed) <= FEW);
    }
}
