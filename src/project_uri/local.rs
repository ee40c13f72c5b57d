//! Local paths and `file://` URIs.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::percent_decode_str;

use super::error::{Missing, ProjectUriError};
use super::location::{Location, Subdirectory};
use crate::nearest::nearest;
use crate::python_paths::abspath;
use crate::redact::shown_url;

/// The directory or zip file at this path, or `None` if there is nothing.
///
/// # Errors
/// The file is not a zip file, or the path is not accessible.
pub(super) fn locate(path: impl AsRef<OsStr>, cwd: &Path) -> Result<Option<Location>, ProjectUriError> {
    let path = abspath(cwd, path.as_ref());
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(Location::Directory(path))),
        Ok(_) if is_zip_name(&path) => Ok(Some(Location::ZipFile(path))),
        Ok(_) => Err(ProjectUriError::NotADirectory { path }),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => Ok(None),
            _ => Err(ProjectUriError::Unreadable { path, source: error }),
        },
    }
}

/// Reads `file://…`. The path is used literally if it exists, as in MLflow, and percent-decoded otherwise, as
/// other programs write it.
pub(super) fn locate_file_uri(
    uri: &str,
    subdirectory: Option<Subdirectory>,
    cwd: &Path,
) -> Result<(Location, Option<Subdirectory>), ProjectUriError> {
    let path = file_uri_path(uri)?;
    if let Some(location) = locate(path, cwd)? {
        let subdirectory = match (&location, subdirectory) {
            (Location::Directory(top), Some(subdirectory)) if !subdirectory.below(top).exists() => {
                Some(decoded_subdirectory(subdirectory)?)
            }
            (_, subdirectory) => subdirectory,
        };
        return Ok((location, subdirectory));
    }
    let decoded = decode(path, uri)?;
    let location = locate(OsStr::from_bytes(&decoded), cwd)?;
    let location = location.ok_or_else(|| missing(&String::from_utf8_lossy(&decoded), cwd))?;
    Ok((location, subdirectory.map(decoded_subdirectory).transpose()?))
}

/// The path in `file:///path`, `file://localhost/path` and (MLflow's own reading) `file://name`.
fn file_uri_path(uri: &str) -> Result<&str, ProjectUriError> {
    let rest = uri.strip_prefix("file://").unwrap_or(uri);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match (host, path) {
        ("", "") => Err(ProjectUriError::Empty),
        ("" | "localhost", path) if !path.is_empty() => Ok(path),
        (name, "") => Ok(name),
        (host, _) => Err(ProjectUriError::FileUriHost {
            given: shown_url(uri),
            host: shown_url(host),
        }),
    }
}

fn decode<'a>(path: &'a str, uri: &str) -> Result<Cow<'a, [u8]>, ProjectUriError> {
    let decoded: Cow<'a, [u8]> = percent_decode_str(path).into();
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(ProjectUriError::ControlCharacter {
            given: shown_url(uri),
        });
    }
    Ok(decoded)
}

/// The subdirectory percent-decoded and checked again, since `%2e%2e` decodes to `..`.
fn decoded_subdirectory(subdirectory: Subdirectory) -> Result<Subdirectory, ProjectUriError> {
    let decoded = decode(subdirectory.as_str(), subdirectory.as_str())?;
    let decoded = Subdirectory::parse(&String::from_utf8_lossy(&decoded))?;
    Ok(decoded.unwrap_or(subdirectory))
}

/// The error for a missing path, with what the user may have meant.
pub(super) fn missing(text: &str, cwd: &Path) -> ProjectUriError {
    let path = abspath(cwd, text);
    let meant = if text.starts_with("~") {
        Missing::Tilde
    } else if looks_like_host(text) && !text.starts_with(['.', '/']) {
        Missing::Host
    } else if let Some(name) = neighbour(&path) {
        Missing::Neighbour(name)
    } else {
        Missing::Unknown
    };
    ProjectUriError::NoSuchPath {
        what: if is_zip_name(&path) { "file" } else { "directory" },
        given: shown_url(text),
        path,
        meant,
    }
}

/// Whether the text looks like `host.domain/…`.
fn looks_like_host(text: &str) -> bool {
    text.split_once('/').is_some_and(|(host, path)| {
        !path.is_empty()
            && host.contains('.')
            && !host.ends_with('.')
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
    })
}

/// A directory or zip file beside the missing path with a similar name.
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let names = fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir() || is_zip_name(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect::<Vec<_>>();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

fn is_zip_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}
