//! What a user of the cell may count on: one file for each situation, one program for all of them.

mod cancel;
mod common;
