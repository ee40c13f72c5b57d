//! Why a Git repository could not be fetched.

use std::path::PathBuf;

use super::super::FetchError;
use super::super::error::{NO_SPACE, shortened};
use super::remote::Remote;
use super::{progress, words};
use crate::process::ProcessError;

/// Why a Git repository could not be fetched. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum GitProblem {
    /// No address is known for the host.
    #[error("the host '{host}' is not known")]
    UnknownHost {
        /// The host.
        host: String,
    },
    /// No connection to the host.
    #[error("cannot connect to '{host}': {reason}")]
    Unreachable {
        /// The host, and the port where it is not the usual one.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// The server's certificate is not trusted, or cannot be checked.
    #[error("cannot connect to '{host}' securely: {reason}")]
    Certificate {
        /// The host.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server wants to know who asks, or does not let them in.
    #[error("'{host}' refuses access; tried: {tried}")]
    Access {
        /// The host.
        host: String,
        /// What was tried to get in, in words.
        tried: String,
    },
    /// The server knows no such repository, or does not tell strangers that it does.
    #[error("there is no repository that can be read: {answer}")]
    NoRepository {
        /// The server's answer.
        answer: String,
    },
    /// What answers does not speak Git's protocol.
    #[error("the server is not a Git server: {reason}")]
    Protocol {
        /// What is wrong.
        reason: String,
    },
    /// The server refuses the request.
    #[error("the server refuses: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// The connection broke.
    #[error("the connection broke: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// The `git` program failed.
    #[error(transparent)]
    Program(ProcessError),
    /// There is no `git` program, and something needs it.
    #[error("{need} needs the program 'git', which was not found")]
    NoProgram {
        /// What needs it.
        need: &'static str,
    },
    /// The repository has no commit.
    #[error("the repository has no commits")]
    NoCommits,
    /// HEAD of the repository names a branch that does not exist.
    #[error(
        "the repository's default branch{} does not exist",
        .branch.as_ref().map(|branch| format!(" '{branch}'")).unwrap_or_default()
    )]
    NoDefaultBranch {
        /// The branch.
        branch: Option<String>,
        /// The branches that exist.
        branches: Vec<String>,
    },
    /// There is no such branch, tag or commit.
    #[error("the repository has no {} '{version}'", if *.is_hash { "branch, tag or commit" } else { "branch or tag" })]
    NoSuchVersion {
        /// What was asked for.
        version: String,
        /// Whether it could be a commit's hash.
        is_hash: bool,
        /// The branch or tag with nearly that name.
        nearest: Option<String>,
        /// All branches.
        branches: Vec<String>,
        /// All tags.
        tags: Vec<String>,
    },
    /// Several commits begin with the hash.
    #[error("several commits begin with '{version}'")]
    AmbiguousVersion {
        /// What was asked for.
        version: String,
    },
    /// The repository belongs to another user, whose settings Git must not follow.
    #[error("the repository '{}' belongs to another user", .path.display())]
    ForeignRepository {
        /// Its directory.
        path: PathBuf,
    },
    /// A submodule could not be fetched.
    #[error("cannot fetch the submodule '{path}'")]
    Submodule {
        /// Its path in the repository.
        path: String,
        /// Why not.
        #[source]
        problem: Box<GitProblem>,
    },
    /// A submodule's URL is missing or must not be used.
    #[error("the submodule's URL '{url}' is refused: {reason}")]
    SubmoduleUrl {
        /// The URL, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The library for Git repositories failed.
    #[error("cannot {action}")]
    Library {
        /// What was tried.
        action: &'static str,
        /// The library's answer.
        #[source]
        source: git2::Error,
    },
    /// Something on this machine stands in the way.
    #[error("cannot {action} '{}'", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The fetch was given up because nobody waits for it any more.
    #[error("the fetch was interrupted")]
    Interrupted,
}

impl GitProblem {
    /// Whether another way to fetch the same has no better prospects.
    pub(super) fn is_final(&self) -> bool {
        let is_closed = |line: &String| line.contains("Could not read from remote repository");
        matches!(self, Self::Program(ProcessError::Failed { last_lines, .. }) if last_lines.iter().any(is_closed))
            || matches!(
                self,
                Self::UnknownHost { .. }
                    | Self::Unreachable { .. }
                    | Self::Certificate { .. }
                    | Self::Access { .. }
                    | Self::NoRepository { .. }
                    | Self::ForeignRepository { .. }
            )
    }

