//! What a store is asked for, whatever its kind: listings, content, and files in parts.

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

/// How much is read at once from what is no HTTP answer.
pub(super) const CHUNK: usize = 256 * 1024;

/// A place in a store: one object, or a directory of many. Calls are tried again by themselves where the
/// store gives no answer.
#[async_trait]
pub(super) trait ArtifactRepository: Send + Sync {
    /// What is at the place.
    async fn find(&self) -> Result<StoredArtifact>;

    /// The listing that goes on where [`Listing::next`] says. It begins with an empty text.
    async fn list_artifacts(&self, next: &str) -> Result<Listing>;

    /// Begins to read an object, from `range` where one is given. Where the object has another validator by now
    /// this is an error, or the content begins at the start again.
    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body>;

    /// Puts a file below the place, where it appears when it is whole.
    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()>;

    /// Removes what a [`ArtifactRepository::log_artifact`] that failed or was dropped has left behind.
    async fn abort_upload(&self) -> Result<()> {
        Ok(())
    }

    /// Whether reading can begin in the middle of an object.
    fn has_ranges(&self) -> bool;

    /// Whether several parts of an object shall be read at the same time.
    fn has_parts(&self) -> bool {
        self.has_ranges()
    }
}

#[derive(Debug)]
pub(super) enum StoredArtifact {
    File(Object),
    /// Objects whose names go on after the place's.
    Directory(Listing),
}

/// A part of what a directory holds, at any depth.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) objects: Vec<Object>,
    /// Directories without objects, relative to the place.
    pub(super) empty_directories: Vec<String>,
    /// Where the listing goes on.
    pub(super) next: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    /// Its whole name there.
    pub(super) key: String,
    /// The path of the local file below the directory's; empty for a single object.
    pub(super) path: String,
    pub(super) size: Option<u64>,
    /// What the store calls the object's present state, as far as it is known.
    pub(super) validator: Option<String>,
    pub(super) checksum: Option<Checksum>,
}

/// The content of an object that begins to arrive.
pub(super) struct Body {
    pub(super) chunks: Chunks,
    /// Whether they are as gzip has packed them, as are ranges and checksums.
    pub(super) is_packed: bool,
    pub(super) start: u64,
    pub(super) length: Option<u64>,
    pub(super) validator: Option<String>,
    /// Of the whole object.
    pub(super) checksum: Option<Checksum>,
}

impl Body {
    /// Content as it is, of which the store tells no checksum.
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

/// What a mutex holds, also if a panic has left it so.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of an object, or of a part of one.
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

/// The path below a directory of the object with this key; nothing for the directory itself. As in MLflow, doubled
/// slashes and single dots count for nothing.
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
        let problem = format!("the name '{name}' in it is no path below it");
        return Err(RepositoryError::Other(problem));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// More directories than this below one place are none that anybody made on purpose.
const MOST_DIRECTORIES: usize = 1_000_000;

/// Directories, relative to the place, that have not been listed yet.
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

    /// What lies directly in a directory, given relative to the place, by names in it: a file, or nothing
    /// for a directory. `key` gives the whole name of a path below the place.
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
                "its directories have no end",
            ));
        }
        if listing.objects.is_empty() && !directory.is_empty() {
            listing.empty_directories.push(directory.to_owned());
        }
        listing.next = left.pop_front();
        Ok(listing)
    }
}

/// The beginning of the names of all objects in a directory.
pub(super) fn directory_prefix(key: &str) -> String {
    match key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    }
}

/// The size of parts, and of the largest file that one request puts: as in Amazon's Python library.
pub(super) const PART: u64 = 8 << 20;

/// Parts of more than the usual size are multiples of this, which all stores take.
const STEP: u64 = 1 << 20;

/// How many parts of the usual size are under way at the same time. All of them are in memory.
const AT_ONCE: u64 = 4;

/// The size of a file's parts where there may be so many.
pub(super) fn part_size(length: u64, most_parts: u64) -> u64 {
    length.div_ceil(most_parts).next_multiple_of(STEP).max(PART)
}

/// How many parts of this size may be under way at the same time.
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
