//! `ftp://`: files on an FTP server.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use suppaftp::tokio::AsyncFtpStream;
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpResult, Mode, Status};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::file_tree::{Arriving, FileAddress, FileServer, FileSession, file, send, within};
use crate::artifact::http_request::BUFFERED_TIME;
use crate::artifact::repository::{Chunks, Object, of_reader};
use crate::http::{Fault, READ_TIMEOUT, SentFile};

const NAME: &str = "the FTP server";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Servers limit the connections of one client.
const MOST_CONNECTIONS: usize = 4;

/// Responses of some servers for an empty directory.
const NO_FILES: [Status; 2] = [Status::FileUnavailable, Status::RequestFileActionIgnored];

pub(super) struct Ftp {
    address: FileAddress,
    connections: Arc<Semaphore>,
}

/// A logged-in connection in binary mode.
pub(super) struct FtpSession {
    ftp: AsyncFtpStream,
    asker: &'static str,
    permit: OwnedSemaphorePermit,
}

impl Ftp {
    /// The server of the address. This sends no requests.
    pub(super) fn new(address: &FileAddress) -> Self {
        Self {
            address: address.clone(),
            connections: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
        }
    }
}

#[async_trait]
impl FileServer for Ftp {
    type Session = FtpSession;

    const NAME: &'static str = NAME;
    const HAS_PARTS: bool = false;

    async fn connect(&self) -> Result<FtpSession> {
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let permit = permit.map_err(|error| RepositoryError::strange(NAME, error))?;
        let address = &self.address;
        let (user, asker) = match &address.user {
            Some(user) => (user.as_str(), "the credentials from the URL"),
            None => ("anonymous", "an anonymous login (the URL names no user)"),
        };
        let connection = TcpStream::connect((address.host.as_str(), address.port.unwrap_or(21)));
        let stream = within(CONNECT_TIMEOUT, connection, |error| {
            if error.to_string().contains("lookup") {
                RepositoryError::silent(Fault::UnknownHost, error)
            } else {
                RepositoryError::broken(error)
            }
        });
        let stream = stream.await?;
        let mode = match stream.peer_addr() {
            Ok(SocketAddr::V6(_)) => Mode::ExtendedPassive,
            // Not every server has the command for IPv6, which also supports IPv4.
            _ => Mode::Passive,
        };
        let mut ftp = told(asker, AsyncFtpStream::connect_with_stream(stream)).await?;
        ftp.set_mode(mode);
        // Behind a router a server may not know its public address.
        ftp.set_passive_nat_workaround(true);
        let password = address.password.as_deref().unwrap_or("anonymous@");
        told(asker, ftp.login(user, password)).await?;
        told(asker, ftp.transfer_type(FileType::Image)).await?;
        Ok(FtpSession { ftp, asker, permit })
    }
}

#[async_trait]
impl FileSession for FtpSession {
    async fn look(&mut self, path: &str) -> Result<Option<Object>> {
        match told(self.asker, self.ftp.cwd(path)).await {
            Ok(()) => return Ok(None),
            Err(problem) if !problem.is_answer() => return Err(problem),
            Err(_) => {}
        }
        let size = match told(self.asker, self.ftp.size(path)).await {
            Ok(size) => Some(size as u64),
            // A server without that command responds differently from one without the file.
            Err(RepositoryError::Refused { .. }) => None,
            Err(problem) => return Err(problem),
        };
        Ok(Some(file(size, None)))
    }

    async fn list(&mut self, path: &str) -> Result<Vec<(String, Option<Object>)>> {
        told(self.asker, self.ftp.cwd(path)).await?;
        // List the current directory, because a path could be taken for an option.
        let names = told(self.asker, async {
            match self.ftp.nlst(None).await {
                Err(FtpError::UnexpectedResponse(answer)) if NO_FILES.contains(&answer.status) => {
                    Ok(Vec::new())
                }
                names => names,
            }
        })
        .await?;
        let mut entries = Vec::new();
        for name in names {
            let name = name.rsplit('/').next().unwrap_or_default();
            if matches!(name, "" | "." | "..") {
                continue;
            }
            let found = match self.look(&format!("{}/{name}", path.trim_end_matches('/'))).await {
                Err(RepositoryError::Missing(_)) => Some(Object::default()),
                found => found?,
            };
            entries.push((name.to_owned(), found));
        }
        Ok(entries)
    }

    async fn read(mut self, path: &str, range: Range<u64>) -> Result<(Chunks, Option<u64>)> {
        let start = usize::try_from(range.start).map_err(|error| RepositoryError::strange(NAME, error))?;
        told(self.asker, self.ftp.resume_transfer(start)).await?;
        let reader = told(self.asker, self.ftp.retr_as_stream(path)).await?;
        let arriving = Arriving::holding(reader, self.permit);
        Ok((of_reader(arriving), None))
    }

    async fn make_directory(&mut self, path: &str) -> Result<()> {
        done(self.asker, self.ftp.mkdir(path)).await
    }

    async fn write(&mut self, path: &str, file: &SentFile) -> Result<()> {
        let mut data = done(self.asker, self.ftp.put_with_stream(path)).await?;
        let sent = send(file, &mut data, RepositoryError::broken).await;
        let limit = READ_TIMEOUT + BUFFERED_TIME;
        let finished = within(limit, data.finish(), |error| problem(error, false, self.asker)).await;
        match (sent, finished) {
            // The server may have sent the reason.
            (Err(_), Err(refusal)) if refusal.is_answer() => Err(refusal),
            (sent, finished) => sent.and(finished),
        }
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        done(self.asker, self.ftp.rename(from, to)).await
    }

    async fn remove(&mut self, path: &str) -> Result<()> {
        told(self.asker, self.ftp.rm(path)).await
    }
}

/// The result of a command that reads.
async fn told<T>(asker: &str, work: impl Future<Output = FtpResult<T>>) -> Result<T> {
    within(READ_TIMEOUT, work, |error| problem(error, true, asker)).await
}

/// The result of a command that writes: a file that cannot be written is not a missing file.
async fn done<T>(asker: &str, work: impl Future<Output = FtpResult<T>>) -> Result<T> {
    within(READ_TIMEOUT, work, |error| problem(error, false, asker)).await
}

fn problem(error: FtpError, is_read: bool, asker: &str) -> RepositoryError {
    let answer = match error {
        FtpError::UnexpectedResponse(response) => String::from_utf8_lossy(&response.body).into_owned(),
        FtpError::ConnectionError(error) => return RepositoryError::broken(error),
        error => return RepositoryError::strange(NAME, error),
    };
    let (code, text) = answer
        .lines()
        .last()
        .and_then(|line| Some((line.get(..3)?.parse().ok()?, line.get(4..)?.trim())))
        .unwrap_or_default();
    let said = format!("{NAME} returned {code} {text}");
    match code {
        // Too many connections, or the server is shutting down.
        421 | 425 | 426 | 450 => RepositoryError::silent(Fault::Broken, said),
        550 if is_read => RepositoryError::Missing(said),
        status => RepositoryError::refused(NAME, status, Some(text.to_owned()), asker.to_owned()),
    }
}
