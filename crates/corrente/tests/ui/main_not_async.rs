//! The attribute on a plain function, and one with an unknown option.

#[corrente::main]
fn main() {}

#[corrente::test(threads = 2)]
async fn test() {}
