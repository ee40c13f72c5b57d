//! The bodies of requests: nothing, JSON, or a part of a file that is read while it is sent.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use reqwest::Body;

use super::error::DatabricksError;

/// How much of a file is read at a time.
const CHUNK: usize = 256 * 1024;

/// A request's body, which can be made again for another try.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    Empty,
    Json(String),
    File(FileContents),
}

/// A file on this machine, as a body or a part of one.
#[derive(Debug, Clone)]
pub(super) struct FileContents {
    pub(super) path: PathBuf,
    /// How many bytes of it are sent.
    pub(super) length: u64,
    /// What goes before it.
    pub(super) head: Vec<u8>,
    /// What goes after it.
    pub(super) tail: Vec<u8>,
    /// Counts the bytes that have gone out.
    pub(super) sent: Arc<AtomicU64>,
}

impl FileContents {
    /// The whole file and nothing else.
    pub(super) fn whole(path: PathBuf, length: u64, sent: Arc<AtomicU64>) -> Self {
        Self {
            path,
            length,
            head: Vec::new(),
            tail: Vec::new(),
            sent,
        }
    }

    fn total(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.length
    }

    fn open(&self) -> io::Result<Body> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(0))?;
        let sent = Arc::clone(&self.sent);
        sent.store(0, Ordering::Relaxed);
        let mut left = self.length;
        let chunks = std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let mut chunk = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
            let read = match file.read(&mut chunk) {
                // A file that became shorter must not end the request well.
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => Ok(read),
                Err(error) => Err(error),
            };
            let chunk = read.map(|read| {
                chunk.truncate(read);
                left -= read as u64;
                sent.fetch_add(read as u64, Ordering::Relaxed);
                Bytes::from(chunk)
            });
            if chunk.is_err() {
                left = 0;
            }
            Some(chunk)
        });
        let around = |bytes: &Vec<u8>| Some(Ok(Bytes::from(bytes.clone()))).filter(|_| !bytes.is_empty());
        let frames = around(&self.head)
            .into_iter()
            .chain(chunks)
            .chain(around(&self.tail))
            .map(|chunk: io::Result<Bytes>| chunk.map(Frame::data));
        Ok(Body::wrap(StreamBody::new(stream::iter(frames))))
    }
}

impl Payload {
    /// The body, and its length where no header says it yet.
    pub(super) fn body(&self) -> Result<Option<(Body, Option<u64>)>, DatabricksError> {
        Ok(match self {
            Self::Empty => None,
            Self::Json(text) => Some((Body::from(text.clone()), None)),
            Self::File(contents) => {
                let body = contents.open().map_err(|source| DatabricksError::Local {
                    path: contents.path.clone(),
                    source,
                })?;
                Some((body, Some(contents.total())))
            }
        })
    }

    /// How many bytes go out that a slow connection needs time for.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Json(text) => text.len() as u64,
            Self::File(contents) => contents.total(),
        }
    }
}
