//! Places for tasks, each with a number that stays while the task lives.
//!
//! Chunks of places with a bitmap each. What always holds: `open` lists the chunks that have a place, and
//! the last of them is the one that is used next; a chunk that becomes empty is freed unless it is that
//! one. So a million tasks leave no memory behind, and one task that comes and goes allocates nothing.

use corrente_task::TaskRef;

const CHUNK: usize = 256;
const WORDS: usize = CHUNK / 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Slots {
    chunks: Vec<Option<Box<Chunk>>>,
    open: Vec<u32>,
    living: usize,
}

/// Places that were reserved together, for a worker that will soon want them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spare {
    first: u32,
    /// A bit for each that is left, counted from the first.
    places: u64,
}

impl Spare {
    /// The lowest place that is left.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<u32> {
        if self.places == 0 {
            return None;
        }
        let place = self.first + self.places.trailing_zeros();
        self.places &= self.places - 1;
        Some(place)
    }
}

struct Chunk {
    tasks: [Option<TaskRef>; CHUNK],
    taken: [u64; WORDS],
    callbacks: [u64; WORDS],
    many: usize,
}

impl Chunk {
    fn new() -> Box<Self> {
        Box::new(Self {
            tasks: [const { None }; CHUNK],
            taken: [0; WORDS],
            callbacks: [0; WORDS],
            many: 0,
        })
    }
    /// Takes free places of one word: its number, and their bits. `choose` gives some of the bits it is given.
    fn take_places(&mut self, choose: impl FnOnce(u64) -> u64) -> (usize, u64) {
        let word = self.taken.iter().position(|word| *word != u64::MAX).unwrap_or(0);
        let chosen = choose(!self.taken[word]);
        self.taken[word] |= chosen;
        self.many += chosen.count_ones() as usize;
        (word, chosen)
    }
    fn is_callback(&self, place: usize) -> bool {
        self.callbacks[place / 64] >> (place % 64) & 1 == 1
    }
}

