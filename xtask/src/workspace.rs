//! What the project consists of, as git and cargo tell it.

use crate::shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's folders and packages.
pub struct Workspace {
    /// The folder that holds the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
    /// The packages, in the order of their names.
    pub packages: Vec<Package>,
}

/// One package of the workspace.
pub struct Package {
    /// Its name in Cargo.toml.
    pub name: String,
    /// Its folder, seen from the root, with `/` between the parts.
    pub folder: String,
    /// The oldest compiler it promises to build with.
    pub rust_version: Option<String>,
    /// What its Cargo.toml asks for, on any target.
    pub dependencies: Vec<Dependency>,
}

/// A line of a dependency table.
pub struct Dependency {
    /// The package that is asked for.
    pub name: String,
    /// Whether it is only for tests, examples and benches.
    pub dev: bool,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    pub fn find() -> Result<Self, String> {
        let text = shell::output(Command::new("cargo").args([
            "metadata",
            "--no-deps",
            "--format-version=1",
        ]))?;
        Self::read(&text).ok_or_else(|| "cargo metadata printed something unexpected".to_owned())
    }

    fn read(metadata: &str) -> Option<Self> {
        let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        let target = PathBuf::from(metadata["target_directory"].as_str()?);
        let mut packages = Vec::new();
        for package in metadata["packages"].as_array()? {
            packages.push(Package::read(package, &root)?);
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self { root, target, packages })
    }

    /// The packages under `crates/`: what users build.
    pub fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.folder.starts_with("crates/"))
    }

    /// The crates of these names, or all crates if `names` is empty.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<&Package>, String> {
        if names.is_empty() {
            return Ok(self.crates().collect());
        }
        let find = |name: &String| {
            self.crates()
                .find(|package| package.name == *name)
                .ok_or_else(|| format!("there is no crate `{name}` in crates/"))
        };
        names.iter().map(find).collect()
    }

    /// All files of the project that git knows or would add, seen from the root, sorted.
    pub fn files(&self) -> Result<Vec<String>, String> {
        let listed = shell::output(
            Command::new("git")
                .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
                .current_dir(&self.root),
        )?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|file| !file.is_empty() && self.root.join(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file of the project.
    pub fn text(&self, file: &str) -> Result<String, String> {
        std::fs::read_to_string(self.root.join(file)).map_err(|error| format!("{file}: {error}"))
    }

    /// `cargo`, to be run at the root.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.root);
        command
    }

    /// The names of the test targets of `package` (files directly under `tests/`), sorted.
    pub fn test_targets(&self, package: &Package) -> Vec<String> {
        let folder = self.root.join(&package.folder).join("tests");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| target_name(&entry.path()))
            .collect();
        names.sort();
        names
    }
}

/// A file `x.rs` or a folder `x` with a `main.rs` is the test target `x`.
fn target_name(path: &Path) -> Option<String> {
    let is_target =
        path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").is_file();
    is_target.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))?
}

impl Package {
    fn read(package: &serde_json::Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let folder = manifest.parent()?.strip_prefix(root).ok()?;
        let mut dependencies = Vec::new();
        for dependency in package["dependencies"].as_array()? {
            dependencies.push(Dependency {
                name: dependency["name"].as_str()?.to_owned(),
                dev: dependency["kind"].as_str() == Some("dev"),
            });
        }
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: folder.to_string_lossy().replace('\\', "/"),
            rust_version: package["rust_version"].as_str().map(str::to_owned),
            dependencies,
        })
    }
}
