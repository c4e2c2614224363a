//! Reads the tables of docs/src/architecture.md, so that what is written is what is checked.

/// The rows of the first table under the heading `## heading`, the row of column names first.
pub fn rows(page: &str, heading: &str) -> Result<Vec<Vec<String>>, String> {
    let title = format!("## {heading}");
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| line.trim() != title)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .filter(|cells| !cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')))
        .collect();
    match rows.len() {
        0 => Err(format!("docs/src/architecture.md has no table under `{title}`")),
        _ => Ok(rows),
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The words of `cell` that stand between backticks.
pub fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether `file` is what `pattern` names: parts are equal, or `*` stands for any run of letters
/// within one part.
pub fn matches(pattern: &str, file: &str) -> bool {
    let (patterns, parts) = (pattern.split('/'), file.split('/'));
    patterns.clone().count() == parts.clone().count()
        && patterns.zip(parts).all(|(pattern, part)| part_matches(pattern, part))
}

fn part_matches(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == part,
        Some((before, after)) => part.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|&at| rest.is_char_boundary(at))
                .any(|at| part_matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_under_a_heading_is_read() {
        let page =
            "# P\n## A\n| x |\n|--|\n| 0 |\n\n## B\nwords\n\n| a | b |\n|:-:|---|\n| `c` | – |\n";
        assert_eq!(rows(page, "B").unwrap(), [["a", "b"], ["`c`", "–"]]);
        assert!(rows(page, "C").unwrap_err().contains("## C"));
    }

    #[test]
    fn quoted_words_are_found() {
        assert_eq!(quoted("`loom` (under a switch), `slab`"), ["loom", "slab"]);
        assert!(quoted("any").is_empty());
    }

    #[test]
    fn a_star_stays_within_its_part() {
        assert!(matches("crates/*/tests/loom*.rs", "crates/a/tests/loom_idle.rs"));
        assert!(matches("crates/*/tests/loom*.rs", "crates/a/tests/loom.rs"));
        assert!(!matches("crates/*/tests/loom*.rs", "crates/a/b/tests/loom.rs"));
        assert!(!matches("crates/*/tests/loom*.rs", "crates/a/tests/loom.txt"));
        assert!(!matches("a.rs", "a.rsx"));
    }
}
