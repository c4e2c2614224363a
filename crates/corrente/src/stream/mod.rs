//! asyncio's streams: a reader with a buffer, a writer that never waits, servers made of them.
//!
//! Bytes live in the stream, never in a future. A read that is cancelled has taken nothing out of the
//! buffer, whatever it was waiting for; tokio's `read_exact` and `read_line` lose what they had.

mod buffer;
mod connect;
mod duplex;
mod lines;
mod read_error;
mod reader;
mod search;
mod server;
mod writer;

#[cfg(unix)]
pub use connect::open_unix_connection;
pub use connect::{open_connection, open_stream};
pub use duplex::{DuplexStream, duplex};
pub use lines::Lines;
pub use read_error::ReadError;
pub use reader::StreamReader;
#[cfg(unix)]
pub use server::start_unix_server;
pub use server::{Server, start_server};
pub use writer::StreamWriter;

/// How many bytes a line may have, and half of what a reader keeps, unless told otherwise. asyncio: 64 KiB.
pub const DEFAULT_LIMIT: usize = 64 * 1024;
