//! Every link inside the project leads somewhere, and every file that a page names is there.
//!
//! Looked at are all Markdown files. Followed are relative links and their anchors (`file.md#heading`),
//! `{{#include …}}` lines, and file names in backticks that begin with a folder of the project, such as
//! `crates/corrente-shim/src/lib.rs`; a test named as `file.rs::test` must be in that file. Links
//! to other sites are not followed. In the book there is more: no link may leave `docs/src`, since the
//! rendered book does not hold the rest; every page stands in `SUMMARY.md`; and a page with Rust blocks
//! is included in `crates/corrente/src/book.rs`, where rustdoc runs them; so is the README.

use super::House;
use super::tables::matches;
use crate::workspace::Workspace;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};

const BOOK: &str = "docs/src/";
const SUMMARY: &str = "docs/src/SUMMARY.md";
const README: &str = "README.md";
const DOCTESTS: &str = "crates/corrente/src/book.rs";
/// A name in backticks that begins like this is a file of the project.
const FOLDERS: [&str; 8] =
    [".cargo/", ".github/", "benches/", "ci/", "crates/", "docs/", "fuzz/", "xtask/"];

/// What was looked at, and what is wrong.
#[derive(Default)]
pub struct Report {
    pub pages: usize,
    pub links: usize,
    pub findings: Vec<String>,
}

pub fn check_house(house: &House) -> Result<Vec<String>, String> {
    Ok(check(house.workspace, &house.files)?.findings)
}

/// Follows every link of the Markdown files among `files`.
pub fn check(workspace: &Workspace, files: &[String]) -> Result<Report, String> {
    let mut pages = BTreeMap::new();
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        pages.insert(file.clone(), Page::read(&workspace.text(file)?));
    }
    let mut report = Report { pages: pages.len(), ..Report::default() };
    let house = Everything { workspace, files, pages };
    for (path, page) in &house.pages {
        report.links += page.links.len();
        let links = page.links.iter().filter_map(|link| house.follow(path, link));
        let included = page.includes.iter().filter_map(|file| house.include(path, file));
        let named = page.named.iter().filter_map(|name| house.look_up(name));
        let found = links.chain(included).chain(named).map(|what| format!("{path}: {what}"));
        report.findings.extend(found);
    }
    report.findings.extend(house.pages_out_of_sight());
    report.findings.extend(house.code_that_is_never_run()?);
    Ok(report)
}

/// What one Markdown file says.
#[derive(Default)]
struct Page {
    links: Vec<String>,
    includes: Vec<String>,
    /// File names in backticks.
    named: Vec<String>,
    anchors: BTreeSet<String>,
    has_rust: bool,
}

struct Everything<'a> {
    workspace: &'a Workspace,
    files: &'a [String],
    pages: BTreeMap<String, Page>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self { includes: includes(text), ..Self::default() };
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    if let Some(words) = heading.take() {
                        page.add_anchor(&words);
                    }
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    page.has_rust |= is_run(&info);
                }
                Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    if FOLDERS.iter().any(|folder| words.starts_with(folder)) {
                        page.named.push(words.into_string());
                    }
                }
                Event::Text(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// The same name again gets `-1`, `-2` …, as in mdbook and on the forges.
    fn add_anchor(&mut self, heading: &str) {
        let name = anchor(heading);
        let names = std::iter::once(name.clone()).chain((1..).map(|n| format!("{name}-{n}")));
        if let Some(free) = names.into_iter().find(|name| !self.anchors.contains(name)) {
            self.anchors.insert(free);
        }
    }
}

fn anchor(heading: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' || c == '-' => c.to_lowercase().next(),
        c if c.is_whitespace() => Some('-'),
        _ => None,
    };
    heading.trim().chars().filter_map(letter).collect()
}

/// Whether rustdoc would compile a block with this info string.
fn is_run(info: &str) -> bool {
    let words: Vec<&str> = info.split([',', ' ']).collect();
    words.first() == Some(&"rust") && !words.iter().any(|word| ["ignore", "text"].contains(word))
}

