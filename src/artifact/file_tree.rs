//! The common part of all file servers: listings proceed directory by directory, and an upload has a temporary name
//! until it is complete.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{silent, tried};
use crate::artifact::repository::{
    ArtifactRepository, Body, CHUNK, Chunks, Listing, Object, StoredArtifact, Walk, locked, open_file, parts,
};
use crate::http::{READ_TIMEOUT, SentFile};
use crate::python_paths::{split_authority, unquote};

/// A file without its names. `changed` may be in any unit.
pub(super) fn file(size: Option<u64>, changed: Option<u64>) -> Object {
    Object {
        size,
        // Some servers give only the size.
        validator: changed.or(size).map(|state| state.to_string()),
        ..Object::default()
    }
}

/// A server with files in directories.
#[async_trait]
pub(super) trait FileServer: Send + Sync {
    type Session: FileSession;

    /// The server's name in messages.
    const NAME: &'static str;
    /// Whether to read several parts of a file at the same time.
    const HAS_PARTS: bool;

    async fn connect(&self) -> Result<Self::Session>;
}

/// A connection to a server, without retries.
#[async_trait]
pub(super) trait FileSession: Send {
    /// The file at a path, or `None` for a directory; [`RepositoryError::Missing`] if neither exists.
    async fn look(&mut self, path: &str) -> Result<Option<Object>>;

    /// The names in a directory, each with its file, or `None` for a directory.
    async fn list(&mut self, path: &str) -> Result<Vec<(String, Option<Object>)>>;

    /// Starts to read a part of a file. Gives the number of bytes, if the server announces it.
    async fn read(self, path: &str, range: Range<u64>) -> Result<(Chunks, Option<u64>)>;

    /// Creates a directory; does nothing for servers that create a file's parents themselves.
    async fn make_directory(&mut self, _path: &str) -> Result<()> {
        Ok(())
    }

    /// Creates a directory, including its parents.
    async fn make_directories(&mut self, path: &str) -> Result<()> {
        let mut missing = Vec::new();
        let mut above = path;
        while !above.is_empty() && !is_directory(self, above).await? {
            missing.push(above);
            above = above.rsplit_once('/').map_or("", |(above, _)| above);
        }
        for directory in missing.into_iter().rev() {
            let made = self.make_directory(directory).await;
            // Another upload may have created it in the meantime.
            if made.is_err() && !is_directory(self, directory).await? {
                return made;
            }
        }
        Ok(())
    }

    async fn write(&mut self, path: &str, file: &SentFile) -> Result<()>;

    /// Renames a file; some servers refuse an existing name.
    async fn rename(&mut self, from: &str, to: &str) -> Result<()>;

    async fn remove(&mut self, path: &str) -> Result<()>;
}

async fn is_directory(session: &mut (impl FileSession + ?Sized), path: &str) -> Result<bool> {
    match session.look(path).await {
        Ok(file) => Ok(file.is_none()),
        Err(problem) if problem.is_answer() => Ok(false),
        Err(problem) => Err(problem),
    }
}

pub(super) struct FileTree<S> {
    server: S,
    /// The path in the URI.
    path: String,
    /// The decoded path, if the server has only that one.
    decoded: OnceLock<String>,
    walk: Walk,
    /// The temporary path of an incomplete upload.
    unfinished: Mutex<Option<String>>,
}

impl<S: FileServer> FileTree<S> {
    pub(super) fn new(server: S, path: &str) -> Self {
        Self {
            server,
            path: path.to_owned(),
            decoded: OnceLock::new(),
            walk: Walk::new(S::NAME),
            unfinished: Mutex::default(),
        }
    }

    fn below(&self, path: &str) -> String {
        let root = self.decoded.get().unwrap_or(&self.path);
        match path {
            "" => root.clone(),
            path => format!("{}/{path}", root.trim_end_matches('/')),
        }
    }

    async fn look(&self, path: &str) -> Result<Option<Object>> {
        tried(|| async { self.server.connect().await?.look(path).await }).await
    }

    async fn try_to_put(&self, path: &str, part: &str, file: &SentFile) -> Result<()> {
        let mut session = self.server.connect().await?;
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        session.make_directories(directory).await?;
        session.write(part, file).await?;
        // Until now it has a temporary name.
        file.check().map_err(RepositoryError::unreadable)?;
        let there = session.look(part).await?;
        if let Some(size) = there.and_then(|there| there.size)
            && size != file.length()
        {
            return Err(RepositoryError::damaged(format_args!(
                "{size} of {} bytes arrived",
                file.length()
            )));
        }
        match session.rename(part, path).await {
            Err(problem) if !problem.is_transient() => {
                // An existing file may prevent the rename, or there may be none.
                let _ = session.remove(path).await;
                session.rename(part, path).await
            }
            renamed => renamed,
        }
    }
}

