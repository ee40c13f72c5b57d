//! The data that a run needs.

use std::path::{Path, PathBuf};

use crate::artifact::error::{DataError, RepositoryError};
use crate::artifact::file_tree::PASSWORD_GIVEN;
use crate::artifact::local;
use crate::artifact::uri::{ArtifactUri, Reference};
use crate::redact::{shown_url, without_credentials};

/// A parameter's data to download.
#[derive(Clone)]
pub(crate) struct DataRequest {
    pub parameter: String,
    /// The parameter's number among the declared ones, from 0.
    pub position: usize,
    /// The URI without credentials.
    pub uri: String,
    pub(super) artifact_uri: ArtifactUri,
    /// The name or relative path of the local file or directory; empty if the data goes directly to `param_N`.
    name: String,
}

impl DataRequest {
    /// Checks a parameter's value, without requests.
    pub(crate) fn new(parameter: &str, position: usize, uri: &str) -> Result<Self, DataError> {
        let artifact_uri = artifact_uri_of(parameter, uri)?;
        Ok(Self {
            parameter: parameter.to_owned(),
            position,
            uri: shown(uri.trim()),
            name: artifact_uri.name(),
            artifact_uri,
        })
    }

    /// The reference to resolve in the tracking store or model registry, if the URI is one.
    pub(crate) fn reference(&self) -> Option<&Reference> {
        match &self.artifact_uri {
            ArtifactUri::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    /// Replaces the reference by its artifact URI or local path, which may be another reference.
    pub(crate) fn resolve(&mut self, artifact_uri: &str) -> Result<(), DataError> {
        self.artifact_uri = match local::path_of(artifact_uri) {
            Some(path) => ArtifactUri::Local(path),
            None => artifact_uri_of(&self.parameter, artifact_uri)?,
        };
        Ok(())
    }

    /// The error for a loop of references.
    pub(crate) fn endless(&self) -> DataError {
        invalid(
            &self.parameter,
            &self.uri,
            "it is a loop of references between models",
        )
    }

    /// The local path in the data's directory, which ends like the URI, as in MLflow.
    pub(crate) fn path_in(&self, directory: &Path) -> PathBuf {
        let place = directory.join(format!("param_{}", self.position));
        match self.name.as_str() {
            "" => place,
            name => place.join(name),
        }
    }

    /// Whether the URI names an HTML page.
    pub(super) fn names_page(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.ends_with(".html") || name.ends_with(".htm")
    }

    pub(super) fn failed(&self, source: RepositoryError) -> DataError {
        DataError::Download {
            parameter: self.parameter.clone(),
            uri: self.uri.clone(),
            source: Box::new(source),
        }
    }
}

fn artifact_uri_of(parameter: &str, uri: &str) -> Result<ArtifactUri, DataError> {
    let uri = uri.trim();
    let shown = shown(uri);
    let parsed = ArtifactUri::parse(uri).map_err(|reason| invalid(parameter, &shown, &reason))?;
    let Some(artifact_uri) = parsed else {
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let (problem, hint) = match scheme.as_str() {
            "file" => (
                format!("the file '{shown}' for the parameter '{parameter}' is on another machine"),
                "use three slashes for a local file: file:///DIRECTORY/FILE",
            ),
            _ => (
                format!(
                    "'{scheme}:' URIs are not supported for downloads: '{shown}' for the parameter '{parameter}'"
                ),
                "use a local path or a URI such as https://…, s3://…, gs://…, abfss://…, sftp://… or runs:/…",
            ),
        };
        return Err(DataError::Address {
            problem,
            hint: Some(hint),
        });
    };
    let is_no_name = |part: &str| matches!(part, "." | "..") || part.contains('\0');
    if artifact_uri.name().split('/').any(is_no_name) {
        return Err(invalid(
            parameter,
            &shown,
            "it does not end with a valid file name",
        ));
    }
    Ok(artifact_uri)
}

fn invalid(parameter: &str, shown: &str, reason: &str) -> DataError {
    DataError::Address {
        problem: format!("'{shown}' for the parameter '{parameter}' is not a valid address: {reason}"),
        hint: match reason {
            PASSWORD_GIVEN => Some(
                "remove the password from the URI, and install your key on the server with `ssh-copy-id USER@HOST`",
            ),
            _ => shown.starts_with("http").then_some("check the host and port"),
        },
    }
}

/// A URI without credentials. In these schemes the part before an at sign is a container, a bucket or a profile.
pub(super) fn shown(uri: &str) -> String {
    let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme.to_ascii_lowercase().as_str() {
        "wasb" | "wasbs" | "abfs" | "abfss" | "dbfs" | "r2" | "b2" => {
            uri.split(['?', '#']).next().unwrap_or(uri).to_owned()
        }
        _ => shown_url(&without_credentials(uri)),
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
            ("models:/m@best", ""),
            ("models:/m@best/a/b/", "a/b"),
            ("models:///m-0123", ""),
        ] {
            let request = DataRequest::new("data", 0, uri).unwrap();
            assert_eq!(request.name, expected, "{uri}");
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
            let error = DataRequest::new("data", 0, uri).err().unwrap();
            assert!(
                error.to_string().contains("is not a valid address"),
                "{uri}: {error}"
            );
        }
    }

    #[test]
    fn nothing_shown_holds_a_credential() {
        for (uri, expected) in [
            (
                "wasbs://container@account.blob.core.windows.net/x?sig=geheim",
                "wasbs://container@account.blob.core.windows.net/x",
            ),
            ("https://anna:geheim@host/x?signature=geheim", "https://host/x"),
        ] {
            assert_eq!(DataRequest::new("data", 0, uri).unwrap().uri, expected);
        }
        for refused in [
            "https://anna:geheim@host:port/x?signature=geheim",
            "sftp://anna:geheim@host/x",
            "file://anna:geheim@host/x",
        ] {
            let error = DataRequest::new("data", 0, refused).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error:?}");
        }
    }
}
