//! Parses artifact URIs and opens their stores.

use std::path::PathBuf;

use reqwest::Url;

use crate::artifact::azure::{Azure, AzureUri};
use crate::artifact::dbfs::Dbfs;
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::file_tree::{FileAddress, FileTree};
use crate::artifact::ftp::Ftp;
use crate::artifact::gcs::Gcs;
use crate::artifact::hdfs::{self, WebHdfs};
use crate::artifact::mlflow_artifacts::Artifacts;
use crate::artifact::repository::ArtifactRepository;
use crate::artifact::s3::{S3, S3Uri};
use crate::artifact::sftp::Sftp;
use crate::http::ServerAccess;
use crate::python_paths::{quote_part, split_authority, unquote};

/// The tracking store's access for artifact stores, in addition to the environment's settings.
#[derive(Clone, Default)]
pub struct DataContext {
    /// The tracking server, if the tracking store is one.
    pub server: Option<ServerAccess>,
    /// The `databricks` URI of the tracking store, if it has one.
    pub databricks: Option<String>,
}

/// A reference to artifacts in the tracking store or the model registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `runs:/<run id>/<path>`.
    Run {
        run_id: String,
        /// The path in its artifacts; may be empty.
        path: String,
    },
    /// `models:/<model>/<path>`.
    Model {
        /// `name/version`, `name/stage`, `name/latest`, `name@alias` or the id of a logged model.
        model: String,
        /// The path in its artifacts; may be empty.
        path: String,
    },
}

impl Reference {
    fn of_run(rest: &str) -> Result<Self, String> {
        let path = path_without_host(rest)?;
        let (run_id, path) = path.split_once('/').unwrap_or((path, ""));
        if run_id.is_empty() {
            return Err("write runs:/RUN_ID/PATH".to_owned());
        }
        let (run_id, path) = (run_id.to_owned(), path.to_owned());
        Ok(Self::Run { run_id, path })
    }
}

/// The cloud of a URI, if its credentials are in variables and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Amazon S3, or a compatible service.
    S3,
    Google,
    Azure,
    Hadoop,
}

impl Storage {
    /// `None` for all other places.
    pub(crate) fn of(uri: &str) -> Option<Self> {
        match ArtifactUri::parse(uri).ok()?? {
            ArtifactUri::S3(_) => Some(Self::S3),
            ArtifactUri::Gcs { .. } => Some(Self::Google),
            ArtifactUri::Azure(_) => Some(Self::Azure),
            ArtifactUri::Hdfs(_) => Some(Self::Hadoop),
            _ => None,
        }
    }
}

/// The scheme of a view of several Hadoop file systems.
const VIEW: &str = "viewfs";

/// A supported URI.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum ArtifactUri {
    /// A file on a web server. The URL may contain credentials.
    Web(Url),
    /// An artifact of a tracking server by its web address. The URL may contain credentials.
    WebArtifacts { server: Url, path: String },
    /// An artifact of the tracking server, or of the server in the URI.
    Artifacts { host: Option<String>, path: String },
    /// An object in a bucket, or a prefix of names.
    S3(S3Uri),
    /// An object in Google Cloud Storage, or a prefix of names.
    Gcs { bucket: String, key: String },
    /// A blob in an Azure container, or a prefix of names.
    Azure(AzureUri),
    /// A file or directory on an FTP server. The address may contain credentials.
    Ftp(FileAddress),
    /// A file or directory on an SSH server.
    Sftp(FileAddress),
    /// A file or directory in a Hadoop file system, or in a view of several.
    Hdfs(String),
    /// A file or directory in the Databricks workspace of this profile, or the default one.
    Dbfs { profile: Option<String>, path: String },
    /// An artifact of a run in the tracking store, or of a model in the model registry.
    Reference(Reference),
    /// A local file or directory, which is copied.
    Local(PathBuf),
}

