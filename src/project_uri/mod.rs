//! Project URIs: what a person writes to name a project, understood without any network.
//!
//! A URI names a local directory, a zip file (local or behind `http(s)://`) or a Git repository, and
//! optionally a directory inside it after a `#`. As in MLflow, a path that exists wins over every
//! other reading of the text.

mod error;
mod git_url;
mod local;
mod subdirectory;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::ProjectUriError;
pub use git_url::{GitUrl, TreePath};
pub use subdirectory::Subdirectory;

use crate::redact;

/// Where a project is, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectUri {
    shown: String,
    location: Location,
    subdirectory: Option<Subdirectory>,
}

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
            Self::ZipUrl(url) => f.debug_tuple("ZipUrl").field(&shown(url)).finish(),
            Self::Git(url) => f.debug_tuple("Git").field(url).finish(),
        }
    }
}

impl ProjectUri {
    /// Understands `text`; relative paths are taken from `cwd`, which is absolute. Looks whether
    /// local paths exist, and touches nothing else.
    ///
    /// # Errors
    /// Text that names nothing that could be fetched, or a local path that does not exist.
    pub fn parse(text: &str, cwd: &Path) -> Result<Self, ProjectUriError> {
        let text = text.trim_matches(['\'', '"']);
        if text.chars().any(char::is_control) {
            return Err(ProjectUriError::ControlCharacter {
                given: shown(text).escape_debug().to_string(),
            });
        }
        let (location, subdirectory) = match text.split_once('#') {
            Some((location, subdirectory)) => (location, Subdirectory::parse(subdirectory)?),
            None => (text, None),
        };
        if location.is_empty() {
            return Err(ProjectUriError::Empty);
        }
        let (location, subdirectory) = locate(location, subdirectory, cwd)?;
        Ok(Self {
            shown: shown(text),
            location,
            subdirectory,
        })
    }

    /// Where the project, or what holds it, is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The `file://` URI of the location as it was given; `None` for one that was given in another way.
    pub fn file_uri(&self) -> Option<&str> {
        let location = self.shown.split('#').next().unwrap_or_default();
        (scheme(location) == Some("file")).then_some(location)
    }

    /// The directory inside of the location, when one was asked for.
    pub fn subdirectory(&self) -> Option<&Subdirectory> {
        self.subdirectory.as_ref()
    }
}

/// The URI as it was given, without quotes around it and without credentials.
impl fmt::Display for ProjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn locate(
    text: &str,
    subdirectory: Option<Subdirectory>,
    cwd: &Path,
) -> Result<(Location, Option<Subdirectory>), ProjectUriError> {
    match scheme(text) {
        Some("file") => local::locate_file_uri(text, subdirectory, cwd),
        Some("http" | "https") if is_zip_url(text) => {
            git_url::check(text)?;
            Ok((Location::ZipUrl(text.to_owned()), subdirectory))
        }
        Some("http" | "https") => Ok((Location::Git(GitUrl::parse_http(text)?), subdirectory)),
        _ => match local::locate(text, cwd)? {
            Some(location) => Ok((location, subdirectory)),
            None => Ok((locate_remote(text, cwd)?, subdirectory)),
        },
    }
}

/// Reads text that is no existing path and no `file://` or `http(s)://` URL.
fn locate_remote(text: &str, cwd: &Path) -> Result<Location, ProjectUriError> {
    match GitUrl::parse_remote(text)? {
        Some(url) => Ok(Location::Git(url)),
        None => Err(local::missing(text, cwd)),
    }
}

/// The scheme of `scheme://…`, if the text begins with one. Schemes are written in lower case here
/// as everywhere in Git.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(scheme)
}

/// Whether the path of this URL ends in `.zip`; what follows a `?` may be a signature.
fn is_zip_url(url: &str) -> bool {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    path.ends_with(".zip")
}

/// The text without credentials: without the user information of a URL's authority and, for
/// `http(s)://`, without the query, in which tokens and signatures stand.
pub(crate) fn shown(text: &str) -> String {
    let text = redact::without_credentials(text);
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return text;
    }
    let (location, fragment) = match text.split_once('#') {
        Some((location, fragment)) => (location, Some(fragment)),
        None => (text.as_str(), None),
    };
    let path = location.split_once('?').map_or(location, |(path, _)| path);
    match fragment {
        Some(fragment) => format!("{path}#{fragment}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
