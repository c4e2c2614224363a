//! No let chains and no `if let` guards: the oldest compiler that the crates promise to build with
//! knows neither, and the newer one on the developer's machine would take them without a word.
//!
//! A condition runs from `if` or `while` to its block. It is a chain if it holds both a `let` and an
//! `&&` between two values (an `&&` that stands before a value borrows twice). A guard is an `if` that
//! ends in `=>`.

use super::House;
use super::tokens::{is_braces, is_pair, is_sign, is_word, levels, line};
use proc_macro2::{TokenStream, TokenTree};

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let found = house.rust.iter().flat_map(|file| {
        let at = |line| format!("{}:{line}: write the `let` as an `if let` of its own", file.path);
        find(&file.tokens).into_iter().map(at)
    });
    Ok(found.collect())
}

fn find(tokens: &TokenStream) -> Vec<usize> {
    let mut found = Vec::new();
    levels(tokens, &mut |level| {
        for at in 0..level.len() {
            let asks = is_word(&level[at], "if") || is_word(&level[at], "while");
            if asks && is_new_syntax(&level[at + 1..]) {
                found.push(line(&level[at]));
            }
        }
    });
    found
}

fn is_new_syntax(after_if: &[TokenTree]) -> bool {
    let end = condition_end(after_if);
    let condition = &after_if[..end];
    let is_let = condition.iter().any(|token| is_word(token, "let"));
    let is_guard = is_pair(&after_if[end..], '=', '>');
    let is_chain =
        (1..end).any(|at| is_pair(&condition[at..], '&', '&') && ends_a_value(&condition[at - 1]));
    is_let && (is_guard || is_chain)
}

/// Where the condition at the start of `tokens` ends: before its block, or before `=>`. A block that
/// an operator follows is part of the condition (`if let X = unsafe { f() } && y {`).
fn condition_end(tokens: &[TokenTree]) -> usize {
    let goes_on = |at: usize| {
        is_pair(&tokens[at..], '&', '&')
            || tokens.get(at).is_some_and(|token| is_sign(token, '.') || is_sign(token, '?'))
    };
    let ends = |at: usize| {
        is_pair(&tokens[at..], '=', '>')
            || is_sign(&tokens[at], ';')
            || (is_braces(&tokens[at]) && !goes_on(at + 1))
    };
    (0..tokens.len()).find(|&at| ends(at)).unwrap_or(tokens.len())
}

fn ends_a_value(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(ident) => {
            !["let", "in", "as", "mut", "ref", "return", "break", "match", "if", "move"]
                .iter()
                .any(|keyword| ident == keyword)
        }
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Literal(_) | TokenTree::Group(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        find(&text.parse().expect("tokens"))
    }

    #[test]
    fn chains_are_found() {
        assert_eq!(lines("fn f() {\n if let Some(x) = a && b {}\n}"), [2]);
        assert_eq!(lines("if a && let Some(x) = b {}"), [1]);
        assert_eq!(lines("if a()? && let Some(x) = b {}"), [1]);
        assert_eq!(lines("while let Some(x) = a.next() && x > 1 {}"), [1]);
        assert_eq!(lines("if x {} else if let A = a\n && let B = b {}"), [1]);
        assert_eq!(lines("if let A = unsafe { f() } && b {}"), [1]);
        assert_eq!(lines("mac!(if let A = a && b {})"), [1]);
    }

    #[test]
    fn guards_are_found() {
        assert_eq!(lines("match a {\n x if let Some(y) = x => 1,\n _ => 2 }"), [2]);
        assert_eq!(lines("match a { x if x.ok() && let Some(y) = x => 1, _ => 2 }"), [1]);
    }

    #[test]
    fn what_the_oldest_compiler_knows_is_left_alone() {
        for text in [
            "if let Some(x) = a { if b && c {} }",
            "if a && b { let c = d && e; }",
            "if let Some(x) = f(a && b) {}",
            "if let true = (a && b) {}",
            "if let Some(x) = &&a {}",
            "if let &&x = a {}",
            "while let Some(x) = queue.pop() {}",
            "match a { x if x && y => { let z = 1; } _ => {} }",
            "match a { 1 if b => 2, _ => 3 }",
            "let x = if a { b } else { c } + 1;",
            "if let Some(x) = unsafe { f() }.get() {}",
            "// if let Some(x) = a && b {}\n fn f() {}",
            "const S: &str = \"if let A = a && b {}\";",
        ] {
            assert_eq!(lines(text), [0_usize; 0], "{text}");
        }
    }
}
