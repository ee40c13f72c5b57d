//! Which place a URI names, and how it is reached.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::store::{
    Artifacts, Azure, AzurePlace, Dbfs, FileAddress, FileTree, Ftp, Gcs, S3, S3Place, Sftp, Store,
    StoreError, WebHdfs,
};
use super::{DataContext, hdfs_program};
use crate::http::ServerAccess;

/// Whose storage a URI names, if its clients find the way in by variables and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Amazon's S3, or what answers as that does.
    S3,
    /// Google's storage.
    Google,
    /// Azure's storage.
    Azure,
    /// A Hadoop file system.
    Hadoop,
}

impl Storage {
    /// Nothing for all other places.
    pub fn of(uri: &str) -> Option<Self> {
        match Place::parse(uri).ok()?? {
            Place::S3(_) => Some(Self::S3),
            Place::Gcs { .. } => Some(Self::Google),
            Place::Azure(_) => Some(Self::Azure),
            Place::Hdfs { .. } => Some(Self::Hadoop),
            _ => None,
        }
    }
}

/// The scheme of a view of several Hadoop file systems.
const VIEW: &str = "viewfs";

/// A place that data can be had from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file on a web server. The URL may hold credentials.
    Web(Url),
    /// An artifact of a tracking server that a web address names. The URL may hold credentials.
    WebArtifacts { server: Url, path: String },
    /// An artifact of the tracking server, or of the one that is named.
    Artifacts { host: Option<String>, path: String },
    /// An object of a bucket, or the beginning of the names of many.
    S3(S3Place),
    /// The same of Google's storage.
    Gcs { bucket: String, key: String },
    /// A blob of a container in Azure, or the beginning of the names of many.
    Azure(AzurePlace),
    /// A file or directory of an FTP server. The address may hold credentials.
    Ftp(FileAddress),
    /// A file or directory of an SSH server.
    Sftp(FileAddress),
    /// A file or directory of a Hadoop file system, or of a view of several.
    Hdfs {
        uri: String,
        authority: String,
        path: String,
    },
    /// A file or directory of a Databricks workspace, of the named profile or the default one.
    Dbfs { profile: Option<String>, path: String },
    /// What a run of the tracking store has among its artifacts.
    Run { run_id: String, path: String },
    /// What a model of the model registry has among its artifacts.
    Model { model: String, path: String },
    /// A file or directory of this machine, which is copied.
    Local(PathBuf),
}

impl Place {
    /// Reads a URI. Nothing for a scheme that is none of these.
    ///
    /// # Errors
    /// What is wrong with it.
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
            scheme @ ("s3" | "s3a" | "s3n" | "r2" | "b2") => Self::S3(S3Place::parse(scheme, rest)?),
            "gs" => {
                let (bucket, key) = bucket_and_key(rest)?;
                Self::Gcs { bucket, key }
            }
            // Only the second interface decodes what the URI holds.
            "wasb" | "wasbs" => Self::Azure(AzurePlace::parse(rest)?),
            "abfs" | "abfss" => {
                let rest = percent_decode_str(rest).decode_utf8_lossy().into_owned();
                Self::Azure(AzurePlace::parse(&rest)?)
            }
            "ftp" => Self::Ftp(FileAddress::parse(&scheme, rest)?),
            "sftp" => Self::Sftp(FileAddress::parse(&scheme, rest)?.for_ssh()?),
            "hdfs" | VIEW => {
                let (authority, path) = match rest.strip_prefix("//") {
                    Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
                    None => ("", rest),
                };
                if !path.starts_with('/') {
                    return Err("it names no path".to_owned());
                }
                Self::Hdfs {
                    uri: format!("{scheme}:{rest}"),
                    authority: authority.to_owned(),
                    path: path.to_owned(),
                }
            }
            "dbfs" => {
                let (profile, path) = match rest.strip_prefix("//") {
                    Some(rest) if !rest.starts_with('/') => {
                        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                        let profile = authority
                            .strip_suffix("@databricks")
                            .or_else(|| (authority == "databricks").then_some(""));
                        let profile = profile.ok_or("its host must be databricks or <profile>@databricks")?;
                        let profile = (!profile.is_empty()).then(|| format!("databricks://{profile}"));
                        (
                            profile.or_else(|| Some("databricks".to_owned())),
                            format!("/{path}"),
                        )
                    }
                    Some(rest) => (None, rest.to_owned()),
                    None => (None, rest.to_owned()),
                };
                if !path.starts_with('/') {
                    return Err("a slash must follow the colon".to_owned());
                }
                Self::Dbfs { profile, path }
            }
            "mlflow-artifacts" => {
                let (host, path) = match rest.strip_prefix("//") {
                    Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
                    None => ("", rest),
                };
                Self::Artifacts {
                    host: (!host.is_empty()).then(|| host.to_owned()),
                    path: path.to_owned(),
                }
            }
            "runs" => {
                let path = path_without_host(rest)?;
                let (run_id, path) = path.split_once('/').unwrap_or((path, ""));
                if run_id.is_empty() {
                    return Err("it must be runs:/<run id>/<path>".to_owned());
                }
                Self::Run {
                    run_id: run_id.to_owned(),
                    path: path.to_owned(),
                }
            }
            "models" => {
                let (model, path) = split_model(path_without_host(rest)?)?;
                Self::Model { model, path }
            }
            _ => return Ok(None),
        }))
    }

    /// What the local file or directory is called, which may be a path of several parts.
    pub(super) fn name(&self) -> String {
        match self {
            // The URL's parser has resolved parts such as `..`, however they are written.
            Self::Web(url) => last_named_part(url.path()).unwrap_or("download").to_owned(),
            Self::WebArtifacts { path, .. } => {
                let name = last_named_part(path).unwrap_or_default();
                percent_encoding::utf8_percent_encode(name, crate::aws::UNRESERVED).to_string()
            }
            Self::Artifacts { path, .. } | Self::Run { path, .. } => last_part(path),
            Self::S3(place) => last_part(&place.key),
            Self::Gcs { key, .. } => last_part(key),
            Self::Azure(place) => last_part(&place.key),
            Self::Ftp(address) | Self::Sftp(address) => last_part(&address.path),
            Self::Hdfs { path, .. } | Self::Dbfs { path, .. } => last_part(path),
            Self::Model { path, .. } => path.clone(),
            Self::Local(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
        }
    }
}

