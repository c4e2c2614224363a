//! Compilers from Debian's packages, unpacked under the target folder: nothing is installed.
//!
//! Debian builds rustc for its browsers and ships the whole source of std with it. That brings two
//! things that rustup cannot be asked for everywhere: an older compiler, and a std that can be built
//! with a sanitizer.

use crate::shell;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unpacked compiler.
pub struct Toolchain {
    /// The folder that holds `usr/`.
    root: PathBuf,
    /// As in `1.96`.
    pub version: String,
}

impl Toolchain {
    /// Lets `command` (a cargo) use this compiler.
    pub fn lend_to(&self, command: &mut Command) {
        command
            .env("RUSTC", self.root.join("usr/bin/rustc"))
            .env("RUSTDOC", self.root.join("usr/bin/rustdoc"))
            .env("LD_LIBRARY_PATH", self.root.join("usr/lib").join(multiarch()));
    }

    /// Where the compiler looks for what it links into programs for this machine.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/rustlib").join(host()).join("lib")
    }
}

/// Debian's name for this kind of machine.
fn multiarch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// Rust's name for this kind of machine.
pub fn host() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The compiler of this version (`1.85`), or the newest one with the source of std (`None`).
///
/// # Errors
/// Why there is none, in words that can stand behind "skipped: ".
pub fn toolchain(workspace: &Workspace, version: Option<&str>) -> Result<Toolchain, String> {
    if !["apt-get", "apt-cache", "dpkg-deb"].iter().all(|tool| shell::found(tool)) {
        return Err("Debian's package tools are not here".to_owned());
    }
    let offered = offered(version).or_else(|| {
        // The lists of packages may never have been fetched; only root can.
        let lists = &mut Command::new("apt-get");
        if shell::succeeds(lists.args(["update", "-qq"])) { offered(version) } else { None }
    });
    let wanted = version.unwrap_or("any");
    let full = offered.ok_or_else(|| format!("Debian offers no rustc-web, version {wanted}"))?;
    let short: String = full.split('.').take(2).collect::<Vec<_>>().join(".");
    let root = workspace.target.join("debian-rustc").join(&short);
    if !root.exists() {
        unpack(&root, &packages(&full, &short, version.is_none()))?;
    }
    Ok(Toolchain { root, version: short })
}

/// The full version of rustc-web that fits `version`.
fn offered(version: Option<&str>) -> Option<String> {
    let list = shell::output(Command::new("apt-cache").args(["madison", "rustc-web"])).ok()?;
    fitting(&list, version)
}

/// Picks from lines like `rustc-web | 1.85.0+dfsg3-1 | http… Packages`, newest first.
fn fitting(list: &str, version: Option<&str>) -> Option<String> {
    let mut versions = list.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let fits = |full: &&str| {
        version.is_none_or(|wanted| {
            full.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
        })
    };
    versions.find(fits).map(str::to_owned)
}

fn packages(full: &str, short: &str, with_source: bool) -> Vec<String> {
    let library = format!("libstd-rust-web-{short}={full}");
    let mut packages = vec![format!("rustc-web={full}"), format!("libstd-rust-web-dev={full}")];
    packages.extend(with_source.then(|| format!("rust-web-src={full}")));
    packages.extend(llvm_of(&library));
    packages.push(library);
    packages
}

/// The package with the LLVM that `package` links with.
fn llvm_of(package: &str) -> Option<String> {
    let list = shell::output(Command::new("apt-cache").args(["depends", package])).ok()?;
    let names = list.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(str::trim).find(|name| name.starts_with("libllvm")).map(str::to_owned)
}

/// Unpacks the packages beside `root`, and moves the whole there when it is complete.
fn unpack(root: &Path, packages: &[String]) -> Result<(), String> {
    let begun = root.with_extension("unpacking");
    let failed = |error: std::io::Error| format!("{}: {error}", begun.display());
    if begun.exists() {
        std::fs::remove_dir_all(&begun).map_err(failed)?;
    }
    let archives = begun.join("archives");
    std::fs::create_dir_all(&archives).map_err(failed)?;
    println!("fetching {} from Debian", packages.join(" "));
    let mut download = Command::new("apt-get");
    download.args(["download", "-qq"]).args(packages).current_dir(&archives);
    shell::output(&mut download).map_err(|error| format!("Debian cannot be reached: {error}"))?;
    for archive in std::fs::read_dir(&archives).map_err(failed)? {
        let archive = archive.map_err(failed)?.path();
        let mut unpack = Command::new("dpkg-deb");
        shell::output(unpack.arg("--extract").arg(archive).arg(&begun))?;
    }
    std::fs::remove_dir_all(&archives).map_err(failed)?;
    std::fs::rename(&begun, root).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::fitting;

    const LIST: &str = " rustc-web | 1.96.0+dfsg1-1 | http://a Packages\n rustc-web | 1.85.0+dfsg3-1 | http://b Packages\n";

    #[test]
    fn the_newest_fitting_version_is_picked() {
        assert_eq!(fitting(LIST, None).as_deref(), Some("1.96.0+dfsg1-1"));
        assert_eq!(fitting(LIST, Some("1.85")).as_deref(), Some("1.85.0+dfsg3-1"));
        assert_eq!(fitting(LIST, Some("1.8")), None);
        assert_eq!(fitting("", None), None);
    }
}
