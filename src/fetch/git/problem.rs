//! Why a Git repository could not be fetched.

use std::path::PathBuf;

use super::super::FetchError;
use super::super::error::shortened;
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
    /// A setting of Git that cannot be used.
    #[error("{name} '{value}' cannot be used: {reason}")]
    Setting {
        /// The setting or variable.
        name: &'static str,
        /// Its value, without credentials.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server wants to know who asks, or does not let them in.
    #[error("'{host}' refuses access; tried: {}", tried.join(", "))]
    Access {
        /// The host.
        host: String,
        /// What was tried to get in, in words.
        tried: Vec<String>,
    },
    /// The server knows no such repository, or does not tell strangers that it does.
    #[error("there is no repository that can be read: {answer}")]
    NoRepository {
        /// The server's answer.
        answer: String,
    },
    /// What answers speaks no protocol of Git that is known here.
    #[error("what answers is no Git server that can be fetched from: {reason}")]
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
    /// The server sends its user elsewhere.
    #[error("the server sends on to '{target}', {reason}")]
    Redirect {
        /// Where to, without credentials.
        target: String,
        /// Why that is not followed.
        reason: &'static str,
    },
    /// The connection broke.
    #[error("the connection broke: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// A program failed: `ssh`, `git` or `git lfs`.
    #[error(transparent)]
    Program(#[from] ProcessError),
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
    /// The repository's hashes are not SHA-1.
    #[error("the repository's hashes are SHA-256, which is not supported")]
    ObjectFormat,
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
    pub(super) fn protocol(reason: impl Into<String>) -> Self {
        Self::Protocol {
            reason: reason.into(),
        }
    }

    /// What a server says in an `ERR` packet.
    pub(super) fn refusal(message: &str) -> Self {
        let message = message.trim().escape_debug().to_string();
        if message.contains("not exported") || message.contains("not found") {
            Self::NoRepository { answer: message }
        } else {
            Self::Refused { message }
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
        const WITH_PROGRAM: &str = "set MLRUN_GIT_FETCH_WITH_CLI=true to let the git program fetch";
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
                "set up a Git credential helper or GIT_ASKPASS, or write https://USER:TOKEN@… in the URL; "
                    .to_owned()
                    + WITH_PROGRAM
            }
            Self::NoRepository { .. } => {
                "check the spelling; a private repository may need credentials to be seen".to_owned()
            }
            Self::Protocol { .. } => {
                format!("check the URL; for servers without the smart protocol {WITH_PROGRAM}")
            }
            Self::Redirect { target, .. } => format!("give that URL itself: {target}"),
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
            Self::ObjectFormat => {
                "use a clone of your own with 'git clone', and give its directory".to_owned()
            }
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

const CREDENTIALS: &str =
    "set up a Git credential helper or GIT_ASKPASS, or write https://USER:TOKEN@… in the URL";

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
    } else if says("Could not resolve hostname") {
        Some("check the spelling, and the network connection".to_owned())
    } else if says("Authentication failed")
        || says("could not read Username")
        || says("could not read Password")
    {
        Some(CREDENTIALS.to_owned())
    } else {
        None
    }
}
