//! Where data lies.

use std::fmt;
use std::path::Path;

use reqwest::Url;

use super::DataError;
use crate::project_uri;
use crate::redact::without_credentials;

/// The schemes that MLflow itself can download from and mlrun cannot yet.
const SCHEMES_OF_MLFLOW: [&str; 16] = [
    "s3",
    "r2",
    "b2",
    "gs",
    "wasb",
    "wasbs",
    "abfs",
    "abfss",
    "ftp",
    "sftp",
    "dbfs",
    "hdfs",
    "viewfs",
    "runs",
    "models",
    "mlflow-artifacts",
];

/// The name of a file whose URL has none.
const NAMELESS: &str = "download";

/// The URI of data that can be downloaded. `Display` shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct DataUri(Url);

impl DataUri {
    /// Reads the value of a `path` parameter that is no local path.
    pub(super) fn parse(parameter: &str, text: &str) -> Result<Self, DataError> {
        let text = text.trim();
        let uri = || project_uri::shown(&without_credentials(text));
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Url::parse(text).map(Self).map_err(|error| DataError::Url {
                parameter: parameter.to_owned(),
                uri: uri(),
                reason: error.to_string(),
            }),
            "file" => Err(DataError::OtherHost {
                parameter: parameter.to_owned(),
                uri: uri(),
            }),
            scheme => Err(DataError::Scheme {
                parameter: parameter.to_owned(),
                uri: uri(),
                scheme: scheme.to_owned(),
                is_mlflow: SCHEMES_OF_MLFLOW.contains(&scheme),
            }),
        }
    }

    /// The whole URL, credentials and all.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The name that the local file gets: the last part of the URL's path that has a name, with its
    /// percent signs as they are. As MLflow names it.
    pub fn file_name(&self) -> String {
        let mut parts = self.0.path().rsplit('/');
        // The URL's parser has resolved parts such as `..`, however they are written.
        let name = parts.find(|part| !part.is_empty());
        name.unwrap_or(NAMELESS).to_owned()
    }

    /// Whether a page of HTML is what is asked for.
    pub(super) fn names_page(&self) -> bool {
        Path::new(&self.file_name()).extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("html") || extension.eq_ignore_ascii_case("htm")
        })
    }
}

impl fmt::Display for DataUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&project_uri::shown(self.0.as_str()))
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
        ] {
            let uri = DataUri::parse("data", uri).unwrap();
            assert_eq!(uri.file_name(), expected, "{uri}");
        }
    }

    #[test]
    fn nothing_shown_holds_a_credential() {
        let uri = DataUri::parse("data", "https://anna:geheim@host/x?signature=geheim").unwrap();
        assert!(!format!("{uri} {uri:?}").contains("geheim"), "{uri:?}");
        for refused in [
            "https://anna:geheim@host:port/x?signature=geheim",
            "ftp://anna:geheim@host/x",
            "file://anna:geheim@host/x",
        ] {
            let error = DataUri::parse("data", refused).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }
}
