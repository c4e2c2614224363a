//! The command line: `cargo run --release -p corrente-fuzz -- [TARGET…] [--seconds N] [--seed N]`.
//!
//! Each target has the seconds in turn. A disagreement prints its input, and how to run it again; so does an input
//! that does not end. The exit code is 1 then, and 2 if the command line makes no sense.
#![forbid(unsafe_code)]

use corrente_fuzz::{TARGETS, Target, from_hex, hex, hunt};
use std::io::IsTerminal;
use std::process::exit;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HELP: &str = "\
Usage: cargo run --release -p corrente-fuzz -- [TARGET…] [OPTIONS]
  --seconds N   for each target (20)
  --inputs N    for each target, in place of a time
  --seed N      begins as another run did (the time)
  --replay HEX  runs one target on this input";

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Who runs on which input, and since when.
static NOW: Mutex<Option<(&str, Vec<u8>, Instant)>> = Mutex::new(None);

struct Options {
    targets: Vec<&'static Target>,
    seconds: u64,
    inputs: u64,
    seed: u64,
    replay: Option<Vec<u8>>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = parse(&arguments).unwrap_or_else(|reason| {
        eprintln!("fuzz: {reason}\n{HELP}");
        exit(2);
    });
    if let Some(input) = &options.replay {
        // Its panic is shown as panics are.
        (options.targets[0].run)(input);
        println!("fuzz: {}: no disagreement on {} bytes", options.targets[0].name, input.len());
        return;
    }
    std::thread::spawn(watch);
    std::panic::set_hook(Box::new(|_| ()));
    let mut inputs = 0;
    for target in &options.targets {
        inputs += run(target, &options);
    }
    let targets = options.targets.len();
    let s = if targets == 1 { "" } else { "s" };
    println!("fuzz: {targets} target{s}, {inputs} inputs, no disagreement");
}

/// How many inputs were tried.
fn run(target: &'static Target, options: &Options) -> u64 {
    if std::io::stderr().is_terminal() {
        eprintln!("{}: {}", target.name, target.what);
    }
    let begin = Instant::now();
    let hunted = hunt(target, options.seed, |number, input| {
        *NOW.lock().unwrap() = Some((target.name, input.to_vec(), Instant::now()));
        number < options.inputs && begin.elapsed().as_secs() < options.seconds
    });
    *NOW.lock().unwrap() = None;
    match hunted {
        Ok(inputs) => {
            println!("  {:<10} {inputs:>9} inputs, seed {}", target.name, options.seed);
            inputs
        }
        Err(failure) => {
            println!("  {:<10} seed {}, input {}", target.name, options.seed, failure.after);
            println!("{}", failure.message);
            println!("again: {}", again(target.name, &failure.input));
            println!("fuzz: {} disagrees", target.name);
            exit(1);
        }
    }
}

fn again(target: &str, input: &[u8]) -> String {
    format!("cargo run --release -p corrente-fuzz -- {target} --replay {}", hex(input))
}

/// Ends the process when an input does not end.
fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        if let Some((target, input, since)) = &*NOW.lock().unwrap() {
            if since.elapsed() > LIMIT {
                println!("again: {}", again(target, input));
                println!("fuzz: {target} hangs");
                exit(1);
            }
        }
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut options = Options {
        targets: Vec::new(),
        seconds: 20,
        inputs: u64::MAX,
        seed: time.as_secs(),
        replay: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        let number = |text: &String| text.parse().map_err(|_| format!("`{text}` is no number"));
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{HELP}");
                exit(0);
            }
            "--seconds" => options.seconds = number(value()?)?,
            "--inputs" => {
                options.inputs = number(value()?)?;
                options.seconds = u64::MAX;
            }
            "--seed" => options.seed = number(value()?)?,
            "--replay" => {
                let text = value()?;
                let bytes = from_hex(text).ok_or(format!("`{text}` is no input"))?;
                options.replay = Some(bytes);
            }
            name => {
                let target = TARGETS.iter().find(|target| target.name == name);
                options.targets.push(target.ok_or_else(|| unknown(name))?);
            }
        }
    }
    if options.replay.is_some() && options.targets.len() != 1 {
        return Err("--replay takes one target".to_owned());
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    format!("there is no target `{name}`: {}", names.join(", "))
}