/// `//bucket/key`, as it stands after the scheme.
fn bucket_and_key(rest: &str) -> Result<(String, String), String> {
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err("it names no bucket".to_owned());
    }
    if bucket.contains(['@', ':']) {
        return Err("credentials cannot stand in it".to_owned());
    }
    Ok((bucket.to_owned(), key.to_owned()))
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
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    let length = match parts.as_slice() {
        [""] => return Err("it must be models:/<name>/<version> or models:/<name>@<alias>".to_owned()),
        [first, ..] if first.contains('@') => 1,
        [_] => 1,
        _ => 2,
    };
    let mut parts = text.splitn(length + 1, '/');
    let model: Vec<&str> = parts.by_ref().take(length).collect();
    Ok((model.join("/"), parts.next().unwrap_or_default().to_owned()))
}

/// What follows the last slash.
fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

fn last_named_part(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| !part.is_empty())
}

/// The store at a place.
pub(super) fn open_store(place: &Place, context: &DataContext) -> Result<Box<dyn Store>, StoreError> {
    Ok(match place {
        Place::S3(place) => S3::open(place)?,
        Place::Gcs { bucket, key } => Gcs::open(bucket, key)?,
        Place::Azure(place) => Azure::open(place)?,
        Place::Ftp(address) => Box::new(FileTree::new(Ftp::new(address), &address.path)),
        Place::Sftp(address) => Box::new(FileTree::new(Sftp::new(address), &address.path)),
        // What a view is made of stands in Hadoop's own configuration.
        Place::Hdfs { uri, .. } if uri.starts_with(VIEW) => return Err(hdfs_program::missing()),
        Place::Hdfs { authority, path, .. } => {
            let path = format!("/{}", path.trim_matches('/'));
            Box::new(FileTree::new(WebHdfs::new(authority)?, &path))
        }
        Place::Dbfs { profile, path } => {
            let default = context.databricks.as_deref().unwrap_or("databricks");
            Box::new(Dbfs::new(profile.as_deref().unwrap_or(default), path)?)
        }
        Place::Artifacts { host, path } => {
            let access = context.server.clone().ok_or(StoreError::NoServer)?;
            Box::new(Artifacts::new(access, host.as_deref(), path))
        }
        Place::WebArtifacts { server, path } => {
            let access = web_access(server, context)?;
            Box::new(Artifacts::new(access, None, path))
        }
        Place::Web(_) | Place::Run { .. } | Place::Model { .. } | Place::Local(_) => {
            return Err(StoreError::NotWritable);
        }
    })
}

