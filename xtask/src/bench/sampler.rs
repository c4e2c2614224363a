//! Takes samples: builds the sample program, runs it in fresh processes, takes disturbed samples again.

use super::machine::{Disturbance, Ticks};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one sample may take. The longest takes about three seconds when all is well.
const TIME_LIMIT: Duration = Duration::from_secs(40);

/// What stands for a runtime where the workload's own program in `benches/floor` is meant.
pub const FLOOR: &str = "floor";

/// One workload, run once on one runtime.
#[derive(Clone)]
pub struct Sample {
    /// What it found, by name.
    pub figures: Vec<(String, f64)>,
    /// What happened beside it.
    pub disturbance: Disturbance,
    /// How many were thrown away for this one.
    pub retries: u32,
}

impl Sample {
    /// The figure called `key`.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == key).map(|(_, value)| *value)
    }
}

/// Why there is no sample.
pub enum NoSample {
    /// The runtime has no such workload.
    NotThere,
    /// It crashed, found a wrong result, or took too long.
    Failed(String),
}

/// What the sample program can run.
pub struct Offer {
    /// Runtimes by name.
    pub runtimes: Vec<String>,
    /// Workloads by name, with what one operation is.
    pub workloads: Vec<(String, String)>,
}

/// Runs the sample program.
pub struct Sampler {
    program: PathBuf,
    retries_left: u32,
    retries_until: Option<Instant>,
    /// Samples thrown away because something else was going on.
    pub thrown_away: u32,
    /// Samples kept although something else was going on, since the retries were used up.
    pub kept_disturbed: u32,
}

impl Sampler {
    /// Builds the sample program in release mode.
    ///
    /// # Errors
    /// A sentence, when it does not build.
    pub fn build(root: &Path) -> Result<Sampler, String> {
        let program = build(root, &["--package", "corrente-benches", "--bin", "sample"])?;
        Ok(Sampler {
            program,
            retries_left: 0,
            retries_until: None,
            thrown_away: 0,
            kept_disturbed: 0,
        })
    }

    /// Builds the floors, too, into the same folder.
    ///
    /// # Errors
    /// A sentence, when they do not build.
    pub fn build_floors(&self, root: &Path) -> Result<(), String> {
        build(root, &["--package", "corrente-floor", "--bins"]).map(drop)
    }

    /// Allows so many retries in all, and none after `until`.
    pub fn allow_retries(&mut self, retries: u32, until: Option<Instant>) {
        self.retries_left = retries;
        self.retries_until = until;
    }

    /// What can be run.
    ///
    /// # Errors
    /// A sentence, when the program does not say.
    pub fn offer(&self) -> Result<Offer, String> {
        let output = Command::new(&self.program)
            .arg("--list")
            .output()
            .map_err(|error| format!("bench: the sample program does not start: {error}"))?;
        let mut offer = Offer { runtimes: Vec::new(), workloads: Vec::new() };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
                ["runtime", name] => offer.runtimes.push(name.to_owned()),
                ["workload", name, operation] => {
                    offer.workloads.push((name.to_owned(), operation.to_owned()))
                }
                _ => return Err(format!("bench: the sample program lists `{line}`")),
            }
        }
        Ok(offer)
    }

    /// Takes one sample, again if it was disturbed and there are retries left; the least disturbed counts.
    ///
    /// # Errors
    /// [`NoSample`]; a failure is never tried again.
    pub fn take(&mut self, runtime: &str, workload: &str) -> Result<Sample, NoSample> {
        const AT_MOST: u32 = 3;
        let mut best = self.once(runtime, workload)?;
        while best.disturbance.is_too_much() {
            let too_late = self.retries_until.is_some_and(|until| Instant::now() > until);
            if too_late || self.retries_left == 0 || best.retries == AT_MOST {
                self.kept_disturbed += 1;
                break;
            }
            self.retries_left -= 1;
            self.thrown_away += 1;
            let retries = best.retries + 1;
            let next = self.once(runtime, workload)?;
            if next.disturbance.total() < best.disturbance.total() {
                best = next;
            }
            best.retries = retries;
        }
        Ok(best)
    }

    fn once(&self, runtime: &str, workload: &str) -> Result<Sample, NoSample> {
        let before = Ticks::now();
        let line = match runtime {
            FLOOR => run(&self.program.with_file_name(workload), &[], TIME_LIMIT)?,
            _ => run(&self.program, &[runtime, workload], TIME_LIMIT)?,
        };
        let disturbance = Ticks::now().since(before);
        let figures = line
            .split_ascii_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?)))
            .collect();
        Ok(Sample { figures, disturbance, retries: 0 })
    }
}

