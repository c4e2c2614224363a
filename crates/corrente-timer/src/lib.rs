//! A hierarchical timer wheel, and sharded timers made of it.
