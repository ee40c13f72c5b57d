//! `sftp://`: files on an SSH server. The `ssh` program makes the connection, with the user's keys, agent,
//! configuration and known hosts.

use std::fmt::Display;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use russh_sftp::client::error::Error;
use russh_sftp::client::fs::Metadata;
use russh_sftp::client::{Config, SftpSession};
use russh_sftp::protocol::{FileType, StatusCode};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::file_tree::{Arriving, FileAddress, FileServer, FileSession, file, send, within};
use crate::artifact::http_request::BUFFERED_TIME;
use crate::artifact::repository::{Chunks, Object, of_reader};
use crate::http::{Fault, READ_TIMEOUT, SentFile};
use crate::process::{Conversation, ProgramCall};

const NAME: &str = "the SFTP server";
/// The most concurrent files on the connection.
const MOST_FILES: usize = 4;
/// The number of pending reads for each file. With more, the other files could starve on a slow connection.
const READ_AHEAD: usize = 8;
/// The timeout for listing a directory; each response has only a hundred names.
const LISTING_TIME: Duration = Duration::from_secs(5 * 60);

/// Never ask for a password or passphrase. The other options override settings for interactive use, as `scp` does.
const OPTIONS: [&str; 6] = [
    "BatchMode=yes",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
];

/// A server, and the connection to it once there is one.
pub(super) struct Sftp {
    address: FileAddress,
    connection: Mutex<Option<Arc<Connection>>>,
    files: Arc<Semaphore>,
}

/// The connection of a running `ssh` program, which stops when this value is dropped.
struct Connection {
    sftp: SftpSession,
    _ssh: Conversation,
    /// Closes with the streams. The library does not fail requests that are pending at that time.
    closed: watch::Receiver<()>,
    is_broken: AtomicBool,
}

/// The use of the connection for one file or directory.
pub(super) struct Visit {
    connection: Arc<Connection>,
    asker: String,
    files: OwnedSemaphorePermit,
}

impl Sftp {
    /// The server of the address. This sends no requests.
    pub(super) fn new(address: &FileAddress) -> Self {
        Self {
            address: address.clone(),
            connection: Mutex::default(),
            files: Arc::new(Semaphore::new(MOST_FILES)),
        }
    }

    /// The arguments that a person types after `ssh`.
    fn destination(&self) -> String {
        let FileAddress { host, port, user, .. } = &self.address;
        let port = port.map_or_else(String::new, |port| format!("-p {port} "));
        let user = user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        format!("{port}{user}{host}")
    }

