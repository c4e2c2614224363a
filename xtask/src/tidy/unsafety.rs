//! Unsafe has an address: only the files in the table of docs/src/architecture.md may hold the word,
//! each block and each impl has its SAFETY comment close above, and a crate without such a file
//! forbids it. A row whose file needs no unsafe any more has to go.

use super::tables::{matches, quoted, rows};
use super::tokens::{is_braces, is_word, levels, line};
use super::{House, RustFile};
use std::collections::BTreeSet;

/// How many lines above `unsafe` its reason may begin.
const NEAR: usize = 12;

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let table = rows(&house.architecture, "Files that may hold unsafe")?;
    let listed: Vec<String> = table[1..].iter().flat_map(|row| quoted(&row[0])).collect();
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for file in &house.rust {
        let uses = uses(file);
        let row = listed.iter().find(|pattern| matches(pattern, &file.path));
        if !uses.is_empty() {
            match row {
                Some(row) => _ = used.insert(row.clone()),
                None => found.push(format!(
                    "{}:{}: unsafe, but the file is not in the table",
                    file.path, uses[0].line
                )),
            }
        }
        for silent in uses.iter().filter(|each| each.needs_reason && !has_reason(file, each.line)) {
            found.push(format!("{}:{}: no SAFETY comment near", file.path, silent.line));
        }
    }
    for row in listed.iter().filter(|row| !used.contains(*row)) {
        found.push(format!("the table lists {row}, which holds no unsafe"));
    }
    found.extend(doors_left_open(house, &listed));
    Ok(found)
}

struct Use {
    line: usize,
    /// A block or an impl. (What an `unsafe fn` asks for stands in its docs.)
    needs_reason: bool,
}

fn uses(file: &RustFile) -> Vec<Use> {
    let mut uses = Vec::new();
    levels(&file.tokens, &mut |level| {
        for (at, token) in level.iter().enumerate().filter(|(_, token)| is_word(token, "unsafe")) {
            let needs_reason =
                level.get(at + 1).is_some_and(|next| is_braces(next) || is_word(next, "impl"));
            uses.push(Use { line: line(token), needs_reason });
        }
    });
    uses.sort_by_key(|each| each.line);
    uses
}

fn has_reason(file: &RustFile, line: usize) -> bool {
    let above = line.saturating_sub(NEAR + 1);
    file.text.lines().take(line).skip(above).any(|text| text.contains("SAFETY:"))
}

/// Crates none of whose sources may hold unsafe, and which do not say so to the compiler.
fn doors_left_open(house: &House, listed: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for package in &house.workspace.packages {
        let sources = format!("{}/src/", package.folder);
        let may_hold = listed.iter().any(|row| row.starts_with(&sources));
        let roots = ["lib.rs", "main.rs"].map(|root| format!("{sources}{root}"));
        for root in house.rust.iter().filter(|file| roots.contains(&file.path)) {
            if !may_hold && !root.text.contains("#![forbid(unsafe_code)]") {
                found.push(format!("{}: no `#![forbid(unsafe_code)]`", root.path));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(text: &str) -> Vec<usize> {
        let file = RustFile::read("a.rs", text.to_owned()).unwrap();
        let needy = uses(&file).into_iter().filter(|each| each.needs_reason);
        needy.map(|each| each.line).filter(|&line| !has_reason(&file, line)).collect()
    }

    #[test]
    fn a_block_needs_its_reason_close_above() {
        assert_eq!(silent("fn f() {\n unsafe { g() }\n}"), [2]);
        assert_eq!(silent("// SAFETY: here.\nlet x = unsafe { g() };"), [0_usize; 0]);
        assert_eq!(
            silent("let x = unsafe { g() }; // SAFETY: too late in the text, same line"),
            [0_usize; 0]
        );
        assert_eq!(silent("unsafe impl Send for A {}"), [1]);
        assert_eq!(silent("unsafe { g() }\n// SAFETY: below."), [1]);
        let lines_below = |n: usize| format!("// SAFETY: far.{}unsafe {{ g() }}", "\n".repeat(n));
        assert_eq!(silent(&lines_below(NEAR)), [0_usize; 0]);
        assert_eq!(silent(&lines_below(NEAR + 1)), [NEAR + 2]);
    }

    #[test]
    fn the_word_counts_wherever_the_compiler_would_see_it() {
        let count = |text: &str| uses(&RustFile::read("a.rs", text.to_owned()).unwrap()).len();
        assert_eq!(count("unsafe fn f() {}"), 1);
        assert_eq!(count("macro_rules! m { () => { unsafe { f() } } }"), 1);
        assert_eq!(count("// unsafe\n/// unsafe\nconst S: &str = \"unsafe\";"), 0);
        assert_eq!(count("#![forbid(unsafe_code)]"), 0);
    }
}
