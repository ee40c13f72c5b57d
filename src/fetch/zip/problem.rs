//! What is wrong with a zip file.

use std::io;

use ::zip::result::ZipError;

use super::MAX_UNPACKED_BYTES;

/// What to do about a damaged file.
pub(super) const DAMAGED: &str = "make or download the zip file anew";
/// What to do about one that other programs can unpack.
pub(super) const BY_HAND: &str = "unpack it by hand and give the directory";

/// Why a zip file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ZipProblem {
    /// The file cannot be opened or read.
    #[error("it cannot be read")]
    Unreadable(#[from] io::Error),
    /// The file is no zip file, or a damaged one.
    #[error("it is no zip file, or a damaged one: {0}")]
    Broken(String),
    /// There are more members, or larger ones, than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// A member that is damaged, must not be written, or cannot be.
    #[error("its member '{member}' {what}")]
    Member {
        /// The member's name.
        member: String,
        /// What is wrong with it.
        what: String,
        /// What the person can do about it.
        hint: Option<&'static str>,
        /// The cause.
        #[source]
        source: Option<io::Error>,
    },
}

impl ZipProblem {
    pub(super) fn of_member(
        member: impl Into<String>,
        what: impl Into<String>,
        hint: Option<&'static str>,
        source: Option<io::Error>,
    ) -> Self {
        Self::Member {
            member: member.into(),
            what: what.into(),
            hint,
            source,
        }
    }

    pub(super) fn refused(member: &str, reason: &str) -> Self {
        let hint = "pack the project's plain files only, with paths relative to its directory";
        let member = member.escape_debug().to_string();
        Self::of_member(member, format!("is refused: {reason}"), Some(hint), None)
    }

    pub(super) fn too_large() -> Self {
        let most = MAX_UNPACKED_BYTES >> 30;
        Self::TooLarge(format!(
            "its members hold more than {most} GiB, which is the most that is allowed"
        ))
    }

    /// What the person can do about it.
    pub(in crate::fetch) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(_) => None,
            Self::Broken(_) => Some(DAMAGED),
            Self::TooLarge(_) => Some(BY_HAND),
            Self::Member { hint, .. } => *hint,
        }
    }
}

impl From<ZipError> for ZipProblem {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => Self::Unreadable(error),
            ZipError::Io(_) => Self::Broken("it ends too early".to_owned()),
            ZipError::InvalidArchive(reason) => Self::Broken(reason.into_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}
