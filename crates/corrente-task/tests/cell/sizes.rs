//! Futures of all sizes and alignments.

use crate::common::{Fifo, World, options};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Rests once, then gives back itself.
struct Resting<T>(Option<T>, bool);

impl<T: Unpin> Future for Resting<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if !std::mem::replace(&mut self.1, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.take().unwrap())
    }
}

fn through_a_task<T: Send + Unpin + 'static>(value: T) -> T {
    let world = World::new();
    let mut task = world.spawn_send(Resting(Some(value), false));
    world.run_ready();
    task.try_outcome().unwrap().unwrap()
}

#[repr(align(4096))]
#[derive(Debug, PartialEq)]
struct Page([u8; 5000]);

#[test]
fn of_no_size() {
    struct Nothing;
    impl Future for Nothing {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    let world = World::new();
    let mut task = world.spawn_send(Nothing);
    world.run_ready();
    assert!(task.try_outcome().is_some_and(|outcome| outcome.is_ok()));
    through_a_task(());
}

#[test]
fn of_one_byte_and_of_odd_sizes() {
    assert_eq!(through_a_task(7_u8), 7);
    assert_eq!(through_a_task([1_u8, 2, 3]), [1, 2, 3]);
    assert_eq!(through_a_task((1_u8, 2_u64, 3_u16)), (1, 2, 3));
    assert_eq!(through_a_task(u128::MAX), u128::MAX);
}

#[test]
fn aligned_to_a_page() {
    assert!(through_a_task(Page([9; 5000])).0.iter().all(|&byte| byte == 9));
    let world = World::new();
    let mut task = world.spawn_send(async {
        let page = Page([1; 5000]);
        let at = |page: &Page| std::ptr::from_ref(page).addr();
        let before = at(&page);
        crate::common::foreign::yield_once().await;
        (before == at(&page), before % 4096, page)
    });
    world.run_ready();
    let (same_place, misaligned, page) = task.try_outcome().unwrap().unwrap();
    assert_eq!((same_place, misaligned, page), (true, 0, Page([1; 5000])));
}

/// Whoever makes such a future has it on the stack. A spawn adds no copy to it where the compiler
/// optimises, and a bounded number where it does not.
#[test]
fn of_a_mebibyte_on_a_stack_of_a_few() {
    let spawn = || {
        let block = [3_u8; 1 << 20];
        let mut first = true;
        let future = poll_fn(move |_| {
            let block = &block;
            assert!(std::mem::take(&mut first));
            Poll::Ready(block[1000] + block[(1 << 20) - 1])
        });
        let world = World::new();
        let spawned = corrente_task::spawn(future, Fifo::of(&world), options());
        spawned.runnable.schedule();
        world.run_ready();
        let mut task = spawned.task;
        assert_eq!(task.try_outcome().unwrap().unwrap(), 6);
    };
    let mebibytes = if cfg!(debug_assertions) { 16 } else { 3 };
    let thread = std::thread::Builder::new().stack_size(mebibytes << 20).spawn(spawn);
    thread.unwrap().join().unwrap();
}
