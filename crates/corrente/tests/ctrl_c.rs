//! Ctrl-C in `run`: the first cancels main and lets it clean up, a second ends the process at once.
//!
//! Without the usual harness, since the signal is only ours on the main thread. The program starts itself
//! again for each case and sends it the signal.

use corrente::{Builder, catch_cancel, sleep, with_cleanup};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("child-cleans-up") => child(async {
            with_cleanup(sleep(LONG), async {
                sleep(Duration::from_millis(20)).await;
                println!("cleaned");
            })
            .await;
        }),
        Some("child-goes-on") => child(async {
            if catch_cancel(sleep(LONG)).await.is_err() {
                println!("caught");
            }
        }),
        Some("child-hangs") => child(async {
            with_cleanup(sleep(LONG), async {
                println!("cleaning");
                sleep(LONG).await;
            })
            .await;
        }),
        Some("child-listens") => child(async {
            corrente::signal::ctrl_c().await.unwrap();
            println!("heard");
        }),
        // Flags of a test runner are not for us.
        _ => parent(),
    }
}

fn child(main: impl Future<Output = ()>) {
    let ready = async {
        // By now the signal is watched, and main is about to wait.
        corrente::create_task(async { println!("ready") }).await;
        main.await;
    };
    match Builder::new().workers(2).run(ready) {
        Ok(()) => println!("returned"),
        Err(error) => println!("{error}"),
    }
}

fn parent() {
    if std::env::var_os("TSAN_OPTIONS").is_some() {
        // It keeps a signal back until the thread next calls what it has replaced. A thread that is parked
        // calls nothing: std's parking goes to the kernel by itself.
        println!("SKIPPED: Ctrl-C: the thread sanitizer delivers no signal to a parked thread");
        return;
    }
    // (case, lines after "ready", signals, whether it dies of the signal)
    let cases = [
        ("child-cleans-up", "cleaned\n", 1, true),
        ("child-goes-on", "caught\nreturned\n", 1, false),
        ("child-hangs", "cleaning\n", 2, true),
        ("child-listens", "heard\nreturned\n", 1, false),
    ];
    for (case, expected, signals, dies) in cases {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(case)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{case}");
        std::thread::sleep(Duration::from_millis(100));
        interrupt(&child);
        let mut rest = String::new();
        if signals == 2 {
            output.read_line(&mut rest).unwrap();
            interrupt(&child);
        }
        output.read_to_string(&mut rest).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(rest, expected, "{case}");
        assert_eq!(status.signal(), dies.then_some(2), "{case}: {status}");
        println!("test {case} ... ok");
    }
    println!("4 passed, 0 failed");
}

fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
