//! Temporary directories that are removed even while a program or a thread still writes to them.
//!
//! Interrupted work does not stop at once: a thread inside a library writes its next file, a killed program is
//! still exiting. So a directory is renamed first. Then a writer that uses the old name fails at its next file,
//! and only files being written at that moment can disturb the removal.

use std::env;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use backon::{BlockingRetryable, ConstantBuilder};

use crate::env_vars::{TEMP, TMP, TMPDIR};

/// How many times a removal is retried while others still write to the directory.
const RETRIES: usize = 500;
/// The pause before each retry.
const PAUSE: Duration = Duration::from_millis(10);
/// The suffix of a directory that is being removed.
const SET_ASIDE: &str = ".removed";

/// A directory that is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory {
    path: PathBuf,
    is_kept: bool,
}

impl TemporaryDirectory {
    /// Creates an empty directory that only this user can access, in [`parent`].
    pub(crate) fn create(prefix: &str) -> io::Result<Self> {
        Self::create_in(&parent(), prefix)
    }

    /// Like [`create`](Self::create), in this directory.
    pub(crate) fn create_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        Ok(Self {
            path: directory.keep(),
            is_kept: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the directory when this value is dropped.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the directory before this value is dropped, unless it is kept.
    pub(crate) fn remove_now(&self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        self.remove_now();
    }
}

/// The directory for temporary files: from the first variable of Python's `tempfile` that names a directory,
/// else the system's.
pub(crate) fn parent() -> PathBuf {
    [TMPDIR, TEMP, TMP]
        .into_iter()
        .filter_map(env::var_os)
        .map(PathBuf::from)
        .find(|directory| directory.is_dir())
        .unwrap_or_else(env::temp_dir)
}

/// Renames a directory to a name that nobody else uses, and returns it.
pub(crate) fn set_aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SET_ASIDE);
    let aside = PathBuf::from(name);
    match fs::rename(path, &aside) {
        Ok(()) => aside,
        Err(_) => path.to_owned(),
    }
}

/// Removes a directory and its contents, as far as possible.
fn remove(path: &Path) {
    remove_set_aside(&set_aside(path));
    // A file created at that moment may have recreated it.
    remove_set_aside(path);
}

/// Removes a directory that [`set_aside`] renamed.
pub(crate) fn remove_set_aside(path: &Path) {
    let removed = (|| remove_all(path))
        .retry(ConstantBuilder::new().with_delay(PAUSE).with_max_times(RETRIES))
        .sleep(thread::sleep)
        .when(|error| error.kind() != ErrorKind::PermissionDenied && path.exists())
        .call();
    if let Err(error) = removed
        && path.exists()
    {
        tracing::debug!(path = %path.display(), %error, "a temporary directory is left behind");
    }
}

/// Removes a directory and its contents like [`fs::remove_dir_all`], even if it contains read-only directories.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Makes a directory and all directories below it writable for the owner.
fn make_writable(directory: &Path) {
    // Failures show in the removal that follows.
    let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_directory_goes_away_with_its_value() {
        let directory = TemporaryDirectory::create("mlrun-").unwrap();
        let path = directory.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir(path.join("closed")).unwrap();
        fs::write(path.join("closed/file"), "").unwrap();
        fs::set_permissions(path.join("closed"), Permissions::from_mode(0o500)).unwrap();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_directory_stays() {
        let mut directory = TemporaryDirectory::create("mlrun-").unwrap();
        let path = directory.path().to_owned();
        directory.keep();
        drop(directory);
        assert!(path.is_dir());
        remove(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_goes_away_under_a_writer() {
        let directory = TemporaryDirectory::create("mlrun-").unwrap();
        let path = directory.path().to_owned();
        let has_begun = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 0_u64.. {
                    if fs::write(path.join(number.to_string()), "").is_err() {
                        return;
                    }
                    has_begun.store(true, Ordering::Relaxed);
                }
            });
            while !has_begun.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            drop(directory);
            // It ends by itself, since its next file cannot be made.
            writer.join().unwrap();
        });
        assert!(!path.exists());
        assert!(!set_aside(&path).exists());
    }
}
