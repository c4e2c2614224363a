//! Cancels at random moments on two workers: nested groups, timeouts, shields, clean-ups.
//!
//! Every clean-up that began ends exactly once, no task outlives the group that was awaited, the counts of
//! requests come back to zero, and nothing is left over. `CORRENTE_STRESS_SECONDS=60` for the long form. Then the
//! two shapes that a cancel could get lost in: tasks that await each other, and a chain longer than any stack.

use corrente::{
    Builder, TaskGroup, all_tasks, catch_cancel, create_task, current_task, shield_ref, sleep,
    sync::oneshot, timeout, with_cleanup, yield_now,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    cleaned: AtomicU64,
    twice: AtomicU64,
    living: AtomicU64,
    spawned: AtomicU64,
}

/// Cheap randomness; the seed is printed when the test fails.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

struct Living(Arc<Counts>);

impl Living {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.living.fetch_add(1, SeqCst);
        counts.spawned.fetch_add(1, Relaxed);
        Self(counts.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.living.fetch_sub(1, SeqCst);
    }
}

/// Waits, and if it is interrupted cleans up, once.
async fn leaf(counts: Arc<Counts>, mut random: u64) {
    let _living = Living::new(&counts);
    let cleaned = AtomicU64::new(0);
    counts.begun.fetch_add(1, SeqCst);
    let wait = async {
        match next(&mut random) % 4 {
            0 => yield_now().await,
            1 => sleep(Duration::from_micros(random % 2000)).await,
            2 => drop(timeout(Duration::from_micros(random % 1000), sleep(LONG)).await),
            _ => sleep(LONG).await,
        }
    };
    // The clean-up itself has awaits; a second cancel may cut those, so it counts before the first.
    with_cleanup(wait, async {
        counts.cleaned.fetch_add(1, SeqCst);
        if cleaned.fetch_add(1, SeqCst) > 0 {
            counts.twice.fetch_add(1, SeqCst);
        }
        yield_now().await;
    })
    .await;
}

fn tree(counts: Arc<Counts>, depth: u32, random: u64) -> Tree {
    Box::pin(grow(counts, depth, random))
}

async fn grow(counts: Arc<Counts>, depth: u32, mut random: u64) -> Result<(), String> {
    let _living = Living::new(&counts);
    let mut inner = next(&mut random) | 1;
    let body = TaskGroup::run(async |group| {
        let random = &mut inner;
        for child in 0..4 {
            let (counts, seed) = (counts.clone(), next(random) | 1);
            if depth > 0 && child < 2 {
                group.create_task(tree(counts, depth - 1, seed));
            } else {
                group.create_task(leaf(counts, seed));
            }
        }
        match next(random) % 8 {
            0 => return Err("by chance".to_owned()),
            1 => group.cancel(),
            _ => {}
        }
        Ok(())
    });
    match next(&mut random) % 3 {
        0 => {
            let limited = timeout(Duration::from_micros(random % 3000), body).await;
            drop(limited);
        }
        1 => {
            if let Err(cancelled) = catch_cancel(body).await {
                cancelled.resume().await;
            }
        }
        _ => drop(body.await),
    }
    Ok(())
}

type Tree = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

#[test]
fn random_cancels_lose_nothing() {
    let seconds = std::env::var("CORRENTE_STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let seed = Instant::now().elapsed().as_nanos() as u64 ^ std::process::id() as u64 ^ 0x9e37_79b9;
    println!("seed {seed}");
    let counts = Arc::new(Counts::default());
    let all = counts.clone();
    Builder::new()
        .workers(2)
        .run(async move {
            let mut random = seed | 1;
            while Instant::now() < end {
                let roots: Vec<_> = (0..60)
                    .map(|_| create_task(tree(all.clone(), 4, next(&mut random) | 1)))
                    .collect();
                let mut shielded = create_task(tree(all.clone(), 3, next(&mut random) | 1));
                for _ in 0..200 {
                    let index = next(&mut random) as usize % roots.len();
                    roots[index].cancel();
                    if random % 5 == 0 {
                        yield_now().await;
                    }
                }
                // The shield goes, what it shielded does not.
                drop(timeout(Duration::from_micros(random % 500), shield_ref(&mut shielded)).await);
                for root in &roots {
                    root.cancel();
                }
                shielded.cancel();
                for root in roots {
                    drop(root.outcome().await);
                }
                shielded.finished().await;
                assert_eq!(all.living.load(SeqCst), 0, "a task outlived its group");
                assert_eq!(current_task().unwrap().cancelling(), 0);
                assert_eq!(all_tasks().len(), 1, "only main is left");
            }
        })
        .unwrap();
    let (begun, cleaned) = (counts.begun.load(SeqCst), counts.cleaned.load(SeqCst));
    println!("{} tasks, {begun} leaves begun, {cleaned} cleaned", counts.spawned.load(SeqCst));
    assert_eq!(begun, cleaned, "every leaf that began cleans up once");
    assert_eq!(counts.twice.load(SeqCst), 0);
}

/// Two tasks that await each other, cancelled from two threads at the same moment.
#[test]
fn a_circle_is_cancelled_from_two_sides() {
    for _ in 0..200 {
        let both_end = Builder::new().workers(2).run(async {
            let (to_first, second) = oneshot::channel::<corrente::Task<()>>();
            let first = create_task(async move { second.await.unwrap().await });
            let first_ref = first.as_ref().clone();
            let second = create_task(first);
            let second_ref = second.as_ref().clone();
            to_first.send(second).unwrap();
            let start = Arc::new(Barrier::new(2));
            let threads = [&first_ref, &second_ref].map(|task| {
                let (task, start) = (task.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    task.cancel()
                })
            });
            let both = async {
                first_ref.finished().await;
                second_ref.finished().await;
            };
            let both_end = timeout(Duration::from_secs(60), both).await;
            let asked = threads.map(|thread| thread.join().unwrap());
            assert!(asked[0] || asked[1], "whichever came first found its task alive");
            both_end
        });
        assert_eq!(both_end.unwrap(), Ok(()), "they wait for each other");
    }
}

/// 100,000 tasks, each of which awaits the one before, cancelled at the last. No thread has more stack than
/// 256 KiB: whatever recurses as deep as the chain is long, ends there.
#[test]
fn a_long_chain_is_cancelled_at_its_head_on_small_stacks() {
    const LINKS: u64 = 100_000;
    const STACK: usize = 256 << 10;
    let chain = || {
        let chain = async {
            let (begun, cleaned) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let mut head = create_task(std::future::pending::<()>());
            for _ in 0..LINKS {
                let (begun, cleaned) = (begun.clone(), cleaned.clone());
                head = create_task(async move {
                    begun.fetch_add(1, SeqCst);
                    with_cleanup(head, async move { _ = cleaned.fetch_add(1, SeqCst) }).await;
                });
            }
            while begun.load(SeqCst) < LINKS {
                sleep(Duration::from_millis(1)).await;
            }
            assert!(head.cancel());
            assert!(head.outcome().await.is_err_and(|error| error.is_cancelled()));
            assert_eq!(cleaned.load(SeqCst), LINKS, "the news come up from the end of the chain");
            assert_eq!(all_tasks().len(), 1, "only main is left");
        };
        Builder::new().workers(2).stack_size(STACK).run(chain).unwrap();
    };
    // The first worker is the thread that calls `run`.
    std::thread::Builder::new().stack_size(STACK).spawn(chain).unwrap().join().unwrap();
}
