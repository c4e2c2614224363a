//! `#[corrente::main]` and `#[corrente::test]`, without a parser for Rust.
//!
//! The attribute keeps the async function as it is, inside a plain one of the same name that calls it:
//! so types, spans and error messages stay the author's own. All that has to be understood of the function
//! is where `async`, its name, its arguments and its body are.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// Makes an `async fn main` the main function, which runs it as `corrente::run` does.
///
/// `#[corrente::main(workers = 2)]` sets the number of workers.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(options, item, false).unwrap_or_else(|error| error.into_tokens())
}

/// Makes an `async fn` a test, which runs it as `corrente::run` does.
///
/// `#[corrente::test(workers = 2)]` sets the number of workers, `fifo` asks for asyncio's order on one
/// thread, `virtual_time` for a clock that jumps when everything waits.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(options, item, true).unwrap_or_else(|error| error.into_tokens())
}

struct Error {
    span: Span,
    message: String,
}

impl Error {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    fn into_tokens(self) -> TokenStream {
        let mut message = Literal::string(&self.message);
        message.set_span(self.span);
        let mut tokens = vec![
            TokenTree::Ident(Ident::new("compile_error", self.span)),
            TokenTree::Punct(Punct::new('!', Spacing::Alone)),
        ];
        let inner = TokenStream::from(TokenTree::Literal(message));
        let mut group = Group::new(Delimiter::Brace, inner);
        group.set_span(self.span);
        tokens.push(TokenTree::Group(group));
        tokens.into_iter().collect()
    }
}

fn expand(options: TokenStream, item: TokenStream, test: bool) -> Result<TokenStream, Error> {
    let settings = settings(options)?;
    let function = Function::find(item)?;
    let mut out = TokenStream::new();
    if test {
        out.extend("#[::core::prelude::v1::test]".parse::<TokenStream>());
    }
    out.extend(function.attributes.clone());
    out.extend(function.visibility.clone());
    out.extend([ident("fn"), TokenTree::Ident(function.name.clone())]);
    out.extend([TokenTree::Group(function.arguments.clone())]);
    out.extend(function.output.clone());
    let mut body = TokenStream::new();
    // The author's function, in whose place this one stands.
    body.extend([ident("async"), ident("fn"), TokenTree::Ident(function.name.clone())]);
    body.extend([TokenTree::Group(function.arguments.clone())]);
    body.extend(function.output.clone());
    body.extend([TokenTree::Group(function.body.clone())]);
    let run = "::corrente::__private::run".parse::<TokenStream>();
    body.extend(run);
    let builder = format!("::corrente::Builder::new(){settings}, ").parse::<TokenStream>();
    let mut call = TokenStream::new();
    call.extend(builder);
    call.extend([TokenTree::Ident(function.name.clone())]);
    call.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, TokenStream::new()))]);
    body.extend([TokenTree::Group(Group::new(Delimiter::Parenthesis, call))]);
    out.extend([TokenTree::Group(Group::new(Delimiter::Brace, body))]);
    Ok(out)
}

fn ident(word: &str) -> TokenTree {
    TokenTree::Ident(Ident::new(word, Span::call_site()))
}

/// The options as calls on a builder.
fn settings(options: TokenStream) -> Result<String, Error> {
    let mut calls = String::new();
    let mut tokens = options.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token.to_string().as_str() {
            "workers" => {
                let equals = tokens.next().filter(|token| token.to_string() == "=");
                match (equals, tokens.next()) {
                    (Some(_), Some(TokenTree::Literal(number))) => {
                        calls.push_str(&format!(".workers({number})"));
                    }
                    _ => return Err(Error::new(token.span(), "write `workers = 2`")),
                }
            }
            option @ ("fifo" | "virtual_time") => calls.push_str(&format!(".{option}()")),
            "," => {}
            other => {
                return Err(Error::new(
                    token.span(),
                    format!(
                        "unknown option `{other}`: use `workers = N`, `fifo` or `virtual_time`"
                    ),
                ));
            }
        }
    }
    Ok(calls)
}

struct Function {
    attributes: TokenStream,
    visibility: TokenStream,
    name: Ident,
    arguments: Group,
    output: TokenStream,
    body: Group,
}

impl Function {
    fn find(item: TokenStream) -> Result<Self, Error> {
        let mut tokens = item.into_iter();
        let (mut attributes, mut visibility) = (TokenStream::new(), TokenStream::new());
        loop {
            let Some(token) = tokens.next() else {
                return Err(Error::new(
                    Span::call_site(),
                    "this attribute belongs on an `async fn`",
                ));
            };
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    attributes.extend([token]);
                    attributes.extend(tokens.next());
                }
                TokenTree::Ident(word) if word.to_string() == "async" => break,
                TokenTree::Ident(word) if word.to_string() == "fn" => {
                    return Err(Error::new(word.span(), "the function must be `async`"));
                }
                _ => visibility.extend([token]),
            }
        }
        let span = match tokens.next() {
            Some(TokenTree::Ident(word)) if word.to_string() == "fn" => word.span(),
            _ => {
                return Err(Error::new(
                    Span::call_site(),
                    "this attribute belongs on an `async fn`",
                ));
            }
        };
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(Error::new(span, "the function has no name"));
        };
        let arguments = match tokens.next() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => group,
            _ => return Err(Error::new(name.span(), "the function must not be generic")),
        };
        if !arguments.stream().is_empty() {
            return Err(Error::new(arguments.span(), "the function must not take arguments"));
        }
        let mut output: Vec<TokenTree> = tokens.collect();
        let body = match output.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
            _ => return Err(Error::new(name.span(), "the function has no body")),
        };
        Ok(Self {
            attributes,
            visibility,
            name,
            arguments,
            output: output.into_iter().collect(),
            body,
        })
    }
}
