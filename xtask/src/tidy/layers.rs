//! The table of layers in docs/src/architecture.md says exactly what the Cargo.toml files say.
//!
//! A ✓ is a dependency on the crate of that column; the last column lists the packages of others, or
//! says `any` where it does not matter. Dev-dependencies are free, but for one: nothing below the
//! facade may need the facade for its tests, since these must build alone (for loom and sanitizers).

use super::House;
use super::tables::{quoted, rows};
use crate::workspace::Package;
use std::collections::{BTreeMap, BTreeSet};

const FACADE: &str = "corrente";

/// What the table says of one package.
struct Row {
    own: BTreeSet<String>,
    /// `None`: any.
    others: Option<BTreeSet<String>>,
}

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let table = read(&rows(&house.architecture, "Layers")?)?;
    let packages = &house.workspace.packages;
    let mut found = Vec::new();
    for name in table.keys().filter(|name| packages.iter().all(|package| package.name != **name)) {
        found.push(format!("the table has a row for {name}, which is no package of the workspace"));
    }
    let own: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in packages {
        match table.get(&package.name) {
            Some(row) => compare(package, row, &own, &mut found),
            None => found.push(format!("{} has no row in the table", package.name)),
        }
    }
    Ok(found)
}

fn read(table: &[Vec<String>]) -> Result<BTreeMap<String, Row>, String> {
    let (names, rows) = table.split_first().ok_or("the table of layers is empty")?;
    let mut read = BTreeMap::new();
    for row in rows {
        if row.len() != names.len() {
            return Err(format!(
                "the row `{}` has {} cells, not {}",
                row[0],
                row.len(),
                names.len()
            ));
        }
        let (Some((name, cells)), Some(others)) = (row.split_first(), row.last()) else { continue };
        let ticked = names[1..].iter().zip(cells).filter(|(_, cell)| cell.as_str() == "✓");
        let own = ticked.map(|(column, _)| full_name(column)).collect();
        let others = (others != "any").then(|| quoted(others).into_iter().collect());
        read.insert(full_name(name), Row { own, others });
    }
    Ok(read)
}

/// `task` is short for `corrente-task`; names in backticks are whole.
fn full_name(cell: &str) -> String {
    match quoted(cell).first() {
        Some(name) => name.clone(),
        None if cell == FACADE => cell.to_owned(),
        None => format!("{FACADE}-{cell}"),
    }
}

fn compare(package: &Package, row: &Row, own: &BTreeSet<&str>, found: &mut Vec<String>) {
    let name = &package.name;
    let is_own = |other: &&String| own.contains(other.as_str());
    let needed = package.dependencies.iter().filter(|dependency| !dependency.dev);
    let needed: BTreeSet<&String> = needed.map(|dependency| &dependency.name).collect();
    for other in needed.iter().copied().filter(is_own) {
        if !row.own.contains(other) {
            found.push(format!("{name} depends on {other}; the table has no ✓ there"));
        }
    }
    for other in row.own.iter().filter(|other| !needed.contains(other)) {
        found.push(format!("the table lets {name} depend on {other}; its Cargo.toml does not"));
    }
    if let Some(others) = &row.others {
        for other in needed.iter().copied().filter(|other| !is_own(other)) {
            if !others.contains(other) {
                found.push(format!("{name} depends on {other}, which the table does not list"));
            }
        }
        for other in others.iter().filter(|other| !needed.contains(other)) {
            found.push(format!("the table lists {other} for {name}; its Cargo.toml does not"));
        }
    }
    let is_below = package.folder.starts_with("crates/") && row.own.iter().all(|o| o != FACADE);
    let needs_facade = package.dependencies.iter().any(|other| other.dev && other.name == FACADE);
    if is_below && needs_facade && name != FACADE {
        found.push(format!("the tests of {name} need {FACADE}, which stands above it"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, needs: &[(&str, bool)]) -> Package {
        let dependency = |&(name, dev): &(&str, bool)| Dependency { name: name.to_owned(), dev };
        Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            rust_version: None,
            dependencies: needs.iter().map(dependency).collect(),
        }
    }

    fn findings(cells: &str, needs: &[(&str, bool)]) -> Vec<String> {
        let page =
            format!("## Layers\n| c | shim | task | others |\n|--|--|--|--|\n| task | {cells} |\n");
        let table = read(&rows(&page, "Layers").unwrap()).unwrap();
        let own = BTreeSet::from(["corrente-shim", "corrente-task", "corrente"]);
        let mut found = Vec::new();
        compare(&package("corrente-task", needs), &table["corrente-task"], &own, &mut found);
        found
    }

    #[test]
    fn table_and_manifest_must_say_the_same() {
        assert!(findings("✓ | | `slab`", &[("corrente-shim", false), ("slab", false)]).is_empty());
        assert!(
            findings("✓ | | –", &[])
                .concat()
                .contains("lets corrente-task depend on corrente-shim")
        );
        assert!(findings(" | | –", &[("corrente-shim", false)]).concat().contains("no ✓"));
        assert!(findings(" | | –", &[("slab", false)]).concat().contains("does not list"));
        assert!(findings(" | | `slab`", &[]).concat().contains("table lists slab"));
        assert!(findings(" | | any", &[("slab", false)]).is_empty());
    }

    #[test]
    fn tests_may_need_anything_but_the_facade() {
        assert!(findings(" | | –", &[("proptest", true)]).is_empty());
        assert!(findings(" | | –", &[("corrente", true)]).concat().contains("stands above"));
    }
}
