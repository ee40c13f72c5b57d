//! Request bodies: bytes, and local files, sent as a whole or in parts.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body::{Frame, SizeHint};
use http_body_util::StreamBody;
use openssl::sha::{Sha256, sha256};
use reqwest::Body;

/// The size of the pieces that are sent.
const CHUNK: usize = 256 * 1024;

/// The file's length changed, so the sent bytes may be a mixture of two versions.
#[derive(Debug, thiserror::Error)]
#[error("the file changed during the upload: it had {before} bytes and now has {now}")]
pub(crate) struct FileChanged {
    pub(crate) before: u64,
    pub(crate) now: u64,
}

/// A file that is sent with the length that it had when it was opened. Reading it does not block other work.
#[derive(Debug, Clone)]
pub(crate) struct SentFile {
    file: Arc<File>,
    length: u64,
}

impl SentFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            length,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fails with [`FileChanged`] if the length has changed.
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

    /// Reads a part; fails with [`FileChanged`] if the file has become too short.
    pub(crate) async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let length = range.end.saturating_sub(range.start);
        // Allocated on this thread, because the allocator keeps freed memory for each thread.
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

    pub(crate) async fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut hasher = Sha256::new();
        for start in (0..self.length).step_by(CHUNK) {
            hasher.update(&self.read(start..self.length.min(start + CHUNK as u64)).await?);
        }
        self.check()?;
        Ok(hasher.finish())
    }

    /// The file as a request body, between these bytes. If the file's length changes, the body fails before its last
    /// bytes, so the server does not take it as complete. `sent` counts the file's sent bytes.
    fn body(&self, head: Bytes, tail: Bytes, sent: Arc<AtomicU64>) -> Body {
        let state = (self.clone(), sent, 0);
        let chunks = stream::try_unfold(state, |(file, sent, start)| async move {
            let end = file.length.min(start + CHUNK as u64);
            if start == end {
                return Ok(None);
            }
            let bytes = file.read(start..end).await?;
            if end == file.length {
                file.check()?;
            }
            sent.fetch_add(end - start, Ordering::Relaxed);
            Ok(Some((bytes, (file, sent, end))))
        });
        let around = |bytes| stream::iter([Ok::<_, io::Error>(bytes)]);
        let frames = around(head).chain(chunks).chain(around(tail)).map_ok(Frame::data);
        Body::wrap(StreamBody::new(Box::pin(frames)))
    }
}

/// A request body that can be sent again: bytes, and optionally a file after them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) head: Bytes,
    pub(crate) file: Option<SentFile>,
    /// The bytes after the file.
    pub(crate) tail: Bytes,
    /// Counts the sent bytes; with a file, only the file's.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Content {
    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        let head = bytes.into();
        Self {
            head,
            ..Self::default()
        }
    }

    pub(crate) fn file(file: &SentFile) -> Self {
        let file = Some(file.clone());
        Self {
            file,
            ..Self::default()
        }
    }

    pub(crate) fn length(&self) -> u64 {
        let around = self.head.len() + self.tail.len();
        around as u64 + self.file.as_ref().map_or(0, SentFile::length)
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), SentFile::check)
    }

    /// The SHA-256 for a signature; only for a file without bytes around it.
    pub(crate) async fn sha256(&self) -> io::Result<[u8; 32]> {
        match &self.file {
            Some(file) => file.sha256().await,
            None => Ok(sha256(&self.head)),
        }
    }

    /// The request body; `None` if it is empty.
    pub(crate) fn body(&self) -> Option<Body> {
        let (head, sent) = (self.head.clone(), Arc::clone(&self.sent));
        sent.store(0, Ordering::Relaxed);
        match &self.file {
            Some(file) => Some(file.body(head, self.tail.clone(), sent)),
            None => (!head.is_empty()).then(|| Body::wrap(CountedBytes { rest: head, sent })),
        }
    }
}

/// Bytes that are counted when they are sent. They announce their end, because a connection is reused only if the
/// end of the request is known before the response.
struct CountedBytes {
    rest: Bytes,
    sent: Arc<AtomicU64>,
}

impl http_body::Body for CountedBytes {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(CHUNK);
        if length == 0 {
            return Poll::Ready(None);
        }
        self.sent.fetch_add(length as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_is_the_file_and_what_is_around_it_or_fails() {
        let long = 3 * CHUNK + 5;
        for (length, now) in [
            (0, 0),
            (1, 1),
            (CHUNK, CHUNK),
            (long, long),
            (long, CHUNK - 1),
            (long, 3 * CHUNK),
            (long, long + 1),
            (long, 0),
        ] {
            let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            let on_disk = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(on_disk.path(), &bytes).unwrap();
            let file = SentFile::open(on_disk.path()).unwrap();
            let content = Content {
                head: Bytes::from_static(b"<"),
                tail: Bytes::from_static(b">"),
                ..Content::file(&file)
            };
            let body = content.body().unwrap();
            on_disk.as_file().set_len(now as u64).unwrap();
            let body = body.collect().await.map(|whole| whole.to_bytes());
            let sent = content.sent.load(Ordering::Relaxed);
            if now == length {
                assert_eq!(body.unwrap(), [b"<", &bytes[..], b">"].concat(), "{length}");
                assert_eq!(sent, length as u64);
                assert_eq!(file.sha256().await.unwrap(), openssl::sha::sha256(&bytes));
            } else {
                assert!(body.is_err() && sent < length as u64, "{now}");
                let told =
                    format!("the file changed during the upload: it had {length} bytes and now has {now}");
                assert_eq!(file.sha256().await.unwrap_err().to_string(), told);
            }
        }
    }
}
