//! Every check and chore of the project, one command each.
fn main() {}
