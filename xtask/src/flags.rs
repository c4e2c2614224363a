//! The grammar of the command line: a table for the help, and one function that reads it.
//!
//! A new command is a row in [`COMMANDS`], a variant of [`Request`], a line in [`parse`] and a line
//! in `main.rs`.

use crate::sanitize::Kind;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Print this text.
    Help(String),
    /// All steps of the continuous integration, or only the named ones.
    Ci { steps: Vec<String> },
    /// The rules of the house.
    Tidy,
    /// The models, with few preemptions or with more.
    Loom { crates: Vec<String>, long: bool },
    /// The planted bugs: each must turn a model red.
    Planted { crates: Vec<String> },
    /// The tests under a sanitizer.
    Sanitize { kind: Kind, crates: Vec<String> },
    /// The instructions of the hot paths.
    Count { accept: bool },
    /// The crates with the oldest compiler they promise to build with.
    Msrv,
    /// The book: its links, and its pages if mdbook is here.
    Book,
    /// The benchmarks; `bench.rs` reads its own arguments.
    Bench(Vec<String>),
    /// The scenarios beside CPython; `conformance.rs` reads its own arguments.
    Conformance(Vec<String>),
}

struct Command {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    detail: &'static str,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        arguments: "[STEP…]",
        summary: "all checks that a change must pass, or only the named steps",
        detail: "Steps, in this order: fmt, clippy, tidy, tests, doctests, docs, book,\n\
                 count, conformance, msrv, loom.\n\
                 A step whose tool is absent is skipped, and says so.",
    },
    Command {
        name: "tidy",
        arguments: "",
        summary: "the rules of the house: layers, unsafe, openings, links …",
        detail: "The tables it reads stand in docs/src/architecture.md. The same rules run as a unit\n\
                 test (`cargo test -p xtask`). File and function sizes are reported, never refused.",
    },
    Command {
        name: "loom",
        arguments: "[CRATE…] [--long] [--planted]",
        summary: "the models of every crate that has tests/loom*.rs",
        detail: "--long     explores 3 preemptions per run in place of 2 (much slower)\n\
                 --planted  replays crates/*/planted/*.patch: each bug must turn a model red (those\n\
                 that the scenarios must notice: conformance --mutations)\n\
                 CRATE      with or without `corrente-` in front",
    },
    Command {
        name: "sanitize",
        arguments: "address|leak|thread [CRATE…]",
        summary: "the tests of the runtime crates under a sanitizer",
        detail: "address and leak need the nightly toolchain. thread also needs a compiler with the\n\
                 source of std, which is taken from Debian's packages (unpacked under the\n\
                 target folder, nothing is installed). What is absent is skipped, and says so.",
    },
    Command {
        name: "count",
        arguments: "[--accept]",
        summary: "the instructions that the hot paths take, beside those they took",
        detail: "Needs valgrind; without it, it is skipped, and says so. Fails if a path takes 5 % more.\n\
                 --accept  keeps what was counted, in benches/count/counts.txt",
    },
    Command {
        name: "msrv",
        arguments: "",
        summary: "build the crates with the oldest compiler they promise",
        detail: "Takes the toolchain from rustup, or else from Debian's packages (unpacked under the\n\
                 target folder, nothing is installed).",
    },
    Command {
        name: "book",
        arguments: "",
        summary: "check every link of the book, and render it if mdbook is here",
        detail: "Only links inside the project are followed; the network is never used.",
    },
    Command {
        name: "bench",
        arguments: "…",
        summary: "corrente beside tokio and smol",
        detail: "`cargo xtask bench --help` says more.",
    },
    Command {
        name: "conformance",
        arguments: "[--record|--mutations] [--only TEXT] [--repeat N]",
        summary: "corrente's traces beside those of CPython's asyncio",
        detail: "`cargo xtask conformance --help` says more.",
    },
    Command {
        name: "help",
        arguments: "[COMMAND]",
        summary: "this list, or more on one command",
        detail: "",
    },
];

/// Reads the command line behind `cargo xtask`.
///
/// # Errors
/// A sentence that names what was not understood and what would be.
pub fn parse(args: &[String]) -> Result<Request, String> {
    let Some((command, rest)) = args.split_first() else {
        return Ok(Request::Help(overview()));
    };
    if !matches!(command.as_str(), "bench" | "conformance")
        && rest.iter().any(|arg| arg == "--help" || arg == "-h")
    {
        return Ok(Request::Help(help(command)?));
    }
    match command.as_str() {
        "ci" => Ok(Request::Ci { steps: names(command, rest)? }),
        "tidy" => nothing_more(command, rest, Request::Tidy),
        "loom" => loom(rest),
        "sanitize" => sanitize(rest),
        "count" => match rest {
            [] => Ok(Request::Count { accept: false }),
            [accept] if accept == "--accept" => Ok(Request::Count { accept: true }),
            _ => Err(format!("count does not take that\n\n{}", help("count")?)),
        },
        "msrv" => nothing_more(command, rest, Request::Msrv),
        "book" => nothing_more(command, rest, Request::Book),
        "bench" => Ok(Request::Bench(rest.to_vec())),
        "conformance" => Ok(Request::Conformance(rest.to_vec())),
        "help" | "--help" | "-h" => match rest {
            [] => Ok(Request::Help(overview())),
            [about, ..] => Ok(Request::Help(help(about)?)),
        },
        unknown => Err(format!("there is no command `{unknown}`\n\n{}", overview())),
    }
}

