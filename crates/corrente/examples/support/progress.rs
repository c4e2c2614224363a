//! A line that shows how far a program has come.

use std::io::{IsTerminal, Write};

/// A line on stderr that is written over by the next one, if stderr is a terminal.
pub fn progress(line: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{line}");
        let _ = stderr.flush();
    }
}
