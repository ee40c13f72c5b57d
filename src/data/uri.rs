//! Where data lies.

use std::fmt;
use std::path::Path;

use super::place::Place;
use super::{DataError, Reference};
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
            let (scheme, _) = text.split_once(':').unwrap_or_default();
            let scheme = scheme.to_ascii_lowercase();
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

/// The authority and the path in what stands after a scheme's colon.
pub(super) fn split_authority(rest: &str) -> (&str, &str) {
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
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
            ("http://h/api/2.0/mlflow-artifacts/artifacts/a/b%20c", "b%20c"),
            ("s3://bucket/a/b.csv", "b.csv"),
            ("s3://bucket/a%20b#c?d", "a%20b#c?d"),
            ("s3://bucket/a/", ""),
            ("s3://bucket", ""),
            ("gs://b/a b", "a b"),
            ("wasbs://c@a.blob.core.windows.net/x%20y", "x%20y"),
            ("abfss://c@a.dfs.core.windows.net/x%20y", "x y"),
            ("ftp://u:p@h/a/b%20c?d", "b%20c"),
            ("SFTP://u@h/a/b c", "b c"),
            ("hdfs:/a/b/", ""),
            ("ViewFS://view/a/b", "b"),
            ("dbfs:/a/b", "b"),
            ("dbfs://work@databricks/a/b", "b"),
            ("mlflow-artifacts:/1/a", "a"),
            ("mlflow-artifacts://h:5000/1/a/", ""),
            ("runs:/abc/model/x", "x"),
            ("runs:/abc", ""),
            ("models:/m/Production/a/b", "a/b"),
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
            "runs:abc",
            "runs:/",
            "runs://profile@databricks/x",
            "models:/",
            "dbfs:a",
            "dbfs://host/a",
            "sftp://u:p@h/x",
            "sftp://-oProxyCommand=x/x",
            "sftp://-u@h/x",
            "sftp://`x`/x",
            "ftp://h/a\r\nDELE x",
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
