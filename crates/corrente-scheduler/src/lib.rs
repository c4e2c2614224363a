//! The work-stealing scheduler of the corrente runtime.
