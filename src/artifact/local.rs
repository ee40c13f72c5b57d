//! Artifacts that are files of this machine.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::artifact::download::Brought;
use crate::artifact::landing::{parent_of, persist, temporary_beside};
use crate::artifact::repository_error::RepositoryError;

/// What it means that a file here cannot be looked at.
pub(super) fn unreadable(path: &Path, source: io::Error) -> RepositoryError {
    match source.kind() {
        ErrorKind::NotFound => RepositoryError::Missing {
            said: format!("'{}' does not exist", path.display()),
        },
        _ => RepositoryError::unreadable(source),
    }
}

/// Copies a file or a directory. What links point at is copied, as MLflow does it. A copy that is given up
/// ends when its target is gone: no directory is made again.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Brought, RepositoryError> {
    each_file(from, to, copy_contents)
}

/// Moves a file or a directory, into one that may be there.
pub(super) fn rename(from: &Path, to: &Path) -> Result<Brought, RepositoryError> {
    each_file(from, to, |from, to| {
        let bytes = fs::metadata(from).map_err(RepositoryError::unreadable)?.len();
        fs::rename(from, to).map_err(RepositoryError::unwritable)?;
        Ok(bytes)
    })
}

/// Makes a directory and those in it again at another path, and calls `bring` for the old and the new path of
/// each file, which gives its length.
fn each_file(
    from: &Path,
    to: &Path,
    bring: impl Fn(&Path, &Path) -> Result<u64, RepositoryError>,
) -> Result<Brought, RepositoryError> {
    let mut brought = Brought::default();
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        if !fs::metadata(&from).map_err(RepositoryError::unreadable)?.is_dir() {
            brought.bytes += bring(&from, &to)?;
            brought.files += 1;
            continue;
        }
        match fs::create_dir(&to) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(RepositoryError::unwritable(error));
            }
            _ => {}
        }
        for entry in fs::read_dir(&from).map_err(RepositoryError::unreadable)? {
            let entry = entry.map_err(RepositoryError::unreadable)?;
            left.push((entry.path(), to.join(entry.file_name())));
        }
    }
    Ok(brought)
}

/// Copies a file, which appears when it is whole, and makes the directories above it.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<u64, RepositoryError> {
    fs::create_dir_all(parent_of(to)).map_err(RepositoryError::unwritable)?;
    copy_contents(from, to)
}

/// Copies a file into a directory that is there.
fn copy_contents(from: &Path, to: &Path) -> Result<u64, RepositoryError> {
    let mut source = fs::File::open(from).map_err(RepositoryError::unreadable)?;
    let mut file = temporary_beside(to)?;
    let bytes = io::copy(&mut source, file.as_file_mut()).map_err(RepositoryError::unwritable)?;
    persist(file, to).map(|()| bytes)
}

/// The path that an artifact URI of a store on this machine names: a plain path, or a `file:` URI.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |scheme: &str| {
        scheme.len() > 1
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => {
            let rest = &uri[scheme.len() + 1..];
            let path = match rest.strip_prefix("//") {
                Some(rest) => &rest[rest.find('/')?..],
                None => rest,
            };
            let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
            Some(PathBuf::from(path.into_owned()))
        }
        Some(scheme) if is_scheme(scheme) => None,
        _ => Some(PathBuf::from(uri)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_uris_of_this_machine_are_paths() {
        for (uri, expected) in [
            ("/srv/mlruns/0", Some("/srv/mlruns/0")),
            ("./mlruns/a:b", Some("./mlruns/a:b")),
            ("file:///a%20b/c", Some("/a b/c")),
            ("file:/a", Some("/a")),
            ("file://localhost/a", Some("/a")),
            ("s3://b/k", None),
            ("mlflow-artifacts:/0", None),
        ] {
            assert_eq!(path_of(uri), expected.map(PathBuf::from), "{uri}");
        }
    }

    #[test]
    fn a_directory_is_copied_whole() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        fs::create_dir_all(from.join("a/empty")).unwrap();
        fs::write(from.join("a/x"), "12345").unwrap();
        let to = directory.path().join("to");
        let brought = copy(&from, &to).unwrap();
        assert_eq!((brought.files, brought.bytes), (1, 5));
        assert_eq!(fs::read(to.join("a/x")).unwrap(), b"12345");
        assert!(to.join("a/empty").is_dir());
    }
}