/// The files of `{{#include file}}` lines, without the part of the file that is asked for.
fn includes(text: &str) -> Vec<String> {
    let lines = text.split("{{#").skip(1).filter_map(|rest| rest.split_once("}}"));
    let named = lines.filter_map(|(line, _)| line.split_once(' '));
    let named = named.filter(|(kind, _)| kind.ends_with("include"));
    named.map(|(_, file)| file.split(':').next().unwrap_or(file).trim().to_owned()).collect()
}

impl Everything<'_> {
    /// What is wrong with `link` on the page `from`.
    fn follow(&self, from: &str, link: &str) -> Option<String> {
        let leads_away =
            ["https:", "http:", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
        if leads_away {
            return None;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match file {
            "" => from.to_owned(),
            file => match resolve(from, &file.replace("%20", " ")) {
                Some(target) => target,
                None => return Some(format!("the link `{link}` leaves the project")),
            },
        };
        if from.starts_with(BOOK) && !target.starts_with(BOOK) {
            return Some(format!("the link `{link}` leaves the book: name the file in backticks"));
        }
        if !self.has(&target) {
            return Some(format!("the link `{link}` leads nowhere"));
        }
        match self.pages.get(&target) {
            Some(page) if !anchor.is_empty() && !page.anchors.contains(anchor) => {
                Some(format!("the link `{link}`: {target} has no heading `#{anchor}`"))
            }
            _ => None,
        }
    }

    /// What is wrong with the line `{{#include file}}` on the page `from`.
    fn include(&self, from: &str, file: &str) -> Option<String> {
        let is_there = resolve(from, file).is_some_and(|target| self.has(&target));
        (!is_there).then(|| format!("includes `{file}`, which is not there"))
    }

    /// What is wrong with the file name `name`, which may end in `::test` or hold a `*`.
    fn look_up(&self, name: &str) -> Option<String> {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        if file.contains([' ', '<', '…', '{']) {
            return None;
        }
        if !self.has(file) {
            return Some(format!("names `{file}`, which is not there"));
        }
        let text = self.workspace.text(file).unwrap_or_default();
        let function = test.rsplit("::").next().unwrap_or(test);
        let is_missing = !test.is_empty() && !text.contains(&format!("fn {function}("));
        is_missing.then(|| format!("names `{name}`, and {file} has no `fn {function}`"))
    }

    /// Whether `path` is a file or a folder of the project.
    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.iter().any(|file| file == path || file.starts_with(&folder))
            || (path.contains('*') && self.files.iter().any(|file| matches(path, file)))
    }

    fn pages_out_of_sight(&self) -> Vec<String> {
        let Some(summary) = self.pages.get(SUMMARY) else { return Vec::new() };
        let listed: BTreeSet<String> =
            summary.links.iter().filter_map(|link| resolve(SUMMARY, link)).collect();
        let book = self.pages.keys().filter(|path| path.starts_with(BOOK) && *path != SUMMARY);
        let unseen = book.filter(|path| !listed.contains(*path));
        unseen.map(|path| format!("{path}: stands in no line of {SUMMARY}")).collect()
    }

    fn code_that_is_never_run(&self) -> Result<Vec<String>, String> {
        let run = match self.has(DOCTESTS) {
            true => self.workspace.text(DOCTESTS)?,
            false => String::new(),
        };
        let is_shown = |path: &str| path.starts_with(BOOK) || path == README;
        let shown = self.pages.iter().filter(|(path, page)| is_shown(path) && page.has_rust);
        let unrun = shown.filter(|(path, _)| !run.contains(path.as_str()));
        let say =
            |(path, _)| format!("{path}: has Rust blocks, but {DOCTESTS} does not include it");
        Ok(unrun.map(say).collect())
    }
}

