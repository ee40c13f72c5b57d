//! The operations of all kinds of stores: listings, downloads, and uploads in parts.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::artifact::checksum::{Checksum, Sum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request;
use crate::http::{READ_TIMEOUT, SentFile};

/// The size of reads from anything but HTTP responses.
pub(super) const CHUNK: usize = 256 * 1024;

/// A place in a store: an object or a directory. Calls retry if the store does not respond.
#[async_trait]
pub(super) trait ArtifactRepository: Send + Sync {
    /// Finds the object or directory.
    async fn find(&self) -> Result<StoredArtifact>;

    /// The page of the listing at [`Listing::next`]. The first one is empty.
    async fn list_artifacts(&self, next: &str) -> Result<Listing>;

    /// Starts to read an object, or a range of it. If the object has another validator now, this is an error, or the
    /// content begins at the start again.
    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body>;

    /// Uploads a file below the place. It appears when it is complete.
    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()>;

    /// Removes what a failed or dropped [`ArtifactRepository::log_artifact`] has left behind.
    async fn abort_upload(&self) -> Result<()> {
        Ok(())
    }

    /// Whether ranges of an object can be read.
    fn has_ranges(&self) -> bool;

    /// Whether to read several parts of an object at the same time.
    fn has_parts(&self) -> bool {
        self.has_ranges()
    }
}

#[derive(Debug)]
pub(super) enum StoredArtifact {
    File(Object),
    /// Objects whose names begin with the place's.
    Directory(Listing),
}

/// A page of a directory's contents, at any depth.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) objects: Vec<Object>,
    /// Directories without objects, relative to the place.
    pub(super) empty_directories: Vec<String>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    /// The full name in the store.
    pub(super) key: String,
    /// The path of the local file in the target directory; empty for a single object.
    pub(super) path: String,
    pub(super) size: Option<u64>,
    /// Identifies the object's version, if the store does.
    pub(super) validator: Option<String>,
    pub(super) checksum: Option<Checksum>,
}

/// The content of an object.
pub(super) struct Body {
    pub(super) chunks: Chunks,
    /// Whether the chunks are compressed by gzip; ranges and checksums then refer to that.
    pub(super) is_packed: bool,
    pub(super) start: u64,
    pub(super) length: Option<u64>,
    pub(super) validator: Option<String>,
    /// The checksum of the whole object.
    pub(super) checksum: Option<Checksum>,
}

impl Body {
    /// Uncompressed content without a checksum.
    pub(super) fn new(chunks: Chunks, start: u64, length: Option<u64>, validator: Option<String>) -> Self {
        Self {
            chunks,
            is_packed: false,
            start,
            length,
            validator,
            checksum: None,
        }
    }
}

/// Locks a mutex, even after a panic.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of an object, or of a range of it.
pub(super) type Chunks = BoxStream<'static, Result<Bytes>>;

pub(super) fn of_answer(answer: reqwest::Response) -> Chunks {
    stream::try_unfold(answer, |mut answer| async {
        let chunk = http_request::next_chunk(&mut answer).await?;
        Ok(chunk.map(|chunk| (chunk, answer)))
    })
    .boxed()
}

pub(super) fn of_reader(reader: impl AsyncRead + Send + 'static) -> Chunks {
    stream::try_unfold(Box::pin(reader), |mut reader| async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let read = tokio::time::timeout(READ_TIMEOUT, reader.read_buf(&mut buffer)).await;
        let read = read.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let read = read.map_err(RepositoryError::broken)?;
        Ok((read > 0).then(|| (buffer.freeze(), reader)))
    })
    .boxed()
}

pub(super) fn open_file(file: &Path) -> Result<SentFile> {
    SentFile::open(file).map_err(RepositoryError::unreadable)
}

pub(super) fn content_type(path: &str) -> &'static str {
    if path.ends_with(".txt") {
        "text/plain"
    } else {
        "application/octet-stream"
    }
}

