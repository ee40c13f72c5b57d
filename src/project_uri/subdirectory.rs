//! The part of a project URI after `#`.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::ProjectUriError;

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

    /// The directory below `top`.
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
