//! What is wrong with a project URI.

use std::io;
use std::path::PathBuf;

/// Why text is no usable project URI. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum ProjectUriError {
    #[error("the project URI is empty")]
    Empty,
    #[error("the project URI '{given}' holds a control character")]
    ControlCharacter { given: String },
    /// The text would be read as an option by the programs that it is given to.
    #[error("the project URI '{given}' begins with '-', which would be read as an option")]
    LeadingHyphen { given: String },
    /// `helper::address` makes Git run a program.
    #[error(
        "the project URI '{given}' asks for the Git remote helper '{helper}', which could run any program; it is refused"
    )]
    RemoteHelper { given: String, helper: String },
    #[error("projects cannot be fetched by '{scheme}://' (the project URI is '{given}')")]
    UnsupportedScheme { scheme: String, given: String },
    /// A URL without what every URL of a repository has.
    #[error("the project URI '{given}' is malformed: {reason}")]
    MalformedUrl { given: String, reason: &'static str },
    /// `user:token@host/path` without `https://`: the credential would be taken for a path.
    #[error("the project URI for '{host}' holds a user and a password but no scheme")]
    CredentialsWithoutScheme { host: String },
    #[error("'{given}' is the page of a file, not of a directory")]
    PageOfFile { given: String },
    #[error("no such {what}: '{given}'{}", .path.to_str().filter(|path| path != given).map(|path| format!(" ({path})")).unwrap_or_default())]
    NoSuchPath {
        /// `directory` or `file`.
        what: &'static str,
        given: String,
        path: PathBuf,
        /// What the text may have been meant to be.
        meant: Missing,
    },
    #[error("'{}' is a file, not a project's directory or zip file", .path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot look at '{}'", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the project URI '{given}' names a file on the machine '{host}'")]
    FileUriHost { given: String, host: String },
    #[error("the subdirectory '{subdirectory}' is not inside the project: {reason}")]
    Subdirectory {
        subdirectory: String,
        reason: &'static str,
    },
}

/// What a path that does not exist may have been meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A path below a home directory.
    Tilde,
    /// A Git repository whose URL lacks its scheme.
    Host,
    /// A directory or file with nearly the same name.
    Neighbour(String),
    /// Nothing that could be guessed.
    Unknown,
}

impl ProjectUriError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        const KINDS: &str = "a project is a directory, a .zip file, an https:// URL of either a Git repository or a .zip file, or another Git URL (ssh://, git://, user@host:path)";
        Some(match self {
            Self::Empty => "give a project's directory or URL; '.' is the current directory".to_owned(),
            Self::ControlCharacter { .. } | Self::UnsupportedScheme { .. } | Self::RemoteHelper { .. } => {
                KINDS.to_owned()
            }
            Self::LeadingHyphen { given } => format!("write './{given}' for a directory of that name"),
            Self::MalformedUrl { .. } => {
                "the usual forms are https://host/organisation/repository and user@host:path".to_owned()
            }
            Self::CredentialsWithoutScheme { host } => format!(
                "write https://USER:TOKEN@{host}, or better leave the credentials to a Git credential helper"
            ),
            Self::PageOfFile { .. } => "give the page of the directory (…/tree/BRANCH/DIRECTORY)".to_owned(),
            Self::NoSuchPath { given, meant, .. } => match meant {
                Missing::Tilde => "only the shell replaces '~', and only where it is not quoted".to_owned(),
                Missing::Host => format!("for a Git repository write https://{given}"),
                Missing::Neighbour(name) => format!("did you mean '{name}'?"),
                Missing::Unknown => KINDS.to_owned(),
            },
            Self::NotADirectory { path } => match path.parent() {
                Some(parent)
                    if path
                        .file_name()
                        .is_some_and(|name| name.eq_ignore_ascii_case("MLproject")) =>
                {
                    format!("give its directory: {}", parent.display())
                }
                _ => KINDS.to_owned(),
            },
            Self::FileUriHost { .. } => {
                "only files of this machine can be named: file:///absolute/path".to_owned()
            }
            Self::Subdirectory { .. } => {
                "name a directory below the project's top, for example #models/train".to_owned()
            }
            Self::Unreadable { .. } => return None,
        })
    }
}
