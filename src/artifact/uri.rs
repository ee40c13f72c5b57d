//! Which place a URI names, and how it is reached.

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

/// What stores are reached with beyond what the environment says of them.
#[derive(Clone, Default)]
pub struct DataContext {
    /// The tracking server, where one keeps the tracking store.
    pub server: Option<ServerAccess>,
    /// The `databricks` URI of the tracking store, where that is one.
    pub databricks: Option<String>,
}

/// A URI that stands for the artifact URI of something in the tracking store or the model registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `runs:/<run id>/<path>`.
    Run {
        run_id: String,
        /// The path among its artifacts; may be empty.
        path: String,
    },
    /// `models:/<model>/<path>`.
    Model {
        /// `name/version`, `name/stage`, `name/latest`, `name@alias` or the id of a logged model.
        model: String,
        /// The path among its artifacts; may be empty.
        path: String,
    },
}

impl Reference {
    fn of_run(rest: &str) -> Result<Self, String> {
        let path = path_without_host(rest)?;
        let (run_id, path) = path.split_once('/').unwrap_or((path, ""));
        if run_id.is_empty() {
            return Err("it must be runs:/<run id>/<path>".to_owned());
        }
        let (run_id, path) = (run_id.to_owned(), path.to_owned());
        Ok(Self::Run { run_id, path })
    }
}

/// Whose storage a URI names, if its clients find the way in by variables and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Amazon's S3, or what answers as that does.
    S3,
    Google,
    Azure,
    Hadoop,
}

impl Storage {
    /// Nothing for all other places.
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

/// What a URI names that data can be had from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum ArtifactUri {
    /// A file on a web server. The URL may hold credentials.
    Web(Url),
    /// An artifact of a tracking server that a web address names. The URL may hold credentials.
    WebArtifacts { server: Url, path: String },
    /// An artifact of the tracking server, or of the one that is named.
    Artifacts { host: Option<String>, path: String },
    /// An object of a bucket, or the beginning of the names of many.
    S3(S3Uri),
    /// The same of Google's storage.
    Gcs { bucket: String, key: String },
    /// A blob of a container in Azure, or the beginning of the names of many.
    Azure(AzureUri),
    /// A file or directory of an FTP server. The address may hold credentials.
    Ftp(FileAddress),
    /// A file or directory of an SSH server.
    Sftp(FileAddress),
    /// A file or directory of a Hadoop file system, or of a view of several.
    Hdfs(String),
    /// A file or directory of a Databricks workspace, of the named profile or the default one.
    Dbfs { profile: Option<String>, path: String },
    /// What a run of the tracking store, or a model of the model registry, has among its artifacts.
    Reference(Reference),
    /// A file or directory of this machine, which is copied.
    Local(PathBuf),
}

impl ArtifactUri {
    /// Reads a URI. Nothing for a scheme that is none of these.
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
            // Only the second interface decodes what the URI holds.
            "wasb" | "wasbs" => Self::Azure(AzureUri::parse(rest)?),
            "abfs" | "abfss" => {
                let rest = unquote(rest);
                Self::Azure(AzureUri::parse(&rest)?)
            }
            "ftp" => Self::Ftp(FileAddress::parse(&scheme, rest)?),
            "sftp" => Self::Sftp(FileAddress::parse(&scheme, rest)?.for_ssh()?),
            "hdfs" | VIEW => {
                if !split_authority(rest).1.starts_with('/') {
                    return Err("it names no path".to_owned());
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
            return Err("it names no bucket".to_owned());
        }
        if bucket.contains(['@', ':']) {
            return Err("credentials cannot stand in it".to_owned());
        }
        Ok(Self::Gcs {
            bucket: bucket.to_owned(),
            key: key.strip_prefix('/').unwrap_or(key).to_owned(),
        })
    }

    fn of_workspace(rest: &str) -> Result<Self, String> {
        let (authority, path) = split_authority(rest);
        let profile = match authority {
            "" if !path.starts_with('/') => return Err("a slash must follow the colon".to_owned()),
            "" => None,
            "databricks" | "@databricks" => Some("databricks".to_owned()),
            authority => {
                let profile = authority.strip_suffix("@databricks");
                let profile = profile.ok_or("its host must be databricks or <profile>@databricks")?;
                Some(format!("databricks://{profile}"))
            }
        };
        let path = path.to_owned();
        Ok(Self::Dbfs { profile, path })
    }

    pub(super) fn name(&self) -> String {
        let path = match self {
            // The URL's parser has resolved parts such as `..`, however they are written.
            Self::Web(url) => return last_named_part(url.path()).unwrap_or("download").to_owned(),
            Self::WebArtifacts { path, .. } => {
                let name = last_named_part(path).unwrap_or_default();
                return quote_part(name).to_string();
            }
            Self::Reference(Reference::Model { path, .. }) => return path.clone(),
            // No URI is read as one.
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

/// `/path` or `///path`, as it stands after the scheme; a host would be another tracking store.
fn path_without_host(rest: &str) -> Result<&str, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    match path.strip_prefix('/') {
        Some(path) => Ok(path),
        None if rest.starts_with("//") => {
            Err("another store than the tracking store cannot be named".to_owned())
        }
        None => Err("a slash must follow the colon".to_owned()),
    }
}

/// `name/version`, `name@alias` or `m-id`, and the path that follows it.
fn split_model(text: &str) -> Result<(String, String), String> {
    let text = text.trim_end_matches('/');
    let name = text.split('/').next().unwrap_or_default();
    if text.is_empty() {
        return Err("it must be models:/<name>/<version> or models:/<name>@<alias>".to_owned());
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
        // What a view is made of stands in Hadoop's own configuration.
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

/// The tracking server's own access where the address is one of its own, else one with the
/// credentials of the URL or of a netrc file.
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
