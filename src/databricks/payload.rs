//! The bodies of requests: nothing, JSON, or a part of a file that is read while it is sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use reqwest::Body;

use super::error::DatabricksError;
use crate::http::SentFile;

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
    path: PathBuf,
    file: SentFile,
    /// What goes before it.
    pub(super) head: Vec<u8>,
    /// What goes after it.
    pub(super) tail: Vec<u8>,
    /// Counts the bytes that have gone out.
    sent: Arc<AtomicU64>,
}

impl FileContents {
    /// The whole file and nothing else.
    pub(super) fn whole(path: &Path, sent: &Arc<AtomicU64>) -> Result<Self, DatabricksError> {
        let file = SentFile::open(path).map_err(|source| unreadable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            head: Vec::new(),
            tail: Vec::new(),
            sent: Arc::clone(sent),
        })
    }

    /// The file's own length in bytes.
    pub(super) fn file_length(&self) -> u64 {
        self.file.length()
    }

    fn total(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.file.length()
    }
}

fn unreadable(path: &Path, source: io::Error) -> DatabricksError {
    DatabricksError::Local {
        path: path.to_owned(),
        source,
    }
}

impl Payload {
    /// The body, and its length where no header says it yet.
    pub(super) fn body(&self) -> Option<(Body, Option<u64>)> {
        match self {
            Self::Empty => None,
            Self::Json(text) => Some((Body::from(text.clone()), None)),
            Self::File(contents) => {
                let around = |bytes: &Vec<u8>| Bytes::from(bytes.clone());
                let (head, tail) = (around(&contents.head), around(&contents.tail));
                let body = contents.file.body(head, tail, &contents.sent);
                Some((body, Some(contents.total())))
            }
        }
    }

    /// Whether another try can send what this one should have: a file may have got another length.
    pub(super) fn check(&self) -> Result<(), DatabricksError> {
        match self {
            Self::File(contents) => contents
                .file
                .check()
                .map_err(|source| unreadable(&contents.path, source)),
            Self::Empty | Self::Json(_) => Ok(()),
        }
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