    fn call(&self) -> ProgramCall {
        let mut call =
            ProgramCall::new("ssh").arguments(OPTIONS.into_iter().flat_map(|option| ["-o", option]));
        if let Some(port) = self.address.port {
            call = call.arguments(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.address.user {
            call = call.arguments(["-l", user]);
        }
        call.arguments(["-s", "--", &self.address.host, "sftp"])
    }

    async fn open(&self) -> Result<Connection> {
        let (ssh, output, input) = self.call().converse()?;
        let (open, closed) = watch::channel(());
        let output = Arriving::holding(output, open);
        let config = Config {
            max_concurrent_reads: READ_AHEAD,
            // The timeouts are here, not in the library.
            request_timeout_secs: u64::MAX,
            ..Config::default()
        };
        let begun = SftpSession::new_with_config(tokio::io::join(output, input), config);
        let problem = match within(READ_TIMEOUT, async { Ok(begun.await) }, RepositoryError::broken).await? {
            Ok(sftp) => {
                return Ok(Connection {
                    sftp,
                    _ssh: ssh,
                    closed,
                    is_broken: AtomicBool::default(),
                });
            }
            Err(problem) => problem,
        };
        let ended = async { Ok::<_, io::Error>(ssh.finish().await) };
        match within(READ_TIMEOUT, ended, RepositoryError::broken).await? {
            Ok(()) => Err(RepositoryError::strange(NAME, problem)),
            Err(source) => Err(RepositoryError::Ssh {
                source: Box::new(source),
                destination: self.destination(),
            }),
        }
    }
}

#[async_trait]
impl FileServer for Sftp {
    type Session = Visit;

    const NAME: &'static str = NAME;
    const HAS_PARTS: bool = false;

    async fn connect(&self) -> Result<Visit> {
        let files = Arc::clone(&self.files).acquire_owned().await;
        let files = files.map_err(|error| RepositoryError::strange(NAME, error))?;
        let mut known = self.connection.lock().await;
        let connection = match known.as_ref() {
            Some(known) if !known.is_broken.load(Ordering::Relaxed) && known.closed.has_changed().is_ok() => {
                Arc::clone(known)
            }
            _ => Arc::clone(known.insert(Arc::new(self.open().await?))),
        };
        Ok(Visit {
            connection,
            asker: format!("the login with `ssh {}`", self.destination()),
            files,
        })
    }
}

impl Visit {
    async fn told<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T> {
        self.unless_closed(within(READ_TIMEOUT, work, |error| self.problem(error)))
            .await
    }

    /// Fails when the connection is closed, and remembers that it is unusable.
    async fn unless_closed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closed = self.connection.closed.clone();
        let done = tokio::select! {
            biased;
            done = work => done,
            _ = closed.changed() => Err(broken("it was closed")),
        };
        if matches!(done, Err(RepositoryError::NoAnswer { .. })) {
            self.connection.is_broken.store(true, Ordering::Relaxed);
        }
        done
    }

    fn problem(&self, error: Error) -> RepositoryError {
        match error {
            Error::Status(status) if status.status_code == StatusCode::NoSuchFile => {
                RepositoryError::Missing(format!("{NAME} returned 2 ({})", status.error_message))
            }
            Error::Status(status) => self.refusal(status.status_code, status.error_message),
            error => broken(error),
        }
    }

    fn refusal(&self, code: StatusCode, said: String) -> RepositoryError {
        RepositoryError::refused(NAME, code as u16, Some(said), self.asker.clone())
    }

    /// Converts a write error: the library drops the code of the server's refusal.
    fn unwritten(&self, error: io::Error) -> RepositoryError {
        match error.get_ref().map(|inner| inner.downcast_ref::<Error>()) {
            Some(Some(inner)) => self.problem(inner.clone()),
            Some(None) => self.refusal(StatusCode::Failure, error.to_string()),
            None => RepositoryError::broken(error),
        }
    }
}

#[async_trait]
impl FileSession for Visit {
    async fn look(&mut self, path: &str) -> Result<Option<Object>> {
        self.told(self.connection.sftp.metadata(path)).await.map(entry)
    }

    async fn list(&mut self, path: &str) -> Result<Vec<(String, Option<Object>)>> {
        let mut entries = Vec::new();
        let listed = within(LISTING_TIME, self.connection.sftp.read_dir(path), |error| {
            self.problem(error)
        });
        for found in self.unless_closed(listed).await? {
            let entry = match found.file_type() {
                FileType::Dir | FileType::File => entry(found.metadata()),
                // Follow symbolic links.
                FileType::Symlink | FileType::Other => self.look(&found.path()).await?,
            };
            entries.push((found.file_name(), entry));
        }
        Ok(entries)
    }

    async fn read(self, path: &str, range: Range<u64>) -> Result<(Chunks, Option<u64>)> {
        let mut file = self.told(self.connection.sftp.open(path)).await?;
        let sought = file.seek(SeekFrom::Start(range.start));
        within(READ_TIMEOUT, sought, RepositoryError::broken).await?;
        let mut closed = self.connection.closed.clone();
        let until = Box::pin(async move {
            let _held = (self.connection, self.files);
            drop(closed.changed().await);
        });
        let arriving = Arriving { reader: file, until };
        Ok((of_reader(arriving), None))
    }

    async fn make_directory(&mut self, path: &str) -> Result<()> {
        self.told(self.connection.sftp.create_dir(path)).await
    }

    async fn write(&mut self, path: &str, file: &SentFile) -> Result<()> {
        let mut there = self.told(self.connection.sftp.create(path)).await?;
        let written = async {
            send(file, &mut there, |error| self.unwritten(error)).await?;
            let limit = READ_TIMEOUT + BUFFERED_TIME;
            within(limit, there.shutdown(), |error| self.unwritten(error)).await
        };
        self.unless_closed(written).await
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.told(self.connection.sftp.rename(from, to)).await
    }

    async fn remove(&mut self, path: &str) -> Result<()> {
        self.told(self.connection.sftp.remove_file(path)).await
    }
}

fn entry(about: Metadata) -> Option<Object> {
    let is_file = !about.file_type().is_dir();
    is_file.then(|| file(about.size, about.mtime.map(u64::from)))
}

fn broken(reason: impl Display) -> RepositoryError {
    let reason = format!("the connection to {NAME} was lost ({reason})");
    RepositoryError::silent(Fault::Broken, reason)
}