fn loom(rest: &[String]) -> Result<Request, String> {
    let (switches, crates): (Vec<String>, Vec<String>) =
        rest.iter().cloned().partition(|arg| arg.starts_with('-'));
    let crates = packages(&crates);
    match switches.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Request::Loom { crates, long: false }),
        ["--long"] => Ok(Request::Loom { crates, long: true }),
        ["--planted"] => Ok(Request::Planted { crates }),
        _ => Err(format!("loom does not take {}\n\n{}", switches.join(" "), help("loom")?)),
    }
}

fn sanitize(rest: &[String]) -> Result<Request, String> {
    let Some((kind, crates)) = rest.split_first() else {
        return Err(format!("sanitize: which one?\n\n{}", help("sanitize")?));
    };
    let kind = Kind::named(kind)
        .ok_or_else(|| format!("there is no sanitizer `{kind}`: address, leak, thread"))?;
    Ok(Request::Sanitize { kind, crates: packages(&names("sanitize", crates)?) })
}

fn names(command: &str, rest: &[String]) -> Result<Vec<String>, String> {
    match rest.iter().find(|arg| arg.starts_with('-')) {
        Some(switch) => Err(format!("{command} does not take {switch}\n\n{}", help(command)?)),
        None => Ok(rest.to_vec()),
    }
}

fn nothing_more(command: &str, rest: &[String], request: Request) -> Result<Request, String> {
    match rest.first() {
        None => Ok(request),
        Some(extra) => Err(format!("{command} takes no `{extra}`\n\n{}", help(command)?)),
    }
}

/// `task` is short for `corrente-task`.
fn packages(crates: &[String]) -> Vec<String> {
    let full = |name: &String| match name.starts_with("corrente") {
        true => name.clone(),
        false => format!("corrente-{name}"),
    };
    crates.iter().map(full).collect()
}

fn overview() -> String {
    let mut text =
        String::from("Every check and chore of the project.\n\nUsage: cargo xtask COMMAND\n");
    let usage = |command: &Command| format!("{} {}", command.name, command.arguments);
    let width = COMMANDS.iter().map(|command| usage(command).chars().count()).max().unwrap_or(0);
    for command in COMMANDS {
        text.push_str(&format!("\n  {:<width$}  {}", usage(command), command.summary));
    }
    text
}

fn help(name: &str) -> Result<String, String> {
    let command = COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| format!("there is no command `{name}`\n\n{}", overview()))?;
    let usage = format!("cargo xtask {} {}", command.name, command.arguments);
    Ok(format!("{}\n\n{}\n\n{}", usage.trim_end(), command.summary, command.detail)
        .trim_end()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn crates_may_be_named_in_short() {
        let crates = list(&["corrente-task", "corrente-sync"]);
        assert_eq!(
            read("loom task corrente-sync --long"),
            Ok(Request::Loom { crates, long: true })
        );
    }

    #[test]
    fn sanitizers_are_named() {
        let crates = list(&["corrente-timer"]);
        let kind = Kind::Thread;
        assert_eq!(read("sanitize thread timer"), Ok(Request::Sanitize { kind, crates }));
        assert!(read("sanitize heat").unwrap_err().contains("`heat`"));
        assert!(read("sanitize").unwrap_err().contains("address|leak|thread"));
    }

    #[test]
    fn bench_reads_its_own_arguments() {
        let args = list(&["--help", "echo"]);
        assert_eq!(read("bench --help echo"), Ok(Request::Bench(args)));
    }

    #[test]
    fn every_command_of_the_table_is_understood() {
        for command in COMMANDS {
            assert!(help(command.name).is_ok());
            let line = match command.name {
                "sanitize" => "sanitize leak",
                other => other,
            };
            assert!(read(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(read("tidy up").unwrap_err().contains("`up`"));
        assert!(read("ci --quick").unwrap_err().contains("--quick"));
        assert!(read("dance").unwrap_err().contains("`dance`"));
        assert!(read("loom --long --planted").unwrap_err().contains("--long --planted"));
    }
}
