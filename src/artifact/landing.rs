//! What objects become on this machine: files that appear when they are whole, and their directories.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tempfile::NamedTempFile;

use crate::artifact::checksum::{Algorithm, Checksum, Sum};
use crate::artifact::repository_error::RepositoryError;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Makes a directory below a target.
pub(super) fn create_below(target: &Path, relative: &Path) -> Result<(), RepositoryError> {
    fs::create_dir_all(target.join(relative)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            RepositoryError::twofold(relative.ancestors().find(|part| target.join(part).is_file()))
        }
        _ => RepositoryError::unwritable(error),
    })
}

/// The checksum of a file. Other work goes on meanwhile.
pub(super) async fn sum_of_file(
    algorithm: Algorithm,
    file: &NamedTempFile,
) -> Result<Checksum, RepositoryError> {
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

/// A file that gets this path when it is whole.
pub(super) fn temporary_beside(path: &Path) -> Result<NamedTempFile, RepositoryError> {
    tempfile::Builder::new()
        .prefix(".incomplete-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent_of(path))
        .map_err(RepositoryError::unwritable)
}

/// What gzip has packed into a file. Other work goes on meanwhile.
pub(super) async fn unpacked(file: &NamedTempFile, path: &Path) -> Result<NamedTempFile, RepositoryError> {
    let mut plain = temporary_beside(path)?;
    let mut packed = MultiGzDecoder::new(file.reopen().map_err(RepositoryError::unwritable)?);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = packed
            .read(&mut buffer)
            .map_err(|error| RepositoryError::Damaged {
                reason: format!("its Content-Encoding is gzip, but it cannot be decompressed ({error})"),
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

/// Gives a whole file its name.
pub(super) fn persist(file: NamedTempFile, path: &Path) -> Result<(), RepositoryError> {
    let failed = |error: tempfile::PersistError| match error.error.kind() {
        ErrorKind::IsADirectory => RepositoryError::twofold(path.file_name().map(Path::new)),
        _ => RepositoryError::unwritable(error.error),
    };
    file.persist(path).map(drop).map_err(failed)
}
