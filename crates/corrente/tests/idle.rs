//! An idle runtime does nothing at all: no wake-up, no CPU time. One with a single long poll does little beside it.

use corrente::{Builder, create_task, sleep};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Each of these tests looks at all threads of the process.
static ALONE: Mutex<()> = Mutex::new(());

/// How often the threads of this process whose names begin with `name` gave up the processor.
fn switches(name: &str) -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        if !status.starts_with(&format!("Name:\t{name}")) {
            continue;
        }
        sum += status
            .lines()
            .filter_map(|line| line.split_once("ctxt_switches:"))
            .filter_map(|(_, number)| number.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    sum
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_runtime_sleeps() {
    let _alone = ALONE.lock();
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime
        .block_on(async {
            // Some work first, so that the watchdog was awake.
            let tasks: Vec<_> = (0..100).map(|n| create_task(async move { n })).collect();
            for task in tasks {
                task.await;
            }
            sleep(Duration::from_millis(5)).await;
        })
        .unwrap();
    // Waiting tasks without a deadline are no reason to wake up.
    runtime.create_task(std::future::pending::<()>()).detach();
    std::thread::sleep(Duration::from_millis(300));
    let before = switches("corrente");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches("corrente") - before, 0, "threads of an idle runtime were woken");
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_poll_with_nothing_behind_it_is_looked_at_seldom() {
    let _alone = ALONE.lock();
    let runtime = Builder::new().workers(2).build().unwrap();
    let (looks, elapsed) = runtime
        .block_on(async {
            let (start, before) = (Instant::now(), switches("corrente-watch"));
            while start.elapsed() < Duration::from_secs(1) {
                std::hint::spin_loop();
            }
            (switches("corrente-watch") - before, start.elapsed())
        })
        .unwrap();
    // Every 0.2 ms at first, and soon every 1.6.
    let every = Duration::from_micros(500);
    assert!(
        looks < elapsed.as_micros() as u64 / every.as_micros() as u64,
        "{looks} in {elapsed:?}"
    );
}