    /// What the failure of the `git` program means, by its words.
    pub(super) fn of_program(error: ProcessError, remote: &Remote) -> Self {
        match error {
            ProcessError::Failed {
                command_line,
                exit,
                mut last_lines,
            } => {
                last_lines.retain(|line| !is_noise(line));
                words::meaning(&last_lines, remote).unwrap_or(Self::Program(ProcessError::Failed {
                    command_line,
                    exit,
                    last_lines,
                }))
            }
            error => Self::Program(error),
        }
    }

    /// What answers is not Git.
    pub(super) fn not_git(remote: &Remote) -> Self {
        Self::Protocol {
            reason: format!("'{remote}' does not speak Git's protocol"),
        }
    }

    /// The repository is another user's.
    pub(super) fn foreign(remote: &Remote) -> Self {
        Self::ForeignRepository {
            path: remote.url().trim_start_matches("file://").into(),
        }
    }

    /// For `map_err` on what the library answers.
    pub(super) fn library(action: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Library { action, source }
    }

    /// The error of the whole fetch; `uri` has no credentials.
    pub(in crate::fetch) fn into_fetch_error(self, uri: String) -> FetchError {
        match self {
            Self::Interrupted => FetchError::Interrupted,
            problem => FetchError::Git {
                uri,
                problem: Box::new(problem),
            },
        }
    }

    /// What the person can do about it.
    pub(in crate::fetch) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownHost { .. } => "check the spelling, and the network connection".to_owned(),
            Self::Unreachable { .. } | Self::Broken { .. } => {
                "check the network connection and the proxy settings (http.proxy, https_proxy)".to_owned()
            }
            Self::Certificate { .. } => {
                "name the file of the certificate authority in GIT_SSL_CAINFO or in Git's http.sslCAInfo"
                    .to_owned()
            }
            Self::Access { .. } => {
                "set up a Git credential helper or GIT_ASKPASS, or write https://USER:TOKEN@… in the URL"
                    .to_owned()
            }
            Self::NoRepository { .. } => {
                "check the spelling; a private repository may need credentials to be seen".to_owned()
            }
            Self::Protocol { .. } => "check the URL".to_owned(),
            Self::NoProgram { .. } => "install git, or add its directory to PATH".to_owned(),
            Self::NoCommits => "push a commit to it first".to_owned(),
            Self::NoDefaultBranch { branches, .. } if branches.is_empty() => {
                "choose a tag or commit with -v/--version".to_owned()
            }
            Self::NoDefaultBranch { branches, .. } => {
                format!("choose a branch with -v/--version: {}", shortened(branches))
            }
            Self::NoSuchVersion {
                nearest: Some(nearest),
                ..
            } => format!("did you mean '{nearest}'?"),
            Self::NoSuchVersion { branches, tags, .. } => {
                let mut text = format!("the branches are: {}", shortened(branches));
                if !tags.is_empty() {
                    text.push_str(&format!("; the tags: {}", shortened(tags)));
                }
                text
            }
            Self::AmbiguousVersion { .. } => "give more digits of the hash".to_owned(),
            Self::ForeignRepository { path } => format!(
                "if you trust it: git config --global --add safe.directory '{}'",
                path.display()
            ),
            Self::Submodule { problem, .. } => return problem.hint(),
            Self::Program(error) => return program_hint(error),
            _ => return None,
        })
    }
}

/// What to do about the usual failures of `ssh` and `git`.
fn program_hint(error: &ProcessError) -> Option<String> {
    let ProcessError::Failed { last_lines, .. } = error else {
        return error.hint();
    };
    let says = |text: &str| last_lines.iter().any(|line| line.contains(text));
    if says("Host key verification failed") || says("host key is known") {
        Some("check the host's key by 'ssh HOST' once, which adds it to ~/.ssh/known_hosts".to_owned())
    } else if says("Permission denied (") {
        Some("add your key to the SSH agent, or name it in GIT_SSH_COMMAND=\"ssh -i KEY\"; keys with a passphrase need the agent".to_owned())
    } else if says("No space left on device") {
        Some(NO_SPACE.to_owned())
    } else {
        None
    }
}

/// Lines of `git` that tell nothing about a failure.
fn is_noise(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "Cloning into '",
        "From ",
        " * ",
        "remote: Total ",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
        "warning: redirecting to ",
    ];
    line.trim().is_empty()
        || progress::parse(line).is_some()
        || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}
