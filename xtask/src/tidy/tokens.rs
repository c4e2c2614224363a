//! Small helpers over Rust's tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Calls `look` with the tokens of each level: the file's, and those inside every pair of brackets.
pub fn levels(tokens: &TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let level: Vec<TokenTree> = tokens.clone().into_iter().collect();
    look(&level);
    for token in &level {
        if let TokenTree::Group(group) = token {
            levels(&group.stream(), look);
        }
    }
}

/// Whether `token` is the word `word`.
pub fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == word)
}

/// Whether `token` is the sign `sign`.
pub fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// Whether the signs `first` and `second` stand side by side at the start of `tokens`.
pub fn is_pair(tokens: &[TokenTree], first: char, second: char) -> bool {
    let joined = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => {
            punct.as_char() == first && punct.spacing() == proc_macro2::Spacing::Joint
        }
        _ => false,
    };
    tokens.first().is_some_and(joined) && tokens.get(1).is_some_and(|next| is_sign(next, second))
}

/// Whether `token` is a pair of braces with what they hold.
pub fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The line on which `token` begins, counted from 1.
pub fn line(token: &TokenTree) -> usize {
    token.span().start().line
}
