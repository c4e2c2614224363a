//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

/// What the command line takes.
pub const USAGE: &str = "\
usage: cargo xtask bench [--scaling|--floors] [--only A,B] [--runtimes A,B] [--rounds N] [--quick] [--json FILE]
  --only A,B       workloads or metrics by name (default: all)
  --runtimes A,B   tokio, tokio_ct, smol, limits, corrente (default: all; ratios refer to tokio)
  --rounds N       how often each is sampled, 1 to 100 (default: 5)
  --quick          corrente and tokio, the metrics only, up to 3 rounds in less than 90 seconds
  --json FILE      also writes every sample there
  --scaling        instead: the cost of an operation with 1, 10 and 100 times as many at once,
                   for corrente and tokio, 3 rounds
  --floors         instead: the rows in which a peer has been ahead, beside programs that do
                   nothing else (benches/floor)";

/// The command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Workloads or metrics by name; all if empty.
    pub only: Vec<String>,
    /// Runtimes by name; all if empty.
    pub runtimes: Vec<String>,
    /// How often each workload is sampled on each runtime.
    pub rounds: usize,
    /// The metrics only, and not for long.
    pub quick: bool,
    /// How costs grow, in place of all else.
    pub scaling: bool,
    /// What the machine gives, in place of all else.
    pub floors: bool,
    /// Where every sample goes, too.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Takes `args` apart.
    ///
    /// # Errors
    /// A sentence on the first argument that makes no sense, with the usage.
    pub fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value =
                || args.next().ok_or_else(|| format!("bench: {arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--only" => options.only = names(value()?),
                "--runtimes" => options.runtimes = names(value()?),
                "--rounds" => options.rounds = rounds(value()?)?,
                "--json" => options.json = Some(PathBuf::from(value()?)),
                "--quick" => options.quick = true,
                "--scaling" => options.scaling = true,
                "--floors" => options.floors = true,
                unknown => return Err(format!("bench: {unknown} is no option\n{USAGE}")),
            }
        }
        if options.scaling && options.floors {
            return Err(format!("bench: --scaling and --floors are two commands\n{USAGE}"));
        }
        if options.rounds == 0 {
            options.rounds = if options.quick || options.scaling { 3 } else { 5 };
        }
        if (options.quick || options.scaling) && options.runtimes.is_empty() {
            options.runtimes = names("tokio,corrente");
        }
        Ok(options)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn rounds(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|rounds| (1..=100).contains(rounds))
        .ok_or_else(|| format!("bench: --rounds takes a number from 1 to 100, not {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_and_quick() {
        let options = parse("").unwrap();
        assert_eq!((options.rounds, options.quick, options.runtimes.len()), (5, false, 0));
        let quick = parse("--quick").unwrap();
        assert_eq!(
            (quick.rounds, quick.runtimes),
            (3, vec!["tokio".to_owned(), "corrente".to_owned()])
        );
    }

    #[test]
    fn scaling_is_for_two_runtimes_unless_others_are_named() {
        let named = |line| parse(line).map(|options| (options.rounds, options.runtimes));
        assert_eq!(named("--scaling"), Ok((3, names("tokio,corrente"))));
        assert_eq!(named("--scaling --runtimes smol --rounds 1"), Ok((1, names("smol"))));
    }

    #[test]
    fn everything_given() {
        let options =
            parse("--only echo_1,tree --runtimes smol --rounds 2 --json out.json").unwrap();
        assert_eq!(options.only, ["echo_1", "tree"]);
        assert_eq!(options.runtimes, ["smol"]);
        assert_eq!((options.rounds, options.json), (2, Some(PathBuf::from("out.json"))));
    }

    #[test]
    fn nonsense_is_named() {
        for (line, word) in [
            ("--rounds 0", "1 to 100"),
            ("--fast", "--fast"),
            ("--json", "needs a value"),
            ("--floors --scaling", "two commands"),
        ] {
            assert!(parse(line).unwrap_err().contains(word), "{line}");
        }
    }
}