#[async_trait]
impl<S: FileServer> ArtifactRepository for FileTree<S> {
    async fn find(&self) -> Result<StoredArtifact> {
        let mut entry = self.look(&self.path).await;
        // The name may be percent-encoded.
        if matches!(entry, Err(RepositoryError::Missing(_)))
            && let Ok(decoded) = percent_decode_str(&self.path).decode_utf8()
            && decoded != self.path
            && !decoded.contains(char::is_control)
            && let Ok(found) = self.look(&decoded).await
        {
            entry = Ok(found);
            let _ = self.decoded.set(decoded.into_owned());
        }
        match entry? {
            None => self.list_artifacts("").await.map(StoredArtifact::Directory),
            Some(file) => Ok(StoredArtifact::File(Object {
                key: self.below(""),
                ..file
            })),
        }
    }

    async fn list_artifacts(&self, directory: &str) -> Result<Listing> {
        let whole = &self.below(directory);
        let entries = tried(|| async { self.server.connect().await?.list(whole).await }).await?;
        self.walk.listing(directory, entries, |path| self.below(path))
    }

    async fn open(&self, object: &Object, range: Option<Range<u64>>) -> Result<Body> {
        let range = range.unwrap_or(0..u64::MAX);
        let start = range.start;
        let read = || async {
            let session = self.server.connect().await?;
            session.read(&object.key, range.clone()).await
        };
        let (chunks, length) = tried(read).await?;
        let length = length.or_else(|| object.size.map(|size| size.saturating_sub(start)));
        Ok(Body::new(chunks, start, length, object.validator.clone()))
    }

    async fn log_artifact(&self, path: &str, file: &Path) -> Result<()> {
        let (path, file) = (&self.below(path), &open_file(file)?);
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        let part = &format!("{directory}/.incomplete-{}", uuid::Uuid::new_v4().simple());
        *locked(&self.unfinished) = Some(part.clone());
        tried(|| self.try_to_put(path, part, file)).await?;
        *locked(&self.unfinished) = None;
        Ok(())
    }

    async fn abort_upload(&self) -> Result<()> {
        let Some(part) = locked(&self.unfinished).take() else {
            return Ok(());
        };
        tried(|| async { self.server.connect().await?.remove(&part).await }).await
    }

    fn has_ranges(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        S::HAS_PARTS
    }
}

pub(super) async fn within<T, E>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
    problem: impl FnOnce(E) -> RepositoryError,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(problem),
        Err(_) => Err(silent(limit)),
    }
}

/// Writes a whole file. `problem` converts a write error.
pub(super) async fn send(
    file: &SentFile,
    mut to: impl AsyncWrite + Unpin,
    problem: impl Fn(io::Error) -> RepositoryError,
) -> Result<()> {
    let mut parts = pin!(parts(file, CHUNK as u64, None));
    while let Some(bytes) = parts.try_next().await? {
        within(READ_TIMEOUT, to.write_all(&bytes), &problem).await?;
    }
    Ok(())
}

/// A file that is being received until the future is ready. The future may own what must live as long.
pub(super) struct Arriving<R> {
    pub(super) reader: R,
    pub(super) until: BoxFuture<'static, ()>,
}

impl<R: AsyncRead + Unpin> Arriving<R> {
    /// Only keeps `held` alive.
    pub(super) fn holding(reader: R, held: impl Send + 'static) -> Self {
        let until = Box::pin(async move {
            let _held = held;
            std::future::pending().await
        });
        Self { reader, until }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Arriving<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.reader).poll_read(context, buffer) {
            Poll::Pending => {
                let ended = self.until.as_mut().poll(context);
                ended.map(|()| Err(io::ErrorKind::ConnectionAborted.into()))
            }
            done => done,
        }
    }
}

/// Why an `sftp:` URI with a password is invalid.
pub(super) const PASSWORD_GIVEN: &str = "ssh does not accept a password in a URI";

/// A server, a user and a path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct FileAddress {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// The path in the URI, which MLflow does not decode.
    pub(super) path: String,
}

impl FileAddress {
    /// Reads the part after the scheme's colon. A query and a fragment are ignored.
    pub(super) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        // A line break could start another command to the server.
        if rest.contains(char::is_control) {
            return Err("it contains a control character".to_owned());
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = split_authority(rest);
        if !path.is_empty() && !path.starts_with('/') {
            return Err("the colon must be followed by two slashes".to_owned());
        }
        let authority = match authority {
            "" => "localhost",
            authority => authority,
        };
        let url = Url::parse(&format!("{scheme}://{authority}/")).map_err(|error| error.to_string())?;
        Ok(Self {
            host: url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: url.port(),
            user: Some(unquote(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(unquote),
            path: match path {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
        })
    }

    /// Checks the address for the `ssh` program.
    pub(super) fn for_ssh(self) -> Result<Self, String> {
        if self.password.is_some() {
            return Err(PASSWORD_GIVEN.to_owned());
        }
        // A proxy command in the configuration may pass both to a shell.
        let is_unfit = |text: &str| text.starts_with('-') || text.contains(|c| "'`\"$;&<>|(){}".contains(c));
        if is_unfit(&self.host) || self.user.as_deref().is_some_and(is_unfit) {
            return Err(
                "its host and user must not begin with '-' or contain special characters of a shell"
                    .to_owned(),
            );
        }
        Ok(self)
    }
}
