//! The project's files in one compressed archive. Equal trees give equal bytes, so the archive's hash
//! identifies its contents.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use openssl::sha::Sha256;
use tar::{Builder, EntryType, Header};
use tempfile::NamedTempFile;

use crate::backend::error::ServiceError;

/// The archive's only directory at its top, as MLflow names it.
pub(super) const ROOT: &str = "mlflow-project";

/// Left out of the archive everywhere: a store's artifacts and a repository's history.
const LEFT_OUT: [&str; 2] = ["mlruns", ".git"];
/// Left out of the archive at the project's top: a store.
const LEFT_OUT_AT_TOP: [&str; 4] = ["mlflow.db", "mlflow.db-journal", "mlflow.db-wal", "mlflow.db-shm"];

#[derive(Debug)]
pub(super) struct Archive {
    /// Deleted when this value is dropped.
    pub(super) file: NamedTempFile,
    /// The SHA-256 of the file in hexadecimal digits.
    pub(super) hash: String,
    pub(super) size: u64,
    pub(super) unpacked: u64,
}

impl Archive {
    /// Packs the files of a directory. If the future is dropped, the file is deleted at once, though its writer
    /// may run a moment longer.
    ///
    /// # Errors
    /// A file cannot be read, or the archive cannot be written.
    pub(super) async fn make(directory: &Path) -> Result<Self, ServiceError> {
        let file = tempfile::Builder::new()
            .prefix("mlrun-project-")
            .suffix(".tar.gz")
            .tempfile()
            .map_err(failed(&std::env::temp_dir()))?;
        let writer = file.reopen().map_err(failed(file.path()))?;
        let (from, path) = (directory.to_owned(), file.path().to_owned());
        let (hash, size, unpacked) = tokio::task::spawn_blocking(move || pack(&from, writer, &path))
            .await
            .map_err(|error| failed(directory)(io::Error::other(error)))??;
        Ok(Self {
            file,
            hash,
            size,
            unpacked,
        })
    }
}

/// Writes the archive to a file; `path` is for errors. Returns the hash, the archive's size and the size of the
/// files.
fn pack(directory: &Path, file: File, path: &Path) -> Result<(String, u64, u64), ServiceError> {
    let hashed = Hashed {
        file: BufWriter::new(file),
        hash: Sha256::new(),
        size: 0,
    };
    // No time and name in the header: they would differ from run to run.
    let encoder = GzBuilder::new().mtime(0).write(hashed, Compression::default());
    let mut builder = Builder::new(encoder);
    let mut unpacked = 0;
    add_directory(&mut builder, directory, &PathBuf::from(ROOT), true, &mut unpacked)?;
    let finish = |builder: Builder<GzEncoder<Hashed>>| {
        let mut hashed = builder.into_inner()?.finish()?;
        hashed.file.flush()?;
        Ok(hashed)
    };
    let Hashed { hash, size, .. } = finish(builder).map_err(failed(path))?;
    Ok((hex::encode(hash.finish()), size, unpacked))
}

pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> ServiceError {
    move |error| {
        let problem = format!("cannot pack '{}' for the upload", path.display());
        ServiceError::failed(problem, None, Some(error.into()))
    }
}

/// Writes to a file and hashes what is written.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Adds a directory and its contents, ordered by name.
fn add_directory<W: Write>(
    builder: &mut Builder<W>,
    directory: &Path,
    name: &Path,
    is_top: bool,
    unpacked: &mut u64,
) -> Result<(), ServiceError> {
    add(builder, name, EntryType::Directory, 0o755, 0, io::empty()).map_err(failed(directory))?;
    let mut entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(failed(directory))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        let is_left_out = |names: &[&str]| names.iter().any(|name| file_name == *name);
        if is_left_out(&LEFT_OUT) || (is_top && is_left_out(&LEFT_OUT_AT_TOP)) {
            continue;
        }
        let (path, name) = (entry.path(), name.join(&file_name));
        let metadata = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            add_directory(builder, &path, &name, false, unpacked)?;
        } else if kind.is_symlink() {
            add_link(builder, &path, &name).map_err(failed(&path))?;
        } else if kind.is_file() {
            let mode = match metadata.permissions().mode() & 0o111 {
                0 => 0o644,
                _ => 0o755,
            };
            *unpacked += metadata.len();
            File::open(&path)
                .and_then(|file| {
                    let (size, mut whole) = (metadata.len(), file.take(metadata.len()));
                    add(builder, &name, EntryType::Regular, mode, size, &mut whole)?;
                    match whole.limit() {
                        0 => Ok(()),
                        // The archive is damaged then.
                        _ => Err(io::Error::other("the file was truncated while it was read")),
                    }
                })
                .map_err(failed(&path))?;
        }
        // Sockets, pipes and devices are useless on another machine.
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn add<W: Write>(
    builder: &mut Builder<W>,
    name: &Path,
    kind: EntryType,
    mode: u32,
    size: u64,
    contents: impl Read,
) -> io::Result<()> {
    builder.append_data(&mut header(kind, mode, size), name, contents)
}

fn add_link<W: Write>(builder: &mut Builder<W>, path: &Path, name: &Path) -> io::Result<()> {
    let target = fs::read_link(path)?;
    builder.append_link(&mut header(EntryType::Symlink, 0o777, 0), name, target)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(parent: &Path, order: &[&str]) -> PathBuf {
        let directory = parent.join("project");
        for name in order {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("contents of {name}")).unwrap();
        }
        let script = directory.join("sub/run.sh");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o751)).unwrap();
        symlink("MLproject", directory.join("link")).unwrap();
        directory
    }

    fn names(archive: &Archive) -> Vec<String> {
        let bytes = fs::read(archive.file.path()).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        tar.entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(
                    (
                        header.mtime().unwrap(),
                        header.uid().unwrap(),
                        header.gid().unwrap()
                    ),
                    (0, 0, 0)
                );
                format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display())
            })
            .collect()
    }

    #[tokio::test]
    async fn equal_trees_have_equal_hashes_and_no_store() {
        let files = [
            "MLproject",
            "sub/run.sh",
            "sub/ä.py",
            ".git/HEAD",
            "sub/.git",
            "mlruns/0/meta.yaml",
            "sub/mlruns/x",
            "mlflow.db",
            "mlflow.db-wal",
            "sub/mlflow.db",
        ];
        let mut reversed = files;
        reversed.reverse();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Archive::make(&tree(one.path(), &files)).await.unwrap();
        let second = Archive::make(&tree(other.path(), &reversed)).await.unwrap();
        assert_eq!(
            names(&first),
            [
                "755 mlflow-project",
                "644 mlflow-project/MLproject",
                "777 mlflow-project/link",
                "755 mlflow-project/sub",
                "644 mlflow-project/sub/mlflow.db",
                "755 mlflow-project/sub/run.sh",
                "644 mlflow-project/sub/ä.py",
            ]
        );
        assert_eq!(first.hash, second.hash);
        let bytes = fs::read(first.file.path()).unwrap();
        assert_eq!(first.size, bytes.len() as u64);
        assert_eq!(first.hash, hex::encode(openssl::sha::sha256(&bytes)));
        fs::write(one.path().join("project/MLproject"), "other").unwrap();
        let changed = Archive::make(&one.path().join("project")).await.unwrap();
        assert_ne!(changed.hash, first.hash);
    }
}
