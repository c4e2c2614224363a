//! Planted bugs still fit: a patch that has gone stale proves nothing, and that shows only when all are tried.

use super::House;
use crate::shell;
use std::path::Path;
use std::process::Command;

pub fn check(house: &House) -> Result<Vec<String>, String> {
    let patches = house.files.iter().filter(|file| is_planted(file));
    let stale = patches.filter(|patch| !fits(&house.workspace.root, patch));
    Ok(stale.map(|patch| format!("{patch}: does not apply any more")).collect())
}

fn is_planted(file: &str) -> bool {
    file.contains("/planted/") && file.ends_with(".patch")
}

fn fits(root: &Path, patch: &str) -> bool {
    shell::succeeds(Command::new("git").args(["apply", "--check", patch]).current_dir(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn only_a_patch_of_what_is_there_fits() {
        let workspace = Workspace::find().expect("cargo metadata");
        let files = workspace.files().expect("the project's files");
        let planted = files.iter().find(|file| is_planted(file)).expect("there are planted bugs");
        assert!(fits(&workspace.root, planted));
        assert!(!fits(&workspace.root, "README.md"));
        assert!(!is_planted("docs/planted.md"));
    }
}
