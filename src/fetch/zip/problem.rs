//! What is wrong with a zip file.

use std::io;

use super::{MAX_UNPACKED_BYTES, MAX_ZIP_MEMBERS};
use crate::fetch::FetchError;
use crate::fetch::error::NO_SPACE;

/// Why a zip file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ZipProblem {
    /// The file cannot be opened or read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is no zip file, or a damaged one.
    #[error("it is no zip file, or a damaged one: {0}")]
    Broken(String),
    /// A member's data is damaged.
    #[error("its member '{member}' is damaged")]
    BrokenMember {
        /// The member's name.
        member: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A member that must not be written.
    #[error("its member '{member}' is refused: {reason}")]
    RefusedMember {
        /// The member's name with control characters escaped.
        member: String,
        /// Why.
        reason: &'static str,
    },
    /// A member is encrypted.
    #[error("its member '{member}' is encrypted")]
    Encrypted {
        /// The member's name.
        member: String,
    },
    /// A member is compressed in a way that is not supported.
    #[error("its member '{member}' is compressed by the method {method}, which is not supported")]
    UnknownCompression {
        /// The member's name.
        member: String,
        /// The method.
        method: String,
    },
    /// There are more members than allowed.
    #[error("it has {count} members, and at most {MAX_ZIP_MEMBERS} are allowed")]
    TooManyMembers {
        /// How many there are.
        count: usize,
    },
    /// The members are larger than allowed.
    #[error("its members hold more than {} GiB, which is the most that is allowed", MAX_UNPACKED_BYTES >> 30)]
    TooLarge,
    /// A member cannot be written.
    #[error("its member '{member}' cannot be written")]
    Unwritable {
        /// The member's name.
        member: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nobody waits for it any more.
    #[error("the unpacking was interrupted")]
    Interrupted,
}

impl ZipProblem {
    /// What the person can do about it.
    pub(in crate::fetch) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Broken(_) | Self::BrokenMember { .. } => "make or download the zip file anew".to_owned(),
            Self::RefusedMember { .. } => {
                "pack the project's plain files only, with paths relative to its directory".to_owned()
            }
            Self::Encrypted { .. } => "unpack it by hand and give the directory".to_owned(),
            Self::UnknownCompression { .. } => "pack it anew with the usual method, deflate".to_owned(),
            Self::TooManyMembers { .. } | Self::TooLarge => {
                "unpack it by hand and give the directory".to_owned()
            }
            Self::Unwritable { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                NO_SPACE.to_owned()
            }
            Self::Unreadable(_) | Self::Unwritable { .. } | Self::Interrupted => return None,
        })
    }

    pub(super) fn into_fetch_error(self, zip: String) -> FetchError {
        match self {
            Self::Interrupted => FetchError::Interrupted,
            problem => FetchError::Zip { zip, problem },
        }
    }
}

impl From<::zip::result::ZipError> for ZipProblem {
    fn from(error: ::zip::result::ZipError) -> Self {
        match error {
            ::zip::result::ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Self::Unreadable(error)
            }
            ::zip::result::ZipError::Io(_) => Self::Broken("it ends too early".to_owned()),
            ::zip::result::ZipError::InvalidArchive(reason) => Self::Broken(reason.into_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}
