//! A TCP server that sends back whatever it gets.
//!
//!     cargo run --release --example echo_server -- 127.0.0.1:7777
//!
//! It runs until Ctrl-C, then tells what its workers did.

#[path = "support/echo.rs"]
mod echo;
#[path = "support/show.rs"]
mod show;

use std::process::ExitCode;

fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7777".to_owned());
    let result = corrente::run(async {
        let listener = corrente::net::TcpListener::bind(&addr).await?;
        println!("listening at {}", listener.local_addr()?);
        let server = corrente::create_task(echo::serve(listener));
        corrente::signal::ctrl_c().await?;
        server.cancel();
        println!(
            "{}",
            show::workers(&corrente::get_running_loop().expect("in a runtime").metrics())
        );
        Ok::<(), std::io::Error>(())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}
