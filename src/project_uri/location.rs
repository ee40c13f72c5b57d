//! The location of a project, and a subdirectory in it.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::error::ProjectUriError;
use super::git_url::GitUrl;
use crate::redact::shown_url;

/// The kinds of sources of projects.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An existing directory: an absolute path without `.` and `..`.
    Directory(PathBuf),
    /// An existing zip file: an absolute path without `.` and `..`.
    ZipFile(PathBuf),
    /// A zip file behind `http://` or `https://`. The URL may contain credentials.
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

/// A directory inside a project's source. It cannot leave the source: it is relative and contains no `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subdirectory(String);

impl Subdirectory {
    /// Checks the text after a `#`. Empty text (or only `.` and `/`) means the top.
    ///
    /// MLflow rejects every `.`; mlrun rejects only paths that leave the source, so `models/v1.2` is allowed.
    ///
    /// # Errors
    /// The path is absolute, or contains `..`.
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
                Component::ParentDir => return Err(refuse("'..' leaves the project")),
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

    /// This directory inside `outer`, if any.
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
