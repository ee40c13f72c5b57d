//! The project's place inside of what was fetched.

use std::fs;
use std::path::{Path, PathBuf};

use super::FetchError;
use super::error::{SHOWN_NAMES, shortened};
use crate::nearest::nearest;
use crate::project_uri::Subdirectory;

/// The directory that the project URI names below `top`; `top_name` tells a person what `top` is.
///
/// # Errors
/// There is no such directory.
pub(super) fn find(
    top: &Path,
    subdirectory: Option<&Subdirectory>,
    top_name: &str,
) -> Result<PathBuf, FetchError> {
    let Some(subdirectory) = subdirectory else {
        return Ok(top.to_owned());
    };
    let path = subdirectory.below(top);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(FetchError::new(
            format!("'{subdirectory}' in {top_name} is a file, not a directory"),
            "",
        )),
        Err(_) => Err(missing(top, subdirectory, top_name)),
    }
}

/// As [`find`], for a source that comes from elsewhere: its symbolic links must not lead out of it.
pub(super) fn find_inside(
    top: &Path,
    subdirectory: Option<&Subdirectory>,
    top_name: &str,
) -> Result<PathBuf, FetchError> {
    let path = find(top, subdirectory, top_name)?;
    let is_inside = match (path.canonicalize(), top.canonicalize()) {
        (Ok(path), Ok(top)) => path.starts_with(top),
        _ => false,
    };
    match subdirectory {
        Some(subdirectory) if !is_inside => Err(escaping(subdirectory.as_str(), top_name)),
        _ => Ok(path),
    }
}

/// The error for a directory that is not inside of what was fetched.
pub(super) fn escaping(subdirectory: &str, top_name: &str) -> FetchError {
    FetchError::new(
        format!("the directory '{subdirectory}' in {top_name} leads out of it through a symbolic link"),
        "",
    )
}

fn missing(top: &Path, subdirectory: &Subdirectory, top_name: &str) -> FetchError {
    let mut parent = PathBuf::new();
    let mut wanted = String::new();
    for part in Path::new(subdirectory.as_str()) {
        wanted = part.to_string_lossy().into_owned();
        if !top.join(&parent).join(part).is_dir() {
            break;
        }
        parent.push(part);
    }
    let found = directories(&top.join(&parent));
    let is_top = parent.as_os_str().is_empty();
    let hint = if let Some(name) = nearest(&wanted, found.iter().map(String::as_str)) {
        format!("did you mean '{}'?", parent.join(name).display())
    } else if found.is_empty() && is_top {
        "there are no directories in it: leave the '#' part out".to_owned()
    } else if found.is_empty() {
        format!("there are no directories in '{}'", parent.display())
    } else if is_top {
        format!("the directories there are: {}", shortened(&found, SHOWN_NAMES))
    } else {
        let found = shortened(&found, SHOWN_NAMES);
        format!("the directories in '{}' are: {found}", parent.display())
    };
    FetchError::new(
        format!("there is no directory '{subdirectory}' in {top_name}"),
        hint,
    )
}

/// The names of the directories in a directory, in order; Git's own is left out.
pub(super) fn directories(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir() && entry.file_name() != ".git")
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