/// The project's file that `link` means on the page `from`.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "" => return None,
            "." => {}
            ".." => _ = parts.pop()?,
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything<'a>(
        workspace: &'a Workspace,
        files: &'a [String],
        pages: &[(&str, &str)],
    ) -> Everything<'a> {
        let pages = pages.iter().map(|(path, text)| ((*path).to_owned(), Page::read(text)));
        Everything { workspace, files, pages: pages.collect() }
    }

    fn nowhere() -> Workspace {
        Workspace { root: "/nowhere".into(), target: "/nowhere".into(), packages: Vec::new() }
    }

    #[test]
    fn links_and_anchors_are_followed() {
        let workspace = nowhere();
        let files = ["docs/src/a.md", "docs/src/b/c.md", "README.md", "crates/x/src/lib.rs"];
        let files = files.map(str::to_owned);
        let pages =
            [("docs/src/a.md", "# One `two`, three\n# Same\n# Same\n"), ("docs/src/b/c.md", "")];
        let all = everything(&workspace, &files, &pages);
        for fine in
            ["../a.md", "../a.md#one-two-three", "../a.md#same-1", "https://x.org/y#z", "c.md"]
        {
            assert_eq!(all.follow("docs/src/b/c.md", fine), None, "{fine}");
        }
        for broken in
            ["a.md", "../a.md#four", "../a.md#same-2", "#here", "/docs/src/a.md", "../../../../x"]
        {
            assert!(all.follow("docs/src/b/c.md", broken).is_some(), "{broken}");
        }
        assert!(all.follow("docs/src/a.md", "../../README.md").is_some(), "leaves the book");
        assert_eq!(all.include("docs/src/a.md", "../../crates/x/src/lib.rs"), None);
        assert!(all.include("docs/src/a.md", "../crates/x/src/lib.rs").is_some());
        assert_eq!(all.follow("README.md", "docs/src/a.md#same"), None);
    }

    #[test]
    fn named_files_must_be_there() {
        let workspace = nowhere();
        let files = ["crates/x/src/lib.rs".to_owned()];
        let all = everything(&workspace, &files, &[]);
        assert_eq!(all.look_up("crates/x/src/lib.rs"), None);
        assert_eq!(all.look_up("crates/x/"), None);
        assert_eq!(all.look_up("crates/*/src/lib.rs"), None);
        assert_eq!(all.look_up("crates/<name>/y.rs"), None);
        assert!(all.look_up("crates/x/src/gone.rs").is_some());
        assert!(all.look_up("crates/x/src/lib.rs::no_such_test").is_some());
    }

    #[test]
    fn a_page_is_read() {
        let page = Page::read(
            "[a](x.md) ![b](y.png)\n\n`crates/z.rs` and `[c](no.md)`\n\n```rust,ignore\n[d](no.md)\n```\n\
             {{#include ../z.rs:start}}\n\n[e]: v.md\n[e]\n",
        );
        assert_eq!(page.links, ["x.md", "y.png", "v.md"]);
        assert_eq!(page.includes, ["../z.rs"]);
        assert_eq!(page.named, ["crates/z.rs"]);
        assert!(!page.has_rust);
        assert!(Page::read("```rust\nfn f() {}\n```\n").has_rust);
        assert!(Page::read("```rust,no_run\nfn f() {}\n```\n").has_rust);
    }

    #[test]
    fn pages_must_be_listed() {
        let workspace = nowhere();
        let pages = [(SUMMARY, "- [A](a.md)"), ("docs/src/a.md", ""), ("docs/src/b.md", "")];
        let found = everything(&workspace, &[], &pages).pages_out_of_sight();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("docs/src/b.md"));
    }

    #[test]
    fn rust_blocks_must_be_run() {
        let workspace = nowhere();
        let pages = [("docs/src/a.md", "```rust\nfn f() {}\n```\n"), ("docs/src/b.md", "")];
        let found = everything(&workspace, &[], &pages).code_that_is_never_run().unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("docs/src/a.md"));
    }
}
