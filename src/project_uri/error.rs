//! Errors in project URIs.

use std::io;
use std::path::PathBuf;

/// Why text is not a usable project URI. No variant contains a credential.
#[derive(Debug, thiserror::Error)]
pub enum ProjectUriError {
    #[error("the project URI is empty")]
    Empty,
    #[error("the project URI '{given}' contains a control character")]
    ControlCharacter { given: String },
    /// Programs would read the text as an option.
    #[error("the project URI '{given}' begins with '-', which would be read as an option")]
    LeadingHyphen { given: String },
    /// `helper::address` makes Git run a program.
    #[error(
        "the project URI '{given}' uses the Git remote helper '{helper}', which is not allowed: it could run any \
        program"
    )]
    RemoteHelper { given: String, helper: String },
    #[error("unsupported scheme '{scheme}://' in the project URI '{given}'")]
    UnsupportedScheme { scheme: String, given: String },
    /// A URL that lacks a part that every repository URL has.
    #[error("the project URI '{given}' is malformed: {reason}")]
    MalformedUrl { given: String, reason: &'static str },
    /// `user:token@host/path` without `https://`: the credential would become a path.
    #[error("the project URI for '{host}' contains a user and a password but no scheme")]
    CredentialsWithoutScheme { host: String },
    #[error("'{given}' is the page of a file, not of a directory")]
    PageOfFile { given: String },
    #[error("no such {what}: '{given}'{}", .path.to_str().filter(|path| path != given).map(|path| format!(" ({path})")).unwrap_or_default())]
    NoSuchPath {
        /// `directory` or `file`.
        what: &'static str,
        given: String,
        path: PathBuf,
        /// What the user may have meant.
        meant: Missing,
    },
    #[error("'{}' is not a project directory or a zip file", .path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot access '{}'", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the project URI '{given}' names a file on another machine, '{host}'")]
    FileUriHost { given: String, host: String },
    #[error("the subdirectory '{subdirectory}' is not inside the project: {reason}")]
    Subdirectory {
        subdirectory: String,
        reason: &'static str,
    },
}

/// What the user may have meant by a path that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A path below a home directory.
    Tilde,
    /// A Git repository whose URL lacks its scheme.
    Host,
    /// A directory or file with nearly the same name.
    Neighbour(String),
    /// No guess.
    Unknown,
}

impl ProjectUriError {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        const KINDS: &str = "use a directory, a .zip file (also https://), or a Git URL (https://, ssh://, git://, \
        user@host:path)";
        Some(match self {
            Self::Empty => "pass a directory or URL; '.' is the current directory".to_owned(),
            Self::ControlCharacter { .. } | Self::UnsupportedScheme { .. } | Self::RemoteHelper { .. } => {
                KINDS.to_owned()
            }
            Self::LeadingHyphen { given } => format!("use './{given}' for a directory of that name"),
            Self::MalformedUrl { .. } => {
                "use https://HOST/ORGANISATION/REPOSITORY or USER@HOST:PATH".to_owned()
            }
            Self::CredentialsWithoutScheme { host } => {
                format!("use https://USER:TOKEN@{host} or, better, a Git credential helper")
            }
            Self::PageOfFile { .. } => "use the page of its directory (…/tree/BRANCH/DIRECTORY)".to_owned(),
            Self::NoSuchPath { given, meant, .. } => match meant {
                Missing::Tilde => {
                    "use the full path: only the shell expands '~', and only outside quotes".to_owned()
                }
                Missing::Host => format!("for a Git repository use https://{given}"),
                Missing::Neighbour(name) => format!("did you mean '{name}'?"),
                Missing::Unknown => KINDS.to_owned(),
            },
            Self::NotADirectory { path } => match path.parent() {
                Some(parent)
                    if path
                        .file_name()
                        .is_some_and(|name| name.eq_ignore_ascii_case("MLproject")) =>
                {
                    format!("use its directory: {}", parent.display())
                }
                _ => KINDS.to_owned(),
            },
            Self::FileUriHost { .. } => "use a file on this machine: file:///ABSOLUTE/PATH".to_owned(),
            Self::Subdirectory { .. } => {
                "use a directory inside the project, for example #models/train".to_owned()
            }
            Self::Unreadable { .. } => return None,
        })
    }
}
