//! An idle runtime does nothing at all: no wake-up, no CPU time.

use corrente::{Builder, create_task, sleep};
use std::time::Duration;

/// How often the threads of this process whose names begin with `corrente` gave up the processor.
fn switches() -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        if !status.starts_with("Name:\tcorrente") {
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
    let before = switches();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches() - before, 0, "threads of an idle runtime were woken");
}
