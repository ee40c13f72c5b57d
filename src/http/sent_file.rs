//! Files of this machine that are sent: whole, as the body of a request, or in parts.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use openssl::sha::Sha256;
use reqwest::Body;

/// How much is handed to a connection at a time.
const CHUNK: usize = 256 * 1024;

/// The file got longer or shorter: what was sent of it belongs to no state that it ever had.
#[derive(Debug, thiserror::Error)]
#[error("it was changed while it was sent: it had {before} bytes, and has {now} now")]
pub(crate) struct FileChanged {
    /// When it was opened.
    pub(crate) before: u64,
    /// When that was noticed.
    pub(crate) now: u64,
}

/// A file that is sent as long as it was when it was opened. Reading it never holds up other work.
#[derive(Debug, Clone)]
pub(crate) struct SentFile {
    file: Arc<File>,
    length: u64,
}

impl SentFile {
    /// Opens the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            length,
        })
    }

    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the file still has its length.
    ///
    /// # Errors
    /// [`FileChanged`] where it has another one.
    pub(crate) fn check(&self) -> io::Result<()> {
        let now = self.file.metadata()?.len();
        if now == self.length {
            return Ok(());
        }
        Err(io::Error::other(FileChanged {
            before: self.length,
            now,
        }))
    }

    /// The bytes of a part.
    ///
    /// # Errors
    /// [`FileChanged`] where the file ends before the part does.
    pub(crate) async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let length = range.end.saturating_sub(range.start);
        // Made here: what many threads allocate and free the allocator keeps for each of them.
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = tokio::task::spawn_blocking(move || {
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        });
        match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.check()?;
                Err(error)
            }
            read => read,
        }
    }

    /// SHA-256 of the whole file.
    pub(crate) async fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        for start in (0..self.length).step_by(CHUNK) {
            hasher.update(&self.read(start..self.length.min(start + CHUNK as u64)).await?);
        }
        self.check()?;
        Ok(hasher.finish())
    }

    /// The file as the body of a request, with these bytes before and after it. It fails before its last
    /// bytes where the file has another length by then, so that nobody takes it for whole. `sent` counts
    /// the file's bytes that have gone out.
    pub(crate) fn body(&self, head: Bytes, tail: Bytes, sent: &Arc<AtomicU64>) -> Body {
        sent.store(0, Ordering::Relaxed);
        let state = (self.clone(), Arc::clone(sent));
        let chunks = stream::iter((0..self.length).step_by(CHUNK)).then(move |start| {
            let (file, sent) = state.clone();
            async move {
                let end = file.length.min(start + CHUNK as u64);
                let bytes = file.read(start..end).await?;
                if end == file.length {
                    file.check()?;
                }
                sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes)
            }
        });
        let around = |bytes| stream::iter([Ok::<_, io::Error>(bytes)]);
        let frames = around(head).chain(chunks).chain(around(tail)).map_ok(Frame::data);
        Body::wrap(StreamBody::new(Box::pin(frames)))
    }
}

/// Bytes as the body of a request. `sent` counts those that have gone out.
pub(crate) fn counted_body(bytes: Bytes, sent: &Arc<AtomicU64>) -> Body {
    sent.store(0, Ordering::Relaxed);
    let sent = Arc::clone(sent);
    let mut left = bytes;
    let frames = std::iter::from_fn(move || {
        let chunk = left.split_to(left.len().min(CHUNK));
        sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        (!chunk.is_empty()).then(|| Ok::<_, io::Error>(Frame::data(chunk)))
    });
    Body::wrap(StreamBody::new(stream::iter(frames)))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    fn file_of(length: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
        let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn a_body_is_the_file_and_what_is_around_it() {
        let sent = Arc::new(AtomicU64::new(7));
        for length in [0, 1, CHUNK, 3 * CHUNK + 5] {
            let (on_disk, bytes) = file_of(length);
            let file = SentFile::open(on_disk.path()).unwrap();
            let body = file.body(Bytes::from_static(b"<"), Bytes::from_static(b">"), &sent);
            let whole = runtime().block_on(body.collect()).unwrap().to_bytes();
            assert_eq!(whole, [b"<", &bytes[..], b">"].concat(), "{length}");
            assert_eq!(sent.load(Ordering::Relaxed), length as u64);
            let whole = counted_body(bytes.clone().into(), &sent);
            let whole = runtime().block_on(whole.collect()).unwrap().to_bytes();
            assert_eq!(
                (whole.as_ref(), sent.load(Ordering::Relaxed)),
                (&bytes[..], length as u64)
            );
            let sum = runtime().block_on(file.sha256()).unwrap();
            assert_eq!(sum, openssl::sha::sha256(&bytes));
        }
    }

    #[test]
    fn a_file_that_gets_another_length_is_no_whole_body() {
        let sent = Arc::new(AtomicU64::new(0));
        let none = Bytes::new;
        for now in [CHUNK as u64 - 1, 3 * CHUNK as u64, 3 * CHUNK as u64 + 6, 0] {
            let (on_disk, _) = file_of(3 * CHUNK + 5);
            let file = SentFile::open(on_disk.path()).unwrap();
            let body = file.body(none(), none(), &sent);
            on_disk.as_file().set_len(now).unwrap();
            assert!(runtime().block_on(body.collect()).is_err(), "{now}");
            assert!(sent.load(Ordering::Relaxed) < file.length());
            let expected = format!(
                "it was changed while it was sent: it had {} bytes, and has {now} now",
                file.length()
            );
            assert_eq!(file.check().unwrap_err().to_string(), expected);
            assert!(runtime().block_on(file.sha256()).is_err());
            let part = runtime().block_on(file.read(0..file.length()));
            match now > file.length() {
                true => assert!(part.is_ok()),
                false => assert_eq!(part.unwrap_err().to_string(), expected),
            }
        }
    }
}
