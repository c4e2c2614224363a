//! What a user of the cell may count on: one file for each situation, one program for all of them.

mod bounds;
mod budget;
mod cancel;
mod common;
mod context;
mod drop_order;
mod handles;
mod local;
mod panic;
mod root;
mod sizes;
mod wake_races;
