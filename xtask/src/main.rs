//! Every check and chore of the project, one command each.
#![forbid(unsafe_code)]

mod bench;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((command, rest)) if command == "bench" => bench::run(rest),
        _ => Err("usage: cargo xtask bench".to_owned()),
    };
    if let Err(reason) = outcome {
        eprintln!("xtask: {reason}");
        std::process::exit(1);
    }
}
