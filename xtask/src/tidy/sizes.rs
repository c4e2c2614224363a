//! The longest files and functions: reported, never refused. A long file often holds two ideas.

use super::House;
use super::tokens::{is_braces, is_sign, is_word, levels, line};
use proc_macro2::{TokenStream, TokenTree};

const SHOWN: usize = 5;

pub fn report(house: &House) -> String {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for file in &house.rust {
        files.push((file.text.lines().count(), file.path.clone()));
        for (lines, name) in lengths(&file.tokens) {
            functions.push((lines, format!("{} ({name})", file.path)));
        }
    }
    let lines: usize = files.iter().map(|(lines, _)| lines).sum();
    format!(
        "     {} Rust files, {lines} lines\n{}{}",
        files.len(),
        longest("longest files", files),
        longest("longest functions", functions)
    )
}

fn longest(title: &str, mut sizes: Vec<(usize, String)>) -> String {
    sizes.sort_by(|a, b| b.cmp(a));
    let shown = sizes.iter().take(SHOWN).map(|(lines, name)| format!("       {lines:>5} {name}\n"));
    format!("     {title}:\n{}", shown.collect::<String>())
}

fn lengths(tokens: &TokenStream) -> Vec<(usize, String)> {
    let mut lengths = Vec::new();
    levels(tokens, &mut |level| {
        for at in 0..level.len().saturating_sub(1) {
            let TokenTree::Ident(name) = &level[at + 1] else { continue };
            let body = level[at + 1..]
                .iter()
                .find(|token| is_braces(token) || is_sign(token, ';'))
                .filter(|token| is_word(&level[at], "fn") && is_braces(token));
            if let Some(body) = body {
                let lines = body.span().end().line - line(&level[at]) + 1;
                lengths.push((lines, name.to_string()));
            }
        }
    });
    lengths
}

#[cfg(test)]
mod tests {
    use super::lengths;

    #[test]
    fn functions_are_measured_from_head_to_brace() {
        let text = "fn a() {\n\n}\ntrait T { fn b();\n fn c(f: fn() -> u8) -> u8\n { 1 } }";
        let mut found = lengths(&text.parse().unwrap());
        found.sort();
        assert_eq!(found, [(2, "c".to_owned()), (3, "a".to_owned())]);
    }
}