impl ArtifactUri {
    /// Parses a URI; `None` for an unsupported scheme.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        let scheme = scheme.to_ascii_lowercase();
        Ok(Some(match scheme.as_str() {
            "http" | "https" => {
                let url = Url::parse(text).map_err(|error| error.to_string())?;
                match Artifacts::split_url(&url) {
                    Some((server, path)) => Self::WebArtifacts { server, path },
                    None => Self::Web(url),
                }
            }
            scheme @ ("s3" | "s3a" | "s3n" | "r2" | "b2") => Self::S3(S3Uri::parse(scheme, rest)?),
            "gs" => Self::of_bucket(rest)?,
            // Only the second interface decodes the URI.
            "wasb" | "wasbs" => Self::Azure(AzureUri::parse(rest)?),
            "abfs" | "abfss" => {
                let rest = unquote(rest);
                Self::Azure(AzureUri::parse(&rest)?)
            }
            "ftp" => Self::Ftp(FileAddress::parse(&scheme, rest)?),
            "sftp" => Self::Sftp(FileAddress::parse(&scheme, rest)?.for_ssh()?),
            "hdfs" | VIEW => {
                if !split_authority(rest).1.starts_with('/') {
                    return Err("it contains no path".to_owned());
                }
                Self::Hdfs(format!("{scheme}:{rest}"))
            }
            "dbfs" => Self::of_workspace(rest)?,
            "mlflow-artifacts" => {
                let (host, path) = split_authority(rest);
                Self::Artifacts {
                    host: (!host.is_empty()).then(|| host.to_owned()),
                    path: path.to_owned(),
                }
            }
            "runs" => Self::Reference(Reference::of_run(rest)?),
            "models" => {
                let (model, path) = split_model(path_without_host(rest)?)?;
                Self::Reference(Reference::Model { model, path })
            }
            _ => return Ok(None),
        }))
    }

    fn of_bucket(rest: &str) -> Result<Self, String> {
        let (bucket, key) = split_authority(rest);
        if bucket.is_empty() {
            return Err("it contains no bucket".to_owned());
        }
        if bucket.contains(['@', ':']) {
            return Err("it must not contain credentials".to_owned());
        }
        Ok(Self::Gcs {
            bucket: bucket.to_owned(),
            key: key.strip_prefix('/').unwrap_or(key).to_owned(),
        })
    }

    fn of_workspace(rest: &str) -> Result<Self, String> {
        let (authority, path) = split_authority(rest);
        let profile = match authority {
            "" if !path.starts_with('/') => return Err("the colon must be followed by a slash".to_owned()),
            "" => None,
            "databricks" | "@databricks" => Some("databricks".to_owned()),
            authority => {
                let profile = authority.strip_suffix("@databricks");
                let profile = profile.ok_or("its host must be databricks or PROFILE@databricks")?;
                Some(format!("databricks://{profile}"))
            }
        };
        let path = path.to_owned();
        Ok(Self::Dbfs { profile, path })
    }

    pub(super) fn name(&self) -> String {
        let path = match self {
            // The URL parser has resolved parts such as `..`, in all spellings.
            Self::Web(url) => return last_named_part(url.path()).unwrap_or("download").to_owned(),
            Self::WebArtifacts { path, .. } => {
                let name = last_named_part(path).unwrap_or_default();
                return quote_part(name).to_string();
            }
            Self::Reference(Reference::Model { path, .. }) => return path.clone(),
            // Never the result of parsing a URI.
            Self::Local(_) => return String::new(),
            Self::S3(place) => &place.key,
            Self::Azure(place) => &place.key,
            Self::Ftp(address) | Self::Sftp(address) => &address.path,
            Self::Gcs { key: path, .. }
            | Self::Artifacts { path, .. }
            | Self::Reference(Reference::Run { path, .. })
            | Self::Hdfs(path)
            | Self::Dbfs { path, .. } => path,
        };
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

/// Reads `/path` or `///path`, the part after the scheme. A host would be another tracking store.
fn path_without_host(rest: &str) -> Result<&str, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    match path.strip_prefix('/') {
        Some(path) => Ok(path),
        None if rest.starts_with("//") => {
            Err("it must not contain a host; only the current tracking store is supported".to_owned())
        }
        None => Err("the colon must be followed by a slash".to_owned()),
    }
}

