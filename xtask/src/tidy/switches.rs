//! `corrente_loom` and `corrente_sanitize` change what is compiled, so few files may know them: those
//! in the table of docs/src/architecture.md. Whoever reads any other file reads the program.

use super::House;
use super::tables::{matches, quoted, rows};
use super::tokens::{is_word, levels, line};
use proc_macro2::TokenStream;
use std::collections::BTreeSet;

const SWITCHES: [&str; 2] = ["corrente_loom", "corrente_sanitize"];

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let table = rows(&house.architecture, "Files that may name a build switch")?;
    let mut places = Vec::new();
    for row in &table[1..] {
        for file in quoted(&row[1]) {
            places.extend(quoted(&row[0]).into_iter().map(|switch| (switch, file.clone())));
        }
    }
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for file in &house.rust {
        for switch in SWITCHES {
            let Some(first) = first_line(&file.tokens, switch) else { continue };
            match places.iter().find(|place| place.0 == switch && matches(&place.1, &file.path)) {
                Some(place) => _ = used.insert(place.clone()),
                None => found.push(format!(
                    "{}:{first}: names {switch}, but the table does not list it",
                    file.path
                )),
            }
        }
    }
    for (switch, file) in places.iter().filter(|place| !used.contains(*place)) {
        found.push(format!("the table lists {file}, which does not name {switch}"));
    }
    Ok(found)
}

fn first_line(tokens: &TokenStream, switch: &str) -> Option<usize> {
    let mut lines = Vec::new();
    levels(tokens, &mut |level| {
        lines.extend(level.iter().filter(|token| is_word(token, switch)).map(line));
    });
    lines.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn attributes_and_macros_are_seen_and_words_are_not() {
        let first = |text: &str| first_line(&text.parse().unwrap(), "corrente_loom");
        assert_eq!(first("fn f() {\n #[cfg(not(corrente_loom))]\n g();\n}"), Some(2));
        assert_eq!(first("#![cfg(corrente_loom)]"), Some(1));
        assert_eq!(first("if cfg!(corrente_loom) {}"), Some(1));
        assert_eq!(first("//! corrente_loom\nconst S: &str = \"corrente_loom\";"), None);
    }
}
