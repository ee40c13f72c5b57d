//! Project URIs: how a user names a project, parsed without network access.
//!
//! A URI names a local directory, a zip file (local or behind `http(s)://`) or a Git repository, and optionally
//! a directory inside it after a `#`. As in MLflow, an existing path takes precedence.

mod error;
mod git_url;
mod local;
mod location;

use std::fmt;
use std::path::Path;

pub(crate) use error::ProjectUriError;
pub(crate) use git_url::GitUrl;
pub(crate) use location::{Location, Subdirectory};

use crate::redact::shown_url;
use git_url::scheme;

/// The source of a project, as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectUri {
    shown: String,
    location: Location,
    subdirectory: Option<Subdirectory>,
}

impl ProjectUri {
    /// Parses `text`; relative paths start at `cwd`, which is absolute. Only checks whether local paths exist.
    ///
    /// # Errors
    /// The text names nothing that mlrun can fetch, or a local path that does not exist.
    pub fn parse(text: &str, cwd: &Path) -> Result<Self, ProjectUriError> {
        let text = text.trim_matches(['\'', '"']);
        if text.chars().any(char::is_control) {
            return Err(ProjectUriError::ControlCharacter {
                given: shown_url(text).escape_debug().to_string(),
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
            shown: shown_url(text),
            location,
            subdirectory,
        })
    }

    /// The location of the project, or of its repository or zip file.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The location's `file://` URI as given; `None` for any other kind of location.
    pub fn file_uri(&self) -> Option<&str> {
        let location = self.shown.split('#').next().unwrap_or_default();
        (scheme(location) == Some("file")).then_some(location)
    }

    /// The directory inside the location, if requested.
    pub fn subdirectory(&self) -> Option<&Subdirectory> {
        self.subdirectory.as_ref()
    }
}

/// The URI as given, without surrounding quotes and without credentials.
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
    let location = match scheme(text) {
        Some("file") => return local::locate_file_uri(text, subdirectory, cwd),
        Some("http" | "https") if is_zip_url(text) => {
            git_url::check(text)?;
            Location::ZipUrl(text.to_owned())
        }
        Some("http" | "https") => Location::Git(GitUrl::parse_http(text)?),
        _ => match local::locate(text, cwd)? {
            Some(location) => location,
            None => GitUrl::parse_remote(text)?
                .map(Location::Git)
                .ok_or_else(|| local::missing(text, cwd))?,
        },
    };
    Ok((location, subdirectory))
}

/// Whether the path of this URL ends in `.zip`; the query may be a signature.
fn is_zip_url(url: &str) -> bool {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    path.ends_with(".zip")
}

#[cfg(test)]
mod tests;