/// The tracking server's own access where the address is one of its own, else one with the
/// credentials of the URL or of a netrc file.
fn web_access(server: &Url, context: &DataContext) -> Result<ServerAccess, StoreError> {
    if let Some(access) = &context.server
        && access.url.origin() == server.origin()
        && server.username().is_empty()
    {
        let mut access = access.clone();
        access.url.set_path(server.path());
        return Ok(access);
    }
    Ok(ServerAccess::of_url(server)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(place: &Place) -> String {
        match place {
            Place::Web(url) => format!("web {url}"),
            Place::WebArtifacts { server, path } => format!("web artifacts {server} {path}"),
            Place::Artifacts { host, path } => format!("artifacts {host:?} {path}"),
            Place::S3(place) => format!("s3 {} {}", place.bucket, place.key),
            Place::Gcs { bucket, key } => format!("gcs {bucket} {key}"),
            Place::Azure(place) => format!("azure {} {} {}", place.host, place.container, place.key),
            Place::Ftp(address) => format!("ftp {} {}", address.host, address.path),
            Place::Sftp(address) => format!("sftp {} {}", address.host, address.path),
            Place::Hdfs { uri, authority, path } => format!("{uri} {authority} {path}"),
            Place::Dbfs { profile, path } => format!("dbfs {profile:?} {path}"),
            Place::Run { run_id, path } => format!("run {run_id} {path}"),
            Place::Model { model, path } => format!("model {model} {path}"),
            Place::Local(path) => format!("local {}", path.display()),
        }
    }

    #[test]
    fn uris_name_places_and_files() {
        for (uri, place, name) in [
            ("http://h/a/b.csv", "web http://h/a/b.csv", "b.csv"),
            (
                "http://h/api/2.0/mlflow-artifacts/artifacts/a/b%20c",
                "web artifacts http://h/ /a/b c",
                "b%20c",
            ),
            ("s3://b/a/c.csv", "s3 b a/c.csv", "c.csv"),
            ("s3://b/a/", "s3 b a/", ""),
            ("s3://b", "s3 b ", ""),
            ("gs://b/a b", "gcs b a b", "a b"),
            (
                "wasbs://c@a.blob.core.windows.net/x%20y",
                "azure a.blob.core.windows.net c x%20y",
                "x%20y",
            ),
            (
                "abfss://c@a.dfs.core.windows.net/x%20y",
                "azure a.blob.core.windows.net c x y",
                "x y",
            ),
            ("ftp://u:p@h/a/b%20c", "ftp h /a/b%20c", "b%20c"),
            ("ftp://h/a/b c?d", "ftp h /a/b c", "b c"),
            ("SFTP://u@h/a/b c", "sftp h /a/b c", "b c"),
            ("hdfs://name:8020/a/b", "hdfs://name:8020/a/b name:8020 /a/b", "b"),
            ("hdfs:/a/b/", "hdfs:/a/b/  /a/b/", ""),
            ("hdfs:///a/b", "hdfs:///a/b  /a/b", "b"),
            ("ViewFS://view/a/b", "viewfs://view/a/b view /a/b", "b"),
            ("dbfs:/a/b", "dbfs None /a/b", "b"),
            ("dbfs://databricks/a/b", "dbfs Some(\"databricks\") /a/b", "b"),
            (
                "dbfs://work@databricks/a/b",
                "dbfs Some(\"databricks://work\") /a/b",
                "b",
            ),
            ("mlflow-artifacts:/1/a", "artifacts None /1/a", "a"),
            (
                "mlflow-artifacts://h:5000/1/a/",
                "artifacts Some(\"h:5000\") 1/a/",
                "",
            ),
            ("runs:/abc/model/x", "run abc model/x", "x"),
            ("runs:/abc", "run abc ", ""),
            ("runs:///abc/x", "run abc x", "x"),
            ("models:/m/1", "model m/1 ", ""),
            ("models:/m/Production/a/b", "model m/Production a/b", "a/b"),
            ("models:/m@best", "model m@best ", ""),
            ("models:/m@best/a/b/", "model m@best a/b", "a/b"),
            ("models:/m-0123", "model m-0123 ", ""),
        ] {
            let parsed = Place::parse(uri).unwrap().unwrap();
            assert_eq!(
                (shown(&parsed).as_str(), parsed.name().as_str()),
                (place, name),
                "{uri}"
            );
        }
        for uri in [
            "s3:b",
            "s3:///x",
            "runs:abc",
            "runs:/",
            "runs://profile@databricks/x",
            "models:/",
            "sftp://u:p@h/x",
            "sftp://-oProxyCommand=x/x",
            "sftp://-u@h/x",
            "sftp://`x`/x",
            "ftp://h/a\r\nDELE x",
        ] {
            assert!(Place::parse(uri).is_err(), "{uri}");
        }
        assert!(Place::parse("gopher://x").unwrap().is_none());
    }
}
