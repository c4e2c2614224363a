//! The Rust blocks of the README and of the book, compiled as doctests. Nothing of it is in the library.

macro_rules! pages {
    ($($name:ident = $file:literal;)*) => { $(
        #[doc = include_str!($file)]
        struct $name;
    )* };
}

pages! {
    Readme = "../../../README.md";
    Introduction = "../../../docs/src/introduction.md";
    FromAsyncio = "../../../docs/src/from_asyncio.md";
    TasksAndErrors = "../../../docs/src/tasks_and_errors.md";
    Cancellation = "../../../docs/src/cancellation.md";
    Waiting = "../../../docs/src/waiting.md";
    Differences = "../../../docs/src/differences.md";
}
