//! What objects become on this machine: files that appear when they are whole, and their directories.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tempfile::NamedTempFile;

use super::checksum::{Algorithm, Checksum, Sum};
use super::store::StoreError;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Makes a directory below a target.
pub(super) fn create_below(target: &Path, relative: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(target.join(relative)).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            StoreError::twofold(relative.ancestors().find(|part| target.join(part).is_file()))
        }
        _ => StoreError::unwritable(error),
    })
}

/// The checksum of a file. Other work goes on meanwhile.
pub(super) async fn sum_of_file(algorithm: Algorithm, file: &NamedTempFile) -> Result<Checksum, StoreError> {
    let file = file.reopen().map_err(StoreError::unwritable)?;
    let sum = tokio::task::spawn_blocking(move || {
        let mut sum = Sum::new(algorithm);
        io::copy(&mut BufReader::with_capacity(CHUNK, file), &mut sum).map(|_| sum.finish())
    });
    let sum = sum.await.unwrap_or_else(|error| Err(error.into()));
    sum.map_err(StoreError::unwritable)
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A file that gets this path when it is whole.
pub(super) fn temporary_beside(path: &Path) -> Result<NamedTempFile, StoreError> {
    tempfile::Builder::new()
        .prefix(".incomplete-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent_of(path))
        .map_err(StoreError::unwritable)
}

/// What gzip has packed into a file. Other work goes on meanwhile.
pub(super) async fn unpacked(file: &NamedTempFile, path: &Path) -> Result<NamedTempFile, StoreError> {
    let mut plain = temporary_beside(path)?;
    let mut packed = MultiGzDecoder::new(file.reopen().map_err(StoreError::unwritable)?);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = packed.read(&mut buffer).map_err(|error| StoreError::Damaged {
            reason: format!("its Content-Encoding is gzip, but it cannot be decompressed ({error})"),
        })?;
        if read == 0 {
            return Ok(plain);
        }
        plain.write_all(&buffer[..read]).map_err(StoreError::unwritable)?;
        tokio::task::yield_now().await;
    }
}

/// Gives a whole file its name.
pub(super) fn persist(file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
    let failed = |error: tempfile::PersistError| match error.error.kind() {
        ErrorKind::IsADirectory => StoreError::twofold(path.file_name().map(Path::new)),
        _ => StoreError::unwritable(error.error),
    };
    file.persist(path).map(drop).map_err(failed)
}
