//! `cargo xtask bench`: corrente beside tokio and smol, the same work for each.

/// Runs the command with what stands behind `bench` on the command line.
///
/// # Errors
/// One sentence on what failed; `main` prints it and exits with 1.
pub fn run(_args: &[String]) -> Result<(), String> {
    Err("bench: no benchmark is there yet".to_owned())
}
