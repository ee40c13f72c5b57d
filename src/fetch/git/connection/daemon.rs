//! `git://`: Git's own daemon, which neither encrypts nor asks who one is.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::packet;
use super::super::problem::GitProblem;
use super::super::task::Task;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A connection to a daemon.
pub(in crate::fetch::git) struct DaemonConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl DaemonConnection {
    pub(super) fn open(host: &str, port: u16, path: &str, task: &Task<'_>) -> Result<Self, GitProblem> {
        let addresses = task
            .wait(tokio::net::lookup_host((host, port)))?
            .map_err(|_| GitProblem::UnknownHost {
                host: host.to_owned(),
            })?
            .collect::<Vec<_>>();
        let unreachable = |reason: String| GitProblem::Unreachable {
            host: format!("{host}:{port}"),
            reason,
        };
        let stream = task
            .wait(tokio::time::timeout(
                CONNECT_LIMIT,
                TcpStream::connect(&addresses[..]),
            ))?
            .map_err(|_| unreachable("no answer".to_owned()))?
            .map_err(|error| unreachable(plain_reason(&error)))?;
        let mut connection = Self {
            stream,
            buffer: vec![0; CHUNK],
        };
        let mut request = Vec::new();
        packet::push(
            &mut request,
            &format!("git-upload-pack {path}\0host={host}:{port}\0"),
        );
        connection.write(&request, task)?;
        Ok(connection)
    }

    pub(super) fn write(&mut self, bytes: &[u8], task: &Task<'_>) -> Result<(), GitProblem> {
        task.wait(self.stream.write_all(bytes))?
            .map_err(|error| broken(&error))
    }

    pub(super) fn read(&mut self, task: &Task<'_>) -> Result<Vec<u8>, GitProblem> {
        let length = task
            .wait(self.stream.read(&mut self.buffer))?
            .map_err(|error| broken(&error))?;
        Ok(self.buffer[..length].to_vec())
    }
}

fn broken(error: &io::Error) -> GitProblem {
    GitProblem::Broken {
        reason: plain_reason(error),
    }
}

/// The system's words without the number of the error.
fn plain_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}
