//! The messages for the likeliest mistakes: each names the way out.
//!
//! The texts around them are the compiler's and change with it, so they are compared with one version only.

const VERSION: &str = "rustc 1.95.";

#[test]
fn mistakes_are_answered_with_a_remedy() {
    let output = std::process::Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(version) if version.starts_with(VERSION) => {
            trybuild::TestCases::new().compile_fail("tests/ui/*.rs")
        }
        other => {
            eprintln!("SKIPPED: these messages were recorded with {VERSION}x, not with {other:?}")
        }
    }
}
