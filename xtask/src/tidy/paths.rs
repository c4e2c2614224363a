//! No path of somebody's machine: what is committed must mean the same on every machine.

use super::House;

/// Spelt in halves, so that this file does not find itself.
const FOLDERS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    TEMPORARY,
];
const TEMPORARY: &str = concat!("/t", "mp/");
const TEXTS: [&str; 8] = [".rs", ".md", ".toml", ".yml", ".sh", ".py", ".supp", ".patch"];

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for file in house.files.iter().filter(|file| TEXTS.iter().any(|end| file.ends_with(end))) {
        for (at, line) in house.workspace.text(file)?.lines().enumerate() {
            if let Some(folder) = names(line) {
                let instead =
                    if folder == TEMPORARY { " (std::env::temp_dir() knows)" } else { "" };
                found.push(format!("{file}:{}: {folder}{instead}", at + 1));
            }
        }
    }
    Ok(found)
}

fn names(line: &str) -> Option<&'static str> {
    FOLDERS
        .into_iter()
        .find(|folder| line.match_indices(folder).any(|(at, _)| starts_a_path(&line[..at])))
}

/// `a/home/b` and `example.org/home/` are no such paths.
fn starts_a_path(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "._-}~*".contains(c))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn only_whole_paths_count() {
        assert!(names(concat!("open(\"/ro", "ot/x\")")).is_some());
        assert!(names(concat!("see /ho", "me/me/x")).is_some());
        assert!(names(concat!("let file = \"/t", "mp/x\";")).is_some());
        assert!(names(concat!("https://example.org/ho", "me/x")).is_none());
        assert!(names("target/tmp/x and $TMPDIR/x").is_none());
    }
}
