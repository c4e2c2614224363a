//! The rules of the house that a machine can check.
//!
//! Each rule is a file under `tidy/` and a row in [`RULES`]; it looks at the [`House`] and gives
//! back one line for each thing it found, empty if all is well. `cargo test -p xtask` runs the same
//! rules, so a plain `cargo test` tells.

mod chains;
mod layers;
mod leftovers;
mod links;
mod openings;
mod patches;
mod paths;
mod sizes;
mod switches;
mod tables;
mod tokens;
mod unsafety;

pub use links::check as check_links;

use crate::workspace::Workspace;
use proc_macro2::TokenStream;

/// What the rules look at.
pub struct House<'a> {
    workspace: &'a Workspace,
    /// Every file, seen from the root.
    files: Vec<String>,
    /// The Rust files, but for those that are meant to be wrong.
    rust: Vec<RustFile>,
    /// The text of docs/src/architecture.md, which holds the tables.
    architecture: String,
}

struct RustFile {
    path: String,
    text: String,
    tokens: TokenStream,
}

type Rule = fn(&House) -> Result<Vec<String>, String>;

const RULES: &[(&str, Rule)] = &[
    ("dependencies follow the table of layers", layers::check),
    ("unsafe has an address and a reason", unsafety::check),
    ("build switches stay in their places", switches::check),
    ("every source file says what it is", openings::check),
    ("no let chains: the oldest compiler does not know them", chains::check),
    ("nothing is left half done", leftovers::check),
    ("no path of somebody's machine", paths::check),
    ("links and named files are there", links::check_house),
    ("planted bugs still fit", patches::check),
];

/// `cargo xtask tidy`
pub fn run(workspace: &Workspace) -> Result<(), String> {
    let house = House::look(workspace)?;
    let mut broken = 0;
    for (rule, findings) in judge(&house)? {
        println!("{} {rule}", if findings.is_empty() { "ok  " } else { "FAIL" });
        for finding in &findings {
            println!("       {finding}");
        }
        broken += usize::from(!findings.is_empty());
    }
    print!("{}", sizes::report(&house));
    println!("tidy: {} rules hold, {broken} broken", RULES.len() - broken);
    if broken > 0 { Err("the house is not tidy".to_owned()) } else { Ok(()) }
}

fn judge(house: &House) -> Result<Vec<(&'static str, Vec<String>)>, String> {
    RULES.iter().map(|&(rule, check)| Ok((rule, check(house)?))).collect()
}

impl<'a> House<'a> {
    fn look(workspace: &'a Workspace) -> Result<Self, String> {
        let files = workspace.files()?;
        let mut rust = Vec::new();
        for path in files.iter().filter(|file| file.ends_with(".rs") && !meant_to_be_wrong(file)) {
            rust.push(RustFile::read(path, workspace.text(path)?)?);
        }
        let architecture = workspace.text("docs/src/architecture.md")?;
        Ok(Self { workspace, files, rust, architecture })
    }
}

impl RustFile {
    fn read(path: &str, text: String) -> Result<Self, String> {
        let tokens = text
            .parse()
            .map_err(|error: proc_macro2::LexError| format!("{path}: not Rust: {error}"))?;
        Ok(Self { path: path.to_owned(), text, tokens })
    }
}

/// Programs that a test shows to the compiler for the sake of its complaint live in `ui/` folders.
fn meant_to_be_wrong(file: &str) -> bool {
    file.contains("/ui/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let workspace = Workspace::find().expect("cargo metadata");
        let house = House::look(&workspace).expect("the project's files");
        let mut found = String::new();
        for (rule, findings) in judge(&house).expect("the rules can be read") {
            for finding in findings {
                found.push_str(&format!("{rule}: {finding}\n"));
            }
        }
        assert!(found.is_empty(), "\n{found}");
    }
}
