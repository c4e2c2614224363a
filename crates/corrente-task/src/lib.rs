//! The task cell of the corrente runtime: one allocation, one state word, one scope tree.
