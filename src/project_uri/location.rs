//! Where a project is, or what holds it.

use std::fmt;
use std::path::PathBuf;

use super::git_url::GitUrl;
use crate::redact::shown_url;

/// The kinds of places that projects come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An existing directory: an absolute path without `.` and `..`.
    Directory(PathBuf),
    /// An existing zip file: an absolute path without `.` and `..`.
    ZipFile(PathBuf),
    /// A zip file behind `http://` or `https://`. May hold credentials.
    ZipUrl(String),
    /// A Git repository behind a URL.
    Git(GitUrl),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::ZipFile(path) => f.debug_tuple("ZipFile").field(path).finish(),
            Self::ZipUrl(url) => f.debug_tuple("ZipUrl").field(&shown_url(url)).finish(),
            Self::Git(url) => f.debug_tuple("Git").field(url).finish(),
        }
    }
}