/// The path of a key relative to a directory; `None` for the directory itself. As in MLflow, doubled slashes and
/// single dots are ignored.
pub(super) fn path_below(prefix: &str, key: &str) -> Result<Option<String>> {
    let Some(rest) = key.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else {
        return Ok(None);
    };
    let parts: Vec<&str> = rest
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") || rest.contains('\0') {
        let name = key.replace('\0', "\\0");
        let problem = format!("the name '{name}' in it is not a valid path");
        return Err(RepositoryError::Other(problem));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// A limit for directories, to stop at endless ones.
const MOST_DIRECTORIES: usize = 1_000_000;

/// The directories, relative to the place, that have not been listed yet.
pub(super) struct Walk {
    store: &'static str,
    left: Mutex<VecDeque<String>>,
}

impl Walk {
    pub(super) fn new(store: &'static str) -> Self {
        Self {
            store,
            left: Mutex::default(),
        }
    }

    /// The contents of a directory (relative to the place): names with a file, or with `None` for a directory. `key`
    /// gives the full name of a path below the place.
    pub(super) fn listing(
        &self,
        directory: &str,
        entries: impl IntoIterator<Item = (String, Option<Object>)>,
        key: impl Fn(&str) -> String,
    ) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut left = locked(&self.left);
        for (name, file) in entries {
            let relative = match directory {
                "" => name,
                directory => format!("{directory}/{name}"),
            };
            match (path_below("", &relative)?, file) {
                (None, _) => {}
                (Some(path), None) => left.push_back(path),
                (Some(path), Some(file)) => listing.objects.push(Object {
                    key: key(&path),
                    path,
                    ..file
                }),
            }
        }
        if left.len() > MOST_DIRECTORIES {
            return Err(RepositoryError::strange(
                self.store,
                "it has more than a million directories",
            ));
        }
        if listing.objects.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        listing.next = left.pop_front();
        Ok(listing)
    }
}

/// The prefix of the names of all objects in a directory.
pub(super) fn directory_prefix(key: &str) -> String {
    match key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    }
}

/// The size of parts, and of the largest file in one request: as in Amazon's Python library.
pub(super) const PART: u64 = 8 << 20;

/// Larger parts are a multiple of this, which all stores accept.
const STEP: u64 = 1 << 20;

/// The number of concurrent parts, which are all in memory.
const AT_ONCE: u64 = 4;

/// The size of a file's parts if the store has this limit.
pub(super) fn part_size(length: u64, most_parts: u64) -> u64 {
    length.div_ceil(most_parts).next_multiple_of(STEP).max(PART)
}

/// The number of concurrent parts of this size.
pub(super) fn at_once(size: u64) -> usize {
    (AT_ONCE * PART / size).max(1) as usize
}

pub(super) fn parts<'a>(
    file: &'a SentFile,
    size: u64,
    whole: Option<&'a mut Sum>,
) -> impl Stream<Item = Result<Bytes>> + 'a {
    stream::try_unfold((0, whole), move |(start, mut whole)| async move {
        let end = file.length().min(start + size);
        if start == end {
            return Ok(None);
        }
        let bytes = file.read(start..end).await.map_err(RepositoryError::unreadable)?;
        if let Some(whole) = whole.as_mut() {
            whole.add(&bytes);
        }
        Ok(Some((bytes, (end, whole))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_the_directory() {
        for (prefix, key, expected) in [
            ("a/", "a/b/c d.txt", Some("b/c d.txt")),
            ("a/", "a/b//c/./d", Some("b/c/d")),
            ("", "a/b", Some("a/b")),
            ("a/", "a/", None),
            ("a/", "b/c", None),
        ] {
            let path = path_below(prefix, key).unwrap();
            assert_eq!(path.as_deref(), expected, "{prefix} {key}");
        }
        for key in ["a/../b", "a/b/..", "a/x\0y"] {
            assert!(path_below("a/", key).is_err(), "{key}");
        }
    }

    #[test]
    fn parts_suffice_and_cover_all() {
        const MIB: u64 = 1 << 20;
        for (length, expected) in [
            (1, 8 * MIB),
            (80_000 * MIB, 8 * MIB),
            (80_000 * MIB + 1, 9 * MIB),
            (5 << 40, 525 * MIB),
        ] {
            let size = part_size(length, 10_000);
            assert_eq!(size, expected, "{length}");
            assert!(length.div_ceil(size) <= 10_000);
            assert!(at_once(size) as u64 * size <= size.max(AT_ONCE * PART));
        }
    }
}
