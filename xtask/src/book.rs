//! `cargo xtask book`: follows every link of the book, then renders it if mdbook is here.
//!
//! The Rust blocks of the book are doctests of the facade (`crates/corrente/src/book.rs` includes the
//! pages), so `cargo test --doc` compiles them; a page that is not included there is a finding.

use crate::workspace::Workspace;
use crate::{shell, tidy};
use std::process::Command;

/// How to get the program that renders the book.
pub const HOW: &str = "mdbook is not here: `cargo install --locked mdbook` brings it";

/// `cargo xtask book`
pub fn run(workspace: &Workspace) -> Result<(), String> {
    let report = tidy::check_links(workspace, &workspace.files()?)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    let rendered = match shell::found("mdbook") {
        true => render(workspace)?,
        false => format!("not rendered, skipped: {HOW}"),
    };
    let broken = report.findings.len();
    println!("book: {} pages, {} links, {broken} broken; {rendered}", report.pages, report.links);
    if broken > 0 { Err("the book has broken links".to_owned()) } else { Ok(()) }
}

/// Renders the book into the target folder and says where it is.
pub fn render(workspace: &Workspace) -> Result<String, String> {
    let folder = workspace.target.join("book");
    let source = workspace.root.join("docs");
    shell::run(Command::new("mdbook").arg("build").arg(source).arg("--dest-dir").arg(&folder))?;
    Ok(format!("rendered to {}", folder.join("index.html").display()))
}