/// Splits `name/version`, `name@alias` or `m-id` from the path after it.
fn split_model(text: &str) -> Result<(String, String), String> {
    let text = text.trim_end_matches('/');
    let name = text.split('/').next().unwrap_or_default();
    if text.is_empty() {
        return Err("write models:/NAME/VERSION or models:/NAME@ALIAS".to_owned());
    }
    let slash = text.match_indices('/').nth(usize::from(!name.contains('@')));
    let (model, path) = slash.map_or((text, ""), |(at, _)| (&text[..at], &text[at + 1..]));
    Ok((model.to_owned(), path.to_owned()))
}

fn last_named_part(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| !part.is_empty())
}

pub(super) fn open_repository(
    place: &ArtifactUri,
    context: &DataContext,
) -> Result<Box<dyn ArtifactRepository>> {
    Ok(match place {
        ArtifactUri::S3(place) => S3::open(place)?,
        ArtifactUri::Gcs { bucket, key } => Gcs::open(bucket, key)?,
        ArtifactUri::Azure(place) => Azure::open(place)?,
        ArtifactUri::Ftp(address) => Box::new(FileTree::new(Ftp::new(address), &address.path)),
        ArtifactUri::Sftp(address) => Box::new(FileTree::new(Sftp::new(address), &address.path)),
        // A view is defined in Hadoop's configuration, which only the program reads.
        ArtifactUri::Hdfs(uri) if uri.starts_with(VIEW) => return Err(hdfs::program_missing()),
        ArtifactUri::Hdfs(uri) => {
            let (_, rest) = uri.split_once(':').unwrap_or_default();
            let (authority, path) = split_authority(rest);
            let path = format!("/{}", path.trim_matches('/'));
            Box::new(FileTree::new(WebHdfs::new(authority)?, &path))
        }
        ArtifactUri::Dbfs { profile, path } => {
            let default = context.databricks.as_deref().unwrap_or("databricks");
            Box::new(Dbfs::new(profile.as_deref().unwrap_or(default), path)?)
        }
        ArtifactUri::Artifacts { host, path } => {
            let access = context.server.clone().ok_or(RepositoryError::NoServer)?;
            Box::new(Artifacts::new(access, host.as_deref(), path))
        }
        ArtifactUri::WebArtifacts { server, path } => {
            let access = web_access(server, context)?;
            Box::new(Artifacts::new(access, None, path))
        }
        ArtifactUri::Web(_) | ArtifactUri::Reference(_) | ArtifactUri::Local(_) => {
            return Err(RepositoryError::NotWritable);
        }
    })
}

/// The tracking server's access if the address is on that server, otherwise an access with the credentials of the URL
/// or a netrc file.
fn web_access(server: &Url, context: &DataContext) -> Result<ServerAccess> {
    if let Some(access) = &context.server
        && access.url.origin() == server.origin()
        && server.username().is_empty()
    {
        let mut access = access.clone();
        access.url.set_path(server.path());
        return Ok(access);
    }
    Ok(ServerAccess::of_url(server, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_told_from_paths() {
        for (uri, profile) in [
            ("dbfs:/a/b", None),
            ("dbfs:///a/b", None),
            ("dbfs://databricks/a/b", Some("databricks")),
            ("dbfs://work@databricks/a/b", Some("databricks://work")),
        ] {
            let (profile, path) = (profile.map(str::to_owned), "/a/b".to_owned());
            assert!(
                ArtifactUri::parse(uri) == Ok(Some(ArtifactUri::Dbfs { profile, path })),
                "{uri}"
            );
        }
    }
}