/// Builds programs in release mode; the path of the last of them.
fn build(root: &Path, which: &[&str]) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--release"])
        .args(which)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("bench: cargo does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("bench: {} does not build", which.join(" ")));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages).ok_or_else(|| "bench: cargo names no program".to_owned())
}

/// Runs the program to its end or to `limit`; the line that it printed.
fn run(program: &Path, arguments: &[&str], limit: Duration) -> Result<String, NoSample> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| NoSample::Failed(format!("does not start: {error}")))?;
    // Two threads read, so that this one need not poll, which would disturb the sample.
    let printed = reader(child.stdout.take());
    let complained = reader(child.stderr.take());
    let Ok(line) = printed.recv_timeout(limit) else {
        stop(&mut child);
        return Err(NoSample::Failed(format!("took longer than {limit:?}")));
    };
    let status =
        child.wait().map_err(|error| NoSample::Failed(format!("cannot be waited for: {error}")))?;
    match status.code() {
        Some(0) => Ok(line),
        Some(2) => Err(NoSample::NotThere),
        _ => {
            let complaint = complained.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            let complaint = complaint.lines().take(3).collect::<Vec<_>>().join(" ");
            Err(NoSample::Failed(format!("ended with {status}: {complaint}")))
        }
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let mut stream = stream.expect("the stream is piped");
    thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is missing, and missing figures are noticed; nobody may be left to receive.
        let _ = stream.read_to_string(&mut text);
        let _ = sender.send(text);
    });
    receiver
}

fn stop(child: &mut Child) {
    // Both fail only if it has ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// The path that cargo's messages give for the program.
fn executable(messages: &str) -> Option<PathBuf> {
    let key = "\"executable\":\"";
    messages.lines().rev().find_map(|line| {
        let rest = &line[line.find(key)? + key.len()..];
        Some(PathBuf::from(rest[..rest.find('"')?].replace("\\\\", "\\")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_executable_that_cargo_names() {
        let messages = "{\"executable\":null}\n{\"executable\":\"/a/sample\",\"fresh\":true}\n{\"success\":true}";
        assert_eq!(executable(messages), Some(PathBuf::from("/a/sample")));
        assert_eq!(executable("{\"executable\":null}"), None);
    }

    /// Runs a line of shell as if it were the sample program.
    #[cfg(unix)]
    fn shell(line: &str, limit: Duration) -> Result<String, NoSample> {
        run(Path::new("/bin/sh"), &["-c", line], limit)
    }

    #[cfg(unix)]
    #[test]
    fn every_way_a_sample_can_end() {
        let minute = Duration::from_secs(60);
        assert!(matches!(shell("echo ns=1", minute), Ok(line) if line == "ns=1\n"));
        assert!(matches!(shell("exit 2", minute), Err(NoSample::NotThere)));
        let wrong = shell("echo the sum is wrong >&2; exit 101", minute);
        assert!(
            matches!(wrong, Err(NoSample::Failed(reason)) if reason.contains("the sum is wrong"))
        );
        let hangs = shell("exec sleep 60", Duration::from_millis(50));
        assert!(
            matches!(hangs, Err(NoSample::Failed(reason)) if reason.contains("longer than 50ms"))
        );
    }
}
