//! The eighteen programs of the asyncio tutorial, in Rust. The same in Python stand in `python/`, what
//! CPython 3.13 printed for those in `expected/`.

mod p01_hello;
mod p02_not_run;
mod p03_sequential;
mod p04_tasks;
mod p05_group;
mod p06_nested;
mod p07_future;
mod p08_group_results;
mod p09_group_grows;
mod p10_sleep_result;
mod p11_gather_order;
mod p12_gather_first_error;
mod p13_gather_as_values;
mod p14_timeout;
mod p15_wait;
mod p16_as_completed;
mod p17_to_thread;
mod p18_running_loop;

/// One program.
pub struct Program {
    /// `P01` to `P18`.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Runs it, from `asyncio.run` to the end.
    pub main: fn(),
    /// What CPython printed.
    pub expected: &'static str,
}

/// All of them, in order.
pub const PROGRAMS: &[Program] = &[
    Program {
        id: "P01",
        name: "hello",
        main: p01_hello::main,
        expected: include_str!("expected/p01_hello.txt"),
    },
    Program {
        id: "P02",
        name: "not_run",
        main: p02_not_run::main,
        expected: include_str!("expected/p02_not_run.txt"),
    },
    Program {
        id: "P03",
        name: "sequential",
        main: p03_sequential::main,
        expected: include_str!("expected/p03_sequential.txt"),
    },
    Program {
        id: "P04",
        name: "tasks",
        main: p04_tasks::main,
        expected: include_str!("expected/p04_tasks.txt"),
    },
    Program {
        id: "P05",
        name: "group",
        main: p05_group::main,
        expected: include_str!("expected/p05_group.txt"),
    },
    Program {
        id: "P06",
        name: "nested",
        main: p06_nested::main,
        expected: include_str!("expected/p06_nested.txt"),
    },
    Program {
        id: "P07",
        name: "future",
        main: p07_future::main,
        expected: include_str!("expected/p07_future.txt"),
    },
    Program {
        id: "P08",
        name: "group_results",
        main: p08_group_results::main,
        expected: include_str!("expected/p08_group_results.txt"),
    },
    Program {
        id: "P09",
        name: "group_grows",
        main: p09_group_grows::main,
        expected: include_str!("expected/p09_group_grows.txt"),
    },
    Program {
        id: "P10",
        name: "sleep_result",
        main: p10_sleep_result::main,
        expected: include_str!("expected/p10_sleep_result.txt"),
    },
    Program {
        id: "P11",
        name: "gather_order",
        main: p11_gather_order::main,
        expected: include_str!("expected/p11_gather_order.txt"),
    },
    Program {
        id: "P12",
        name: "gather_first_error",
        main: p12_gather_first_error::main,
        expected: include_str!("expected/p12_gather_first_error.txt"),
    },
    Program {
        id: "P13",
        name: "gather_as_values",
        main: p13_gather_as_values::main,
        expected: include_str!("expected/p13_gather_as_values.txt"),
    },
    Program {
        id: "P14",
        name: "timeout",
        main: p14_timeout::main,
        expected: include_str!("expected/p14_timeout.txt"),
    },
    Program {
        id: "P15",
        name: "wait",
        main: p15_wait::main,
        expected: include_str!("expected/p15_wait.txt"),
    },
    Program {
        id: "P16",
        name: "as_completed",
        main: p16_as_completed::main,
        expected: include_str!("expected/p16_as_completed.txt"),
    },
    Program {
        id: "P17",
        name: "to_thread",
        main: p17_to_thread::main,
        expected: include_str!("expected/p17_to_thread.txt"),
    },
    Program {
        id: "P18",
        name: "running_loop",
        main: p18_running_loop::main,
        expected: include_str!("expected/p18_running_loop.txt"),
    },
];
