//! Directories of environments: removing them, and how big they are.

use std::fs;
use std::io;
use std::path::Path;

use crate::environment::EnvironmentError;
use crate::temporary::make_writable;

/// Removes the directory of an environment with all that is in it. Nothing there is no error.
pub(in crate::environment) async fn remove_directory(directory: &Path) -> Result<(), EnvironmentError> {
    let path = directory.to_owned();
    blocking(move || remove(&path))
        .await
        .map_err(EnvironmentError::cache("remove", directory))
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_dir() => fs::remove_file(path),
        Ok(_) => fs::remove_dir_all(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Packages may have made directories in it that cannot be written to.
            make_writable(path);
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Does blocking work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(io::ErrorKind::Interrupted.into()),
    }
}
