//! Nothing half done is committed: no placeholders, no tests that are switched off, no dead code that
//! is told to keep quiet, no notes to oneself.

use super::tokens::{is_sign, is_word, levels, line};
use super::{House, RustFile};
use proc_macro2::TokenTree;

const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// Spelt in halves, so that this file does not find itself.
const NOTES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub fn check(house: &House) -> Result<Vec<String>, String> {
    Ok(house.rust.iter().flat_map(find).collect())
}

fn find(file: &RustFile) -> Vec<String> {
    let mut found = Vec::new();
    levels(&file.tokens, &mut |level| {
        for at in 0..level.len() {
            if let Some(what) = leftover(&level[at..]) {
                found.push(format!("{}:{}: {what}", file.path, line(&level[at])));
            }
        }
    });
    for (at, text) in file.text.lines().enumerate() {
        let words = text.split(|c: char| !c.is_alphanumeric());
        if let Some(note) = words.into_iter().find(|word| NOTES.contains(word)) {
            found.push(format!("{}:{}: {note}", file.path, at + 1));
        }
    }
    found
}

/// What is left over at the start of `tokens`.
fn leftover(tokens: &[TokenTree]) -> Option<&'static str> {
    let next = tokens.get(1)?;
    if is_sign(next, '!') {
        return MACROS.into_iter().find(|name| is_word(&tokens[0], name));
    }
    let TokenTree::Group(group) = next else { return None };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    if is_sign(&tokens[0], '#') && inside.first().is_some_and(|token| is_word(token, "ignore")) {
        return Some("#[ignore]");
    }
    let quiet = (is_word(&tokens[0], "allow") || is_word(&tokens[0], "expect"))
        && inside.iter().any(|token| is_word(token, "dead_code"));
    quiet.then_some("dead_code is allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        find(&RustFile::read("a.rs", text.to_owned()).unwrap()).len()
    }

    #[test]
    fn placeholders_and_notes_are_found() {
        assert_eq!(count("fn f() { unimplemented!() }"), 1);
        assert_eq!(count("fn f() { g(dbg!(1)) }"), 1);
        assert_eq!(count("#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
        assert_eq!(count("#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(count(concat!("// FIX", "ME: later")), 1);
    }

    #[test]
    fn plain_code_is_left_alone() {
        assert_eq!(count("fn todo() {} fn ignore(x: u8) {} // a list of todos"), 0);
        assert_eq!(count("#[allow(unsafe_code)] mod lock;"), 0);
    }
}