fn split(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

impl Slots {
    /// Takes a place; it is empty until [`fill`](Self::fill). `None`: `limit` numbers are in use.
    pub(crate) fn reserve(&mut self, limit: u32) -> Option<u32> {
        self.reserve_some(limit, |free| free & free.wrapping_neg())?.pop()
    }

    /// Takes several places at once, at most as many as a word has bits.
    pub(crate) fn reserve_run(&mut self, limit: u32) -> Option<Spare> {
        self.reserve_some(limit, |free| free)
    }

    fn reserve_some(&mut self, limit: u32, choose: impl FnOnce(u64) -> u64) -> Option<Spare> {
        if self.open.is_empty() {
            let next = u32::try_from(self.chunks.len()).ok()?;
            if next as usize >= limit as usize / CHUNK {
                return None;
            }
            self.chunks.push(None);
            self.open.push(next);
        }
        let index = *self.open.last()?;
        let chunk = self.chunks[index as usize].get_or_insert_with(Chunk::new);
        let (word, places) = chunk.take_places(choose);
        if chunk.many == CHUNK {
            self.open.pop();
        }
        Some(Spare { first: index * CHUNK as u32 + word as u32 * 64, places })
    }

    /// Puts a task into a reserved place.
    pub(crate) fn fill(&mut self, slot: u32, task: TaskRef, callback: bool) {
        let (index, place) = split(slot);
        let Some(chunk) = self.chunks.get_mut(index).and_then(Option::as_mut) else {
            debug_assert!(false, "slot {slot} was not reserved");
            return;
        };
        debug_assert!(chunk.taken[place / 64] >> (place % 64) & 1 == 1);
        let bit = u64::from(callback) << (place % 64);
        chunk.callbacks[place / 64] = chunk.callbacks[place / 64] & !(1 << (place % 64)) | bit;
        let before = chunk.tasks[place].replace(task);
        debug_assert!(before.is_none(), "slot {slot} was filled twice");
        self.living += 1;
    }

    /// Gives a place back; what was in it is the caller's to drop, outside of any lock.
    pub(crate) fn vacate(&mut self, slot: u32) -> Option<TaskRef> {
        let (index, place) = split(slot);
        let chunk = self.chunks.get_mut(index)?.as_mut()?;
        let task = chunk.tasks[place].take();
        self.living -= usize::from(task.is_some());
        chunk.taken[place / 64] &= !(1 << (place % 64));
        chunk.many -= 1;
        let (many, last) = (chunk.many, self.open.last().copied());
        if many == CHUNK - 1 {
            // It was full: now it is the one that is used next, and not the former.
            self.open.push(index as u32);
            self.free_if_empty(last);
        } else if last != Some(index as u32) {
            self.free_if_empty(Some(index as u32));
        }
        task
    }

    fn free_if_empty(&mut self, index: Option<u32>) {
        let chunk = index.and_then(|index| self.chunks.get_mut(index as usize));
        if let Some(chunk) = chunk {
            chunk.take_if(|chunk| chunk.many == 0);
        }
    }

    /// Tasks that have a place.
    pub(crate) fn living(&self) -> usize {
        self.living
    }

    /// The tasks, each with whether it is a callback.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TaskRef, bool)> {
        self.chunks.iter().flatten().flat_map(|chunk| {
            chunk.tasks.iter().enumerate().filter_map(|(place, task)| {
                task.as_ref().map(|task| (task, chunk.is_callback(place)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corrente_task::{Cause, Options, Runnable, Schedule, spawn};

    #[derive(Clone)]
    struct Nowhere;
    impl Schedule for Nowhere {
        fn schedule(&self, _: Runnable, _: Cause) {}
    }

    fn task() -> TaskRef {
        spawn(async {}, Nowhere, Options::default()).task_ref
    }

    #[test]
    fn numbers_are_unique_while_in_use_and_chunks_are_freed() {
        let mut slots = Slots::default();
        let many = 10 * CHUNK;
        let numbers: Vec<u32> = (0..many).filter_map(|_| slots.reserve(u32::MAX)).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), many);
        let shared = task();
        numbers.iter().for_each(|n| slots.fill(*n, shared.clone(), n % 3 == 0));
        assert_eq!(slots.living(), many);
        assert_eq!(slots.iter().filter(|(_, callback)| *callback).count(), many.div_ceil(3));
        for number in numbers {
            assert!(slots.vacate(number).is_some());
        }
        assert_eq!((slots.living(), slots.iter().count()), (0, 0));
        assert_eq!(slots.chunks.iter().flatten().count(), 1, "the chunk in use stays");
    }

    #[test]
    fn a_place_is_used_again_without_new_memory() {
        let mut slots = Slots::default();
        for _ in 0..10 * CHUNK {
            let number = slots.reserve(u32::MAX).unwrap_or(u32::MAX);
            slots.fill(number, task(), false);
            assert!(slots.vacate(number).is_some());
        }
        assert_eq!(slots.chunks.len(), 1);
    }

    #[test]
    fn a_run_is_what_is_left_of_a_word() {
        let mut slots = Slots::default();
        assert_eq!((slots.reserve(u32::MAX), slots.reserve(u32::MAX)), (Some(0), Some(1)));
        slots.vacate(0);
        let mut run = slots.reserve_run(u32::MAX).unwrap_or_default();
        let places: Vec<u32> = std::iter::from_fn(|| run.pop()).collect();
        assert_eq!(places, [0].into_iter().chain(2..64).collect::<Vec<u32>>());
        assert_eq!(slots.reserve(u32::MAX), Some(64));
        let more = (1..4).filter_map(|_| slots.reserve_run(u32::MAX)).map(|mut run| run.pop());
        assert_eq!(more.collect::<Vec<_>>(), [Some(65), Some(128), Some(192)]);
        assert_eq!(slots.reserve(u32::MAX), Some(256), "the chunk was full");
    }

    #[test]
    fn an_unfilled_place_can_be_given_back() {
        let mut slots = Slots::default();
        let number = slots.reserve(u32::MAX).unwrap_or(u32::MAX);
        assert!(slots.vacate(number).is_none());
        assert_eq!(slots.living(), 0);
    }

    #[test]
    fn the_numbers_end_at_the_limit() {
        let mut slots = Slots::default();
        let limit = 2 * CHUNK as u32;
        assert_eq!(std::iter::from_fn(|| slots.reserve(limit)).count(), 2 * CHUNK);
    }
}
