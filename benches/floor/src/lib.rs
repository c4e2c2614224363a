//! What several floors share. Each program is in `src/bin`.
#![forbid(unsafe_code)]

pub mod pairs;
