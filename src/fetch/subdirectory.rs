//! The project's place inside of what was fetched.

use std::fs;
use std::path::{Path, PathBuf};

use super::FetchError;
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
        Ok(_) => Err(FetchError::SubdirectoryIsFile {
            subdirectory: subdirectory.to_string(),
            top: top_name.to_owned(),
        }),
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
        Some(subdirectory) if !is_inside => Err(FetchError::EscapingSubdirectory {
            subdirectory: subdirectory.to_string(),
            top: top_name.to_owned(),
        }),
        _ => Ok(path),
    }
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
    let below_parent = |name: &str| parent.join(name).to_string_lossy().into_owned();
    FetchError::MissingSubdirectory {
        subdirectory: subdirectory.to_string(),
        top: top_name.to_owned(),
        nearest: nearest(&wanted, found.iter().map(String::as_str)).map(below_parent),
        parent: (!parent.as_os_str().is_empty()).then(|| parent.to_string_lossy().into_owned()),
        found,
    }
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
