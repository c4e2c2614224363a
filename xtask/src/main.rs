//! Every check and chore of the project, one command each: `cargo xtask help` lists them.
//!
//! `flags.rs` holds the grammar and its help, this file the one `match`, and each command its own
//! file. A command prints what it does to stdout and closes with one line that stands alone; a
//! failure is one sentence on stderr and exit code 1, a wrong command line exit code 2.
#![forbid(unsafe_code)]

mod bench;
mod book;
mod ci;
mod conformance;
mod count;
mod debian;
mod flags;
mod loom;
mod msrv;
mod planted;
mod sanitize;
mod shell;
mod tidy;
mod workspace;

use flags::Request;
use workspace::Workspace;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let request = flags::parse(&args).unwrap_or_else(|reason| {
        eprintln!("xtask: {reason}");
        std::process::exit(2);
    });
    if let Err(reason) = carry_out(request) {
        eprintln!("xtask: {reason}");
        std::process::exit(1);
    }
}

fn carry_out(request: Request) -> Result<(), String> {
    let workspace = Workspace::find;
    match request {
        Request::Help(text) => {
            println!("{text}");
            Ok(())
        }
        Request::Ci { steps } => ci::run(&workspace()?, &steps),
        Request::Tidy => tidy::run(&workspace()?),
        Request::Loom { crates, long } => loom::run(&workspace()?, &crates, long),
        Request::Planted { crates } => planted::run(&workspace()?, &crates),
        Request::Sanitize { kind, crates } => sanitize::run(&workspace()?, kind, &crates),
        Request::Count { accept } => count::run(&workspace()?, accept),
        Request::Msrv => msrv::run(&workspace()?),
        Request::Book => book::run(&workspace()?),
        Request::Bench(args) => bench::run(&args),
        Request::Conformance(args) => conformance::run(&workspace()?, &args),
    }
}
