//! Whether files may have to be changed when they are written: other line ends, `$Id$`, programs.
//!
//! Only attributes and `core.autocrlf` ask for that. From Git's `gitattributes` and `git-config`.

use std::path::PathBuf;

use git2::{Config, ObjectType, Repository, Tree};

use crate::env_vars;

/// The file with attributes in any directory of a working tree.
const ATTRIBUTES: &str = ".gitattributes";

/// Where administrators keep attributes.
const SYSTEM_ATTRIBUTES: [&str; 2] = ["/etc/gitattributes", "/usr/local/etc/gitattributes"];

/// Whether a filter may apply to a file of the commit that HEAD names. Where that cannot be told, one
/// may.
pub(super) fn may_apply(repository: &Repository) -> bool {
    let Ok(config) = repository.config() else {
        return true;
    };
    converts_line_ends(&config)
        || attribute_files(repository, &config)
            .iter()
            .any(|path| path.exists())
        || head_tree(repository).is_none_or(|tree| has_attributes(repository, &tree).unwrap_or(true))
}

fn converts_line_ends(config: &Config) -> bool {
    config.get_entry("core.autocrlf").is_ok() && !matches!(config.get_bool("core.autocrlf"), Ok(false))
}

/// The files with attributes outside of the commit.
fn attribute_files(repository: &Repository, config: &Config) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = SYSTEM_ATTRIBUTES.map(PathBuf::from).to_vec();
    files.push(repository.path().join("info/attributes"));
    match config.get_path("core.attributesFile") {
        Ok(path) => files.push(path),
        Err(_) => {
            let of_xdg = env_vars::non_empty(env_vars::XDG_CONFIG_HOME).map(PathBuf::from);
            let of_home = env_vars::non_empty(env_vars::HOME).map(|home| PathBuf::from(home).join(".config"));
            files.extend(
                of_xdg
                    .into_iter()
                    .chain(of_home)
                    .map(|directory| directory.join("git/attributes")),
            );
        }
    }
    files
}

fn head_tree(repository: &Repository) -> Option<Tree<'_>> {
    repository.head().ok()?.peel_to_tree().ok()
}

fn has_attributes(repository: &Repository, tree: &Tree<'_>) -> Result<bool, git2::Error> {
    for entry in tree {
        if entry.name_bytes().eq_ignore_ascii_case(ATTRIBUTES.as_bytes()) {
            return Ok(true);
        }
        if entry.kind() == Some(ObjectType::Tree) {
            let below = repository.find_tree(entry.id())?;
            if has_attributes(repository, &below)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
