//! Local directories, which are used where they are.

use std::path::Path;

use super::git::{self, Repository};
use super::subdirectory;
use super::{FetchError, Source, WITHOUT_VERSION, WorkDir};
use crate::project_uri::{ProjectUri, Subdirectory};

/// Uses the directory as it is.
pub(super) fn use_in_place(uri: &ProjectUri, top: &Path) -> Result<WorkDir, FetchError> {
    let path = subdirectory::find(top, uri.subdirectory(), &format!("'{}'", top.display()))?;
    let repository = git::find_repository(&path);
    let source = Source {
        name: source_name(top, uri.subdirectory(), repository.as_ref()),
        commit: repository
            .as_ref()
            .and_then(|repository| repository.commit(&path)),
        repo_url: repository.as_ref().and_then(Repository::first_remote_url),
        branch: None,
    };
    Ok(WorkDir::new(path, source, None))
}

/// The value of `mlflow.source.name` for something on this machine: inside of a Git working tree
/// `file://<its root>#<the path below it>`, anywhere else the absolute path.
pub(super) fn source_name(
    path: &Path,
    subdirectory: Option<&Subdirectory>,
    repository: Option<&Repository>,
) -> String {
    let whole = subdirectory.map_or_else(|| path.to_owned(), |subdirectory| subdirectory.below(path));
    match repository
        .and_then(|repository| Some((repository.root(), whole.strip_prefix(repository.root()).ok()?)))
    {
        Some((root, below)) if below.as_os_str().is_empty() => format!("file://{}", root.display()),
        Some((root, below)) => format!("file://{}#{}", root.display(), below.display()),
        None => match subdirectory {
            Some(subdirectory) => format!("{}#{subdirectory}", path.display()),
            None => path.display().to_string(),
        },
    }
}

/// The error for a version that was asked for of a directory that is no repository's root.
pub(super) fn version_of_directory(path: &Path) -> FetchError {
    let hint = git::find_repository(path).and_then(|repository| {
        let (root, below) = (repository.root(), path.strip_prefix(repository.root()).ok()?);
        let uri = format!("{}#{}", root.display(), below.display());
        Some(format!("it lies inside of a repository: write '{uri}'"))
    });
    let path = path.display();
    FetchError::unavailable(
        format!("a version can only be chosen for a Git repository, and '{path}' is none"),
        hint.unwrap_or_else(|| WITHOUT_VERSION.to_owned()),
    )
}
