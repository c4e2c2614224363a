//! The echo server itself.

use corrente::io::{AsyncReadExt, AsyncWriteExt};
use corrente::net::{TcpListener, TcpStream};
use std::io;

/// Accepts connections for ever, and answers each in a task of its own.
pub async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(corrente::create_task(answer(stream))),
            // Out of descriptors: `accept` has rested already, and clients that leave free some.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// A client that vanishes ends its own task and nothing else.
async fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = (&stream).read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        (&stream).write_all(&buffer[..read]).await?;
    }
}
