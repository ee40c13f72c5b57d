//! Connections to servers that speak Git's smart protocol: by HTTP, by SSH, by Git's own daemon.

mod address;
mod credentials;
mod daemon;
mod http;
mod http_error;
mod http_settings;
mod ssh;

pub(super) use address::Address;

use super::problem::GitProblem;
use super::task::Task;
use daemon::DaemonConnection;
use git2::Config;
use http::HttpConnection;
use ssh::SshConnection;

/// A connection to a server, which has begun to tell its references.
pub(super) enum Connection {
    Http(Box<HttpConnection>),
    Ssh(Box<SshConnection>),
    Daemon(DaemonConnection),
}

impl Connection {
    /// Connects to the server at this address, which is none on this machine's disk.
    pub(super) fn open(address: &Address, config: &Config, task: &Task<'_>) -> Result<Self, GitProblem> {
        match address {
            Address::Http(url) => {
                HttpConnection::open(url, config, task).map(|connection| Self::Http(Box::new(connection)))
            }
            Address::Ssh(ssh) => {
                SshConnection::open(ssh, config, task).map(|connection| Self::Ssh(Box::new(connection)))
            }
            Address::Daemon { host, port, path } => {
                DaemonConnection::open(host, *port, path, task).map(Self::Daemon)
            }
        }
    }

    /// Sends a whole request.
    pub(super) fn send(&mut self, request: Vec<u8>, task: &Task<'_>) -> Result<(), GitProblem> {
        match self {
            Self::Http(connection) => connection.post(request, task),
            Self::Ssh(connection) => connection.write(&request, task),
            Self::Daemon(connection) => connection.write(&request, task),
        }
    }

    /// The next piece of what the server sends; empty at its end.
    pub(super) fn read(&mut self, task: &Task<'_>) -> Result<Vec<u8>, GitProblem> {
        match self {
            Self::Http(connection) => connection.read(task),
            Self::Ssh(connection) => connection.read(task),
            Self::Daemon(connection) => connection.read(task),
        }
    }
}
