//! Every source file opens with `//!`: what it is, who may touch it, what always holds.

use super::House;

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let silent = house.rust.iter().filter(|file| !opens(&file.text));
    Ok(silent.map(|file| format!("{}: opens without `//!`", file.path)).collect())
}

fn opens(text: &str) -> bool {
    text.lines()
        .next()
        .and_then(|first| first.strip_prefix("//!"))
        .is_some_and(|words| words.chars().any(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::opens;

    #[test]
    fn the_first_line_counts() {
        assert!(opens("//! What it is.\nfn f() {}"));
        assert!(!opens("//!\nfn f() {}"));
        assert!(!opens("\n//! What it is."));
        assert!(!opens("// What it is."));
        assert!(!opens(""));
    }
}
