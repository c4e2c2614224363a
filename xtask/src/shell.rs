//! Running other programs: quietly, in view, or in view with an ear on what they print.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};

/// `command` as one could type it, for a headline or an error.
pub fn line(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
    }
    words.push(quoted(&command.get_program().to_string_lossy()));
    words.extend(command.get_args().map(|arg| quoted(&arg.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    match word.is_empty() || word.contains([' ', '*', '\'', '"', '$']) {
        true => format!("'{}'", word.replace('\'', r"'\''")),
        false => word.to_owned(),
    }
}

/// `1 model`, `2 models`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Tells a person who waits what goes on; says nothing to a file.
pub fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{text}");
    }
}

/// Runs `command` in view; an error unless it exits with 0.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("`{}` cannot be started: {error}", line(command)))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{}` failed: {status}", line(command))),
    }
}

/// Runs `command` out of view and gives what it printed; an error, with its complaint, unless it
/// exits with 0.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{}` cannot be started: {error}", line(command)))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{}` failed: {}\n{complaint}", line(command), output.status))
        }
    }
}

/// Whether `command` can be started and exits with 0. Out of view.
pub fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// Whether a program of this name is on the path.
pub fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| {
        folder.join(program).is_file() || folder.join(format!("{program}.exe")).is_file()
    })
}

/// Runs a `cargo test` in view and counts the tests that passed; an error unless it exits with 0.
pub fn run_tests(command: &mut Command) -> Result<u64, String> {
    let failure = |reason: String, command: &Command| format!("`{}`: {reason}", line(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failure(format!("cannot be started: {error}"), command))?;
    let mut passed = 0;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            passed += passed_in(&text).unwrap_or(0);
            println!("{text}");
        }
    }
    let status = child.wait().map_err(|error| failure(error.to_string(), command))?;
    match status.success() {
        true => Ok(passed),
        false => Err(failure(format!("failed: {status}"), command)),
    }
}

/// The count in libtest's closing line.
pub fn passed_in(text: &str) -> Option<u64> {
    let counts = text.strip_prefix("test result: ")?;
    let words: Vec<&str> = counts.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("passed"))?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_one_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["test", "--test", "loom*"]).env("RUSTFLAGS", "--cfg x");
        assert_eq!(line(&command), "RUSTFLAGS='--cfg x' cargo test --test 'loom*'");
    }

    #[test]
    fn the_closing_line_of_libtest_is_read() {
        let text = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out";
        assert_eq!(passed_in(text), Some(12));
        assert_eq!(passed_in("running 12 tests"), None);
        assert_eq!(passed_in("test result: "), None);
    }

    #[test]
    fn a_failure_names_the_command() {
        assert!(
            output(&mut Command::new("no-such-program")).unwrap_err().contains("no-such-program")
        );
        assert!(!found("no-such-program"));
    }
}
