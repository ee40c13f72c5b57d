//! Findings for programs that show them next to a file's lines.

use std::path::{Path, PathBuf};

use crate::cli::project_source::ProjectSource;
use crate::lint::Finding;
use crate::project::FILE_NAME;
use crate::python_paths::abspath;

/// The finding's file relative to the repository, or to the current directory outside of one. For a finding about
/// the directory, its MLproject file.
pub(super) fn path_in_repository(source: &ProjectSource, finding: &Finding) -> String {
    let directory = source.work_dir.path();
    let mlproject = directory.join(FILE_NAME);
    let path = finding
        .location
        .as_ref()
        .map_or(mlproject.as_path(), |location| location.file.path());
    let path = clean(path);
    let repository = directory
        .ancestors()
        .find(|above| above.join(".git").exists())
        .filter(|_| !source.work_dir.is_temporary());
    match repository.and_then(|repository| path.strip_prefix(repository).ok()) {
        Some(relative) => relative.display().to_string(),
        None => source.shown(&path),
    }
}

/// The path without `.` and `..`.
fn clean(path: &Path) -> PathBuf {
    abspath(Path::new("/"), path)
}

/// The message and the hint, in one text.
pub(super) fn message_with_hint(finding: &Finding) -> String {
    match &finding.hint {
        Some(hint) => format!("{}\nhint: {hint}", finding.message),
        None => finding.message.clone(),
    }
}
