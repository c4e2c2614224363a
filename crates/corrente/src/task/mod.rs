//! Tasks, and what is made of several of them.

pub mod as_completed;
pub mod branches;
pub mod callback;
pub mod create;
pub mod error_group;
pub mod future;
pub mod gather;
pub mod group;
pub mod outcome;
pub mod shield;
pub mod wait;
