//! What corrente-sync promises: one file for each promise, in one program, since that builds faster.

mod common;
mod line;
mod oracle;
mod waiter;

mod against_oracle;
mod cancel_hands_on;
mod close;
mod fifo_order;
mod in_tasks;
mod meaning;
mod misuse;
mod no_barging;
mod send_sync;
mod threads;
mod user_code;
