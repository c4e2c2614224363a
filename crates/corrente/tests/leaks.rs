//! Building and dropping runtimes leaves no thread and no descriptor behind.

use corrente::net::TcpListener;
use corrente::{Builder, create_task, sleep, to_thread};
use std::time::Duration;

fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn fifty_runtimes_leave_nothing() {
    let cycle = || {
        let runtime = Builder::new().workers(2).build().unwrap();
        runtime
            .block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                create_task(async move {
                    let _ = listener.accept().await;
                })
                .detach();
                create_task(std::future::pending::<()>()).detach();
                create_task(sleep(Duration::from_secs(3600))).detach();
                to_thread(|| ()).await;
            })
            .unwrap();
        drop(runtime);
    };
    cycle();
    let (threads, descriptors) = (count("task"), count("fd"));
    for _ in 0..50 {
        cycle();
    }
    // A thread that has been joined may take a moment to vanish from the list.
    let mut tries = 0;
    while count("task") > threads && tries < 100 {
        std::thread::sleep(Duration::from_millis(10));
        tries += 1;
    }
    assert_eq!((count("task"), count("fd")), (threads, descriptors));
}
