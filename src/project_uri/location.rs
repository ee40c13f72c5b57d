//! Where a project is, or what holds it, and the directory in that.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::error::ProjectUriError;
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

/// A directory inside of a project's source. It never leaves it: it is relative and holds no `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subdirectory(String);

impl Subdirectory {
    /// Checks the text after a `#`. Nothing at all (or only `.` and `/` after it) means the top.
    ///
    /// MLflow refuses every `.`; here only what leaves the source is refused, so that `models/v1.2`
    /// can be named.
    ///
    /// # Errors
    /// An absolute path, or one that holds `..`.
    pub fn parse(text: &str) -> Result<Option<Self>, ProjectUriError> {
        let refuse = |reason| ProjectUriError::Subdirectory {
            subdirectory: text.to_owned(),
            reason,
        };
        let mut parts = Vec::new();
        for component in Path::new(text).components() {
            match component {
                Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
                Component::CurDir => {}
                Component::ParentDir => return Err(refuse("it leaves the project with '..'")),
                Component::RootDir | Component::Prefix(_) => return Err(refuse("it is an absolute path")),
            }
        }
        Ok((!parts.is_empty()).then(|| Self(parts.join("/"))))
    }

    /// The directory's path, relative to the top of the source, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn below(&self, top: &Path) -> PathBuf {
        top.join(&self.0)
    }

    /// This directory inside of `outer`, when there is an outer one.
    pub fn inside(self, outer: Option<Self>) -> Self {
        match outer {
            Some(outer) => Self(format!("{}/{}", outer.0, self.0)),
            None => self,
        }
    }
}

impl fmt::Display for Subdirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
