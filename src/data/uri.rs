//! Where data lies.

use std::fmt;
use std::path::Path;

use super::place::Place;
use super::{DataError, Reference, local};
use crate::project_uri;
use crate::redact::without_credentials;

/// The URI of data that can be downloaded. `Display` shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct DataUri {
    /// The URI without credentials.
    shown: String,
    pub(super) place: Place,
    /// What the local file or directory is called, which may be a path of several parts; empty where
    /// what a directory holds gets no directory of its own.
    name: String,
}

impl DataUri {
    /// Reads the value of a `path` parameter that is no local path.
    pub(super) fn parse(parameter: &str, text: &str) -> Result<Self, DataError> {
        let text = text.trim();
        let uri = || shown(text);
        let invalid = |reason: String| DataError::Url {
            parameter: parameter.to_owned(),
            uri: uri(),
            reason,
        };
        let parsed = Place::parse(text).map_err(&invalid)?;
        let Some(place) = parsed else {
            let scheme = text
                .split_once(':')
                .map_or("", |(scheme, _)| scheme)
                .to_ascii_lowercase();
            return Err(match scheme.as_str() {
                "file" => DataError::OtherHost {
                    parameter: parameter.to_owned(),
                    uri: uri(),
                },
                _ => DataError::Scheme {
                    parameter: parameter.to_owned(),
                    uri: uri(),
                    scheme,
                },
            });
        };
        let name = place.name();
        if name
            .split('/')
            .any(|part| part == "." || part == ".." || part.contains('\0'))
        {
            return Err(invalid("it ends in no name that a file can have".to_owned()));
        }
        Ok(Self {
            shown: uri(),
            place,
            name,
        })
    }

    /// What the tracking store or the model registry has to be asked for.
    pub fn reference(&self) -> Option<Reference<'_>> {
        match &self.place {
            Place::Run { run_id, path } => Some(Reference::Run { run_id, path }),
            Place::Model { model, path } => Some(Reference::Model { model, path }),
            _ => None,
        }
    }

    /// Takes the artifact URI that the reference stands for as the place; it may be another reference.
    pub(super) fn resolve(&mut self, parameter: &str, artifact_uri: &str) -> Result<(), DataError> {
        if let Some(path) = local::path_of(artifact_uri) {
            self.place = Place::Local(path);
            return Ok(());
        }
        let resolved = Self::parse(parameter, artifact_uri)?;
        self.place = resolved.place;
        Ok(())
    }

    /// The name that the local file or directory gets: the last part of the URI's path, as MLflow names
    /// it. Empty for a URI that ends with a slash: then the files lie where the directory would.
    pub fn file_name(&self) -> &str {
        &self.name
    }

    /// Whether a page of HTML is what is asked for.
    pub(super) fn names_page(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("html") || extension.eq_ignore_ascii_case("htm")
        })
    }
}

/// A URI without credentials. What stands before an at sign is none in these schemes: a container, a
/// bucket, or a profile's name.
pub(super) fn shown(uri: &str) -> String {
    let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme.to_ascii_lowercase().as_str() {
        "wasb" | "wasbs" | "abfs" | "abfss" | "dbfs" | "r2" | "b2" => {
            uri.split(['?', '#']).next().unwrap_or(uri).to_owned()
        }
        _ => project_uri::shown(&without_credentials(uri)),
    }
}

impl fmt::Display for DataUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DataUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataUri({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_their_urls_end() {
        for (uri, expected) in [
            ("http://host/a/data.csv", "data.csv"),
            ("https://host/a%20b c.csv?token=x#y", "a%20b%20c.csv"),
            ("HTTP://host/dir/", "dir"),
            ("http://host", "download"),
            ("http://host/?format=csv", "download"),
            ("http://host/a/%2e%2e", "download"),
            ("http://host/a/../..", "download"),
            ("http://host/..%2F..%2Fetc", "..%2F..%2Fetc"),
            ("http://host/a%00b", "a%00b"),
            (" http://host/x ", "x"),
            ("s3://bucket/a/b.csv", "b.csv"),
            ("s3://bucket/a%20b#c?d", "a%20b#c?d"),
            ("s3://bucket/a/", ""),
            ("s3://bucket", ""),
        ] {
            let uri = DataUri::parse("data", uri).unwrap();
            assert_eq!(uri.file_name(), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for uri in [
            "s3:bucket",
            "s3://",
            "s3:///x",
            "s3://bucket/..",
            "s3://bucket/a/.",
        ] {
            let error = DataUri::parse("data", uri).unwrap_err();
            assert!(matches!(error, DataError::Url { .. }), "{uri}: {error}");
        }
    }

    #[test]
    fn a_container_is_shown() {
        let text = "wasbs://container@account.blob.core.windows.net/x";
        let uri = DataUri::parse("data", &format!("{text}?sig=geheim")).unwrap();
        assert_eq!(uri.to_string(), text);
    }

    #[test]
    fn nothing_shown_holds_a_credential() {
        let uri = DataUri::parse("data", "https://anna:geheim@host/x?signature=geheim").unwrap();
        assert!(!format!("{uri} {uri:?}").contains("geheim"), "{uri:?}");
        for refused in [
            "https://anna:geheim@host:port/x?signature=geheim",
            "sftp://anna:geheim@host/x",
            "file://anna:geheim@host/x",
        ] {
            let error = DataUri::parse("data", refused).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }
}
