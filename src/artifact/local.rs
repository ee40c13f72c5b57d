//! Local files: artifacts, and downloads, which appear when they are complete.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tempfile::NamedTempFile;

use crate::artifact::checksum::{Algorithm, Checksum, Sum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::repository::CHUNK;
use crate::python_paths::unquote;

/// The downloaded files.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Brought {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The error for a local file that cannot be read.
pub(super) fn unreadable(path: &Path, source: io::Error) -> RepositoryError {
    match source.kind() {
        ErrorKind::NotFound => RepositoryError::Missing(format!("'{}' does not exist", path.display())),
        _ => RepositoryError::unreadable(source),
    }
}

/// Copies a file or directory. Like MLflow, it copies the targets of symbolic links. A cancelled copy stops when its
/// target is removed, because it does not create directories again.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Brought> {
    each_file(from, to, copy_contents)
}

/// Moves a file or directory; a target directory may exist.
pub(super) fn rename(from: &Path, to: &Path) -> Result<Brought> {
    each_file(from, to, |from, to| {
        let bytes = fs::metadata(from).map_err(RepositoryError::unreadable)?.len();
        fs::rename(from, to).map_err(RepositoryError::unwritable)?;
        Ok(bytes)
    })
}

/// Copies a tree of directories. `bring` gets both paths of each file and gives its length.
fn each_file(from: &Path, to: &Path, bring: impl Fn(&Path, &Path) -> Result<u64>) -> Result<Brought> {
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

/// Copies a file, which appears when it is complete, and creates its parents.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<u64> {
    fs::create_dir_all(parent_of(to)).map_err(RepositoryError::unwritable)?;
    copy_contents(from, to)
}

/// Copies a file to an existing directory.
fn copy_contents(from: &Path, to: &Path) -> Result<u64> {
    let mut source = fs::File::open(from).map_err(RepositoryError::unreadable)?;
    let mut file = temporary_beside(to)?;
    let bytes = io::copy(&mut source, file.as_file_mut()).map_err(RepositoryError::unwritable)?;
    persist(file, to).map(|()| bytes)
}

/// The path of a local artifact URI: a plain path, or a `file:` URI.
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
            let path = unquote(path);
            Some(PathBuf::from(path))
        }
        Some(scheme) if is_scheme(scheme) => None,
        _ => Some(PathBuf::from(uri)),
    }
}

/// Creates a directory below a target.
pub(super) fn create_below(target: &Path, relative: &Path) -> Result<()> {
    fs::create_dir_all(target.join(relative)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            RepositoryError::twofold(relative.ancestors().find(|part| target.join(part).is_file()))
        }
        _ => RepositoryError::unwritable(error),
    })
}

pub(super) async fn sum_of_file(algorithm: Algorithm, file: &NamedTempFile) -> Result<Checksum> {
    let file = file.reopen().map_err(RepositoryError::unwritable)?;
    let sum = tokio::task::spawn_blocking(move || {
        let mut sum = Sum::new(algorithm);
        io::copy(&mut BufReader::with_capacity(CHUNK, file), &mut sum).map(|_| sum.finish())
    });
    let sum = sum.await.unwrap_or_else(|error| Err(error.into()));
    sum.map_err(RepositoryError::unwritable)
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A temporary file that gets this path when it is complete.
pub(super) fn temporary_beside(path: &Path) -> Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".incomplete-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent_of(path))
        .map_err(RepositoryError::unwritable)
}

/// Decompresses a gzip file. Other tasks run between its parts.
pub(super) async fn unpacked(file: &NamedTempFile, path: &Path) -> Result<NamedTempFile> {
    let mut plain = temporary_beside(path)?;
    let mut packed = MultiGzDecoder::new(file.reopen().map_err(RepositoryError::unwritable)?);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = packed.read(&mut buffer).map_err(|error| {
            RepositoryError::damaged(format_args!(
                "its Content-Encoding is gzip, but decompressing it failed ({error})"
            ))
        })?;
        if read == 0 {
            return Ok(plain);
        }
        plain
            .write_all(&buffer[..read])
            .map_err(RepositoryError::unwritable)?;
        tokio::task::yield_now().await;
    }
}

pub(super) fn persist(file: NamedTempFile, path: &Path) -> Result<()> {
    let failed = |error: tempfile::PersistError| match error.error.kind() {
        ErrorKind::IsADirectory => RepositoryError::twofold(path.file_name().map(Path::new)),
        _ => RepositoryError::unwritable(error.error),
    };
    file.persist(path).map(drop).map_err(failed)
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
