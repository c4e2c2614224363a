//! A test that is its own child: the same test, alone in a process, under a tool and a time limit.
//!
//! `Child::of("module::test").run(|| …)` does two things. In the process that `cargo test` started it
//! starts that one test again and gives back how it ended. In the child it runs the closure, and gives
//! back nothing. A child that is not done within the limit is killed, with all its processes, and the
//! test fails: a hang is the likeliest way for a fault to show.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const CASE: &str = "CORRENTE_FAULT_CASE";
const ARGUMENT: &str = "CORRENTE_FAULT_ARGUMENT";
/// Far more than any case needs on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(120);

/// A child to be started.
pub struct Child {
    test: &'static str,
    tool: Vec<String>,
    argument: String,
    program: Option<PathBuf>,
}

impl Child {
    /// The child of the test with this name, which is its module and function.
    pub fn of(test: &'static str) -> Self {
        Self { test, tool: Vec::new(), argument: String::new(), program: None }
    }

    /// Starts it by `tool` with these arguments.
    pub fn under(mut self, tool: &[&str]) -> Self {
        self.tool = tool.iter().map(ToString::to_string).collect();
        self
    }

    /// Something for the child to know.
    pub fn argument(mut self, argument: impl fmt::Display) -> Self {
        self.argument = argument.to_string();
        self
    }

    /// A copy of this program, for users who may not read the original.
    pub fn program(mut self, path: PathBuf) -> Self {
        self.program = Some(path);
        self
    }

    /// In the child: calls `body`, and `None`. Else: starts the child, waits for its end, and tells of it.
    pub fn run(self, body: impl FnOnce(&str)) -> Option<Ended> {
        self.start(body).map(Running::end)
    }

    /// As [`run`](Self::run), without waiting.
    pub fn start(self, body: impl FnOnce(&str)) -> Option<Running> {
        if std::env::var(CASE).is_ok_and(|case| case == self.test) {
            body(&std::env::var(ARGUMENT).unwrap_or_default());
            return None;
        }
        let program = self.program.unwrap_or_else(|| std::env::current_exe().expect("a path"));
        let mut words = self.tool.into_iter();
        let mut command = match words.next() {
            Some(tool) => {
                let mut command = Command::new(tool);
                command.args(words).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        command
            .args(["--exact", self.test, "--nocapture", "--test-threads=1"])
            .env(CASE, self.test)
            .env(ARGUMENT, &self.argument)
            .env("RUST_BACKTRACE", "0")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = format!("{} [{}]", self.test, self.argument);
        Some(Running::new(name, command))
    }
}

/// True in a child.
pub fn is_child() -> bool {
    std::env::var_os(CASE).is_some()
}

/// True under a sanitizer, which has threads, descriptors and memory of its own.
pub fn is_sanitized() -> bool {
    ["TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// True if `tool` can be used here; else says what is skipped. In a child it was used already.
pub fn have(tool: &[&str], what: &str) -> bool {
    if is_child() {
        return true;
    }
    if is_sanitized() {
        eprintln!("SKIPPED: {what}: `{}` and a sanitizer get into each other's way", tool[0]);
        return false;
    }
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null());
    let works = command.status().is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: {what}: `{}` is absent or not permitted here", tool.join(" "));
    }
    works
}

/// A child that runs.
pub struct Running {
    name: String,
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: String,
    stderr: Option<JoinHandle<String>>,
    deadline: Instant,
}

impl Running {
    fn new(name: String, mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let stdin = child.stdin.take();
        let deadline = Instant::now() + LIMIT;
        Self { name, child, stdin, lines, seen: String::new(), stderr: Some(stderr), deadline }
    }

    /// Its process id; that of the tool, if there is one.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the child prints after `key` and a blank, at the beginning of a line.
    pub fn line(&mut self, key: &str) -> String {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                self.kill();
                panic!("{} never printed `{key}`; it printed:\n{}", self.name, self.seen);
            };
            self.seen.push_str(&line);
            self.seen.push('\n');
            // The test harness may have begun the line.
            if let Some((_, rest)) = line.split_once(&format!("{key} ")) {
                return rest.to_owned();
            }
        }
    }

    /// Writes a line to the child's stdin.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open until the end");
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{} has gone: {error}", self.name));
    }

    fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let (status, in_time) = loop {
            match self.child.try_wait().expect("a child of this process") {
                Some(status) => break (status, true),
                None if Instant::now() >= self.deadline => {
                    self.kill();
                    break (ExitStatus::from_raw(9), false);
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let stderr = self.stderr.take().expect("taken only here").join().expect("a reader");
        let rest: Vec<String> = self.lines.iter().collect();
        let stdout = std::mem::take(&mut self.seen) + &rest.join("\n");
        let ended = Ended { name: std::mem::take(&mut self.name), status, stdout, stderr };
        assert!(in_time, "it hangs: {ended}");
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() && matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// How a child ended.
pub struct Ended {
    name: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Its assertions held.
    pub fn well(self) -> Self {
        assert!(self.status.success(), "{self}");
        assert!(self.stdout.contains("1 passed") || self.stdout.contains("left early"), "{self}");
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, status, stdout, stderr } = self;
        write!(f, "{name}: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// How many threads and descriptors this process has.
pub fn belongings() -> (usize, usize) {
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/self/{what}"));
        entries.expect("a descriptor to count with").count()
    };
    (count("task"), count("fd"))
}

/// Waits until this process has no more than it had `before`; a thread that was joined may be listed for a
/// moment longer.
pub fn assert_nothing_left(before: (usize, usize)) {
    wait_until("threads and descriptors are given back", || {
        let now = belongings();
        now.0 <= before.0 && now.1 <= before.1
    });
}

/// Waits for something that must happen; how long is no matter.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT / 2;
    while !is_so() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
