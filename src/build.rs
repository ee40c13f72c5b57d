//! Tells the program which commit it is made of, and with which compiler. Without Git, or outside of a repository,
//! the commit is unknown and nothing else changes.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=src/build.rs");
    println!("cargo:rerun-if-env-changed=MLRUN_COMMIT");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    set("TARGET", &variable("TARGET"));
    set("PROFILE", &variable("PROFILE"));
    set(
        "RUSTC",
        &printed(&variable("RUSTC"), &["--version"]).unwrap_or_default(),
    );
    watch_commit();
    // Whoever builds from an archive can name the commit: the hash, and a date after a space.
    let named = Some(variable("MLRUN_COMMIT")).filter(|text| !text.is_empty());
    let commit = named.or_else(|| git(&["log", "-1", "--format=%H %cs"]));
    set("COMMIT", &commit.unwrap_or_default());
}

fn set(name: &str, value: &str) {
    let line = value.lines().next().unwrap_or_default();
    println!("cargo:rustc-env=MLRUN_BUILD_{name}={line}");
}

/// Has the script run again when the commit changes, and only then. A path that does not exist would have it run
/// for every build.
fn watch_commit() {
    let Some(directory) = git(&["rev-parse", "--absolute-git-dir"]).map(PathBuf::from) else {
        return;
    };
    let common = git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    let common = common.map_or_else(|| directory.clone(), PathBuf::from);
    let head = directory.join("HEAD");
    let branch = std::fs::read_to_string(&head).unwrap_or_default();
    let branch = branch.strip_prefix("ref:").map(|name| common.join(name.trim()));
    // A branch that is only in packed-refs gets a file of its own with the next commit.
    let branch = branch.and_then(|file| {
        if file.exists() {
            Some(file)
        } else {
            file.parent().map(Path::to_owned)
        }
    });
    let packed = common.join("packed-refs");
    for path in [Some(head), branch, Some(packed)].into_iter().flatten() {
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// What Git says about the repository whose top this package is. An archive inside of another repository is not it.
fn git(arguments: &[&str]) -> Option<String> {
    let top = printed("git", &["rev-parse", "--show-toplevel"])?;
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let is_same = Path::new(&top).canonicalize().ok()? == Path::new(&package).canonicalize().ok()?;
    is_same.then(|| printed("git", arguments)).flatten()
}

fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
