//! Tests that leak on purpose run in a process of their own, which no leak checker looks at.

use std::process::Command;

/// True in the child process, which runs the test `name` alone. The parent waits for it and sees that it
/// succeeds.
pub fn in_a_child(name: &str) -> bool {
    const NAME: &str = "CORRENTE_CHILD";
    if std::env::var(NAME).is_ok_and(|other| other == name) {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name]).env(NAME, name);
    child.env("ASAN_OPTIONS", "detect_leaks=0").env("LSAN_OPTIONS", "detect_leaks=0");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}
