//! `MLFLOW_TRACKING_URI`: the store that it names, and the value for the entry point.

use std::fmt;
use std::path::{Path, PathBuf};

use super::mistaken_uri::{self, Mistake};
use crate::python_paths::{abspath, quote, split_authority, split_scheme, unquote};
use crate::redact::{self, Secret};

/// The default database.
const DEFAULT_DATABASE: &str = "mlflow.db";
/// The default file store, if it already contains experiments, and the artifact directory of SQL stores.
const DEFAULT_DIRECTORY: &str = "mlruns";
/// The file of an experiment in a file store.
const META_DATA_FILE: &str = "meta.yaml";

/// A tracking store's address. Paths are absolute, `uri` is the address for other programs, and new experiments keep
/// their artifacts below `artifact_root`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants have the same fields")]
pub enum TrackingUri {
    /// A SQLite database in a file.
    Sqlite {
        path: PathBuf,
        artifact_root: String,
        uri: String,
    },
    /// A directory of text files, which also contains the artifacts. An absolute path is kept as the user wrote it.
    File {
        path: PathBuf,
        artifact_root: String,
        uri: String,
    },
    /// A server with MLflow's REST API. The original address may contain credentials.
    Rest { url: Secret },
    /// A Databricks workspace or Unity Catalog.
    Databricks { uri: String },
    /// A database server. The original address may contain credentials.
    Database {
        /// `postgresql`, `mysql` or `mssql`.
        kind: String,
        uri: Secret,
        artifact_root: String,
    },
}

/// Why a tracking URI is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackingUriError {
    /// The value is invalid, or looks like something other than a directory.
    #[error("the tracking URI '{uri}' {}", mistake.what)]
    Mistaken { uri: String, mistake: Mistake },
    /// A path that a store cannot record.
    #[error("the path '{}' is not valid UTF-8, which a tracking store requires", path.display())]
    NotUnicode { path: PathBuf },
}

impl TrackingUriError {
    fn new(uri: String, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let mistake = Mistake::new(what, hint);
        Self::Mistaken { uri, mistake }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mistaken { mistake, .. } => Some(mistake.hint.clone()),
            Self::NotUnicode { .. } => None,
        }
    }
}

impl TrackingUri {
    /// Finds the store for `value`, the text of `MLFLOW_TRACKING_URI`.
    ///
    /// If it is `None` or empty, the store is `./mlruns` if that already contains experiments, otherwise
    /// `sqlite:///mlflow.db`. Relative paths are resolved against `cwd`, which must be absolute. It reads the file
    /// system for the default, and to check whether a path that looks like something else is a directory. It creates
    /// nothing.
    ///
    /// # Errors
    /// An invalid value, or a store that mlrun or the entry point could not open.
    pub fn resolve(value: Option<&str>, cwd: &Path) -> Result<Self, TrackingUriError> {
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            return Self::default_store(cwd);
        };
        let refuse = |mistake| Err(mistaken(value, mistake));
        let databricks = || Self::Databricks {
            uri: value.to_owned(),
        };
        let is_directory = || cwd.join(unquote(value)).is_dir();
        if let Some(mistake) = mistaken_uri::wrapping(value).filter(|_| !is_directory()) {
            return refuse(mistake);
        }
        let Some((scheme, rest)) = split_scheme(value).filter(|(scheme, _)| scheme.len() > 1) else {
            if matches!(value, "databricks" | "databricks-uc" | "uc") {
                return Ok(databricks());
            }
            return match mistaken_uri::path(value, cwd) {
                Some(mistake) => refuse(mistake),
                None => plain_path(value, cwd),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        let kind = scheme.split('+').next().unwrap_or_default();
        if let Some(mistake) = mistaken_uri::driver(&scheme, rest) {
            return refuse(mistake);
        }
        match kind {
            "file" => file_uri(value, rest, cwd),
            "http" | "https" => match mistaken_uri::web(&scheme, rest) {
                Some(mistake) => refuse(mistake),
                None => Ok(Self::Rest {
                    url: Secret::new(value),
                }),
            },
            "databricks" | "databricks-uc" | "uc" => Ok(databricks()),
            "sqlite" => sqlite_uri(&scheme, rest, cwd),
            "postgresql" | "mysql" | "mssql" => Ok(Self::Database {
                kind: kind.to_owned(),
                uri: Secret::new(value),
                artifact_root: artifact_root(cwd)?,
            }),
            _ => refuse(mistaken_uri::unknown_scheme(value, &scheme, rest)),
        }
    }

    /// The value of `MLFLOW_TRACKING_URI` for an entry point, which runs in another directory. It may contain
    /// credentials.
    pub fn for_child(&self) -> String {
        match self {
            Self::Sqlite { uri, .. } | Self::File { uri, .. } | Self::Databricks { uri } => uri.clone(),
            Self::Rest { url: uri } | Self::Database { uri, .. } => uri.expose().to_owned(),
        }
    }

    /// The directory of a local store, and the store's URI for a program that has that directory mounted at `mount`.
    pub fn mounted_at(&self, mount: &str) -> Option<(PathBuf, String)> {
        match self {
            Self::Sqlite { path, .. } => {
                let name = path.file_name()?.to_str()?;
                let uri = format!("sqlite:///{mount}/{}", sqlite_location(name));
                Some((path.parent()?.to_owned(), uri))
            }
            Self::File { path, .. } => Some((path.clone(), format!("file://{mount}"))),
            Self::Rest { .. } | Self::Databricks { .. } | Self::Database { .. } => None,
        }
    }

    /// The location of new experiments' artifacts, if mlrun decides it.
    pub fn artifact_root(&self) -> Option<&str> {
        match self {
            Self::Sqlite { artifact_root, .. }
            | Self::File { artifact_root, .. }
            | Self::Database { artifact_root, .. } => Some(artifact_root),
            Self::Rest { .. } | Self::Databricks { .. } => None,
        }
    }

    /// The files and directories that a local store writes to.
    pub fn local_files(&self) -> Vec<PathBuf> {
        let mut files = match self {
            Self::Sqlite { path, .. } | Self::File { path, .. } => vec![path.clone()],
            Self::Rest { .. } | Self::Databricks { .. } | Self::Database { .. } => Vec::new(),
        };
        let local = self.artifact_root().filter(|root| Path::new(root).is_absolute());
        files.extend(local.map(PathBuf::from));
        files
    }

    fn default_store(cwd: &Path) -> Result<Self, TrackingUriError> {
        let directory = cwd.join(DEFAULT_DIRECTORY);
        if holds_experiments(&directory) {
            let uri = format!("file://{}", quote(unicode(&directory)?));
            return Ok(file_store(directory, uri));
        }
        let path = cwd.join(DEFAULT_DATABASE);
        let uri = format!("sqlite:///{}", sqlite_location(unicode(&path)?));
        Ok(Self::Sqlite {
            path,
            artifact_root: artifact_root(cwd)?,
            uri,
        })
    }
}

impl fmt::Display for TrackingUri {
    /// Shows the URI without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { uri, .. } | Self::File { uri, .. } | Self::Databricks { uri } => f.write_str(uri),
            Self::Rest { url } => f.write_str(&redact::without_credentials(url.expose())),
            // Drivers also accept passwords in the query.
            Self::Database { uri, .. } => {
                let shown = redact::without_credentials(uri.expose());
                f.write_str(shown.split('?').next().unwrap_or_default())
            }
        }
    }
}

fn mistaken(value: &str, mistake: Mistake) -> TrackingUriError {
    TrackingUriError::Mistaken {
        uri: mistaken_uri::shown(value),
        mistake,
    }
}

/// Reads `sqlite:///DATABASE?QUERY`. SQLAlchemy decodes DATABASE and makes it absolute.
fn sqlite_uri(scheme: &str, rest: &str, cwd: &Path) -> Result<TrackingUri, TrackingUriError> {
    let uri = format!("{scheme}:{rest}");
    let (database, query) = sqlite_database(&uri, scheme, rest)?;
    let path = abspath(cwd, unquote(database));
    let uri = if database.starts_with('/') {
        uri
    } else {
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        format!("{scheme}:///{}{query}", sqlite_location(unicode(&path)?))
    };
    Ok(TrackingUri::Sqlite {
        path,
        artifact_root: artifact_root(cwd)?,
        uri,
    })
}

/// The database and the query in a SQLite URI.
fn sqlite_database<'a>(
    uri: &str,
    scheme: &str,
    rest: &'a str,
) -> Result<(&'a str, Option<&'a str>), TrackingUriError> {
    let not_sqlite = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let hint = match path.strip_prefix('/') {
            Some(relative) => {
                format!("did you mean sqlite:///{path}, or sqlite:///{relative} in this directory?")
            }
            None => format!("did you mean sqlite:///{path}, or sqlite:////{path} for an absolute path?"),
        };
        mistaken(uri, Mistake::new("is not a valid SQLite URI", hint))
    };
    let Some(after_slashes) = rest.strip_prefix("//") else {
        return Err(not_sqlite(rest));
    };
    let (location, query) = match after_slashes.split_once('?') {
        Some((location, query)) => (location, Some(query)),
        None => (after_slashes, None),
    };
    let database = match location.strip_prefix('/') {
        Some(database) => database,
        None if location.is_empty() => "",
        None => {
            let shown = redact::without_credentials(uri);
            return Err(not_sqlite(shown.split_at(scheme.len() + 3).1));
        }
    };
    if database.is_empty() || database == ":memory:" {
        return Err(TrackingUriError::new(
            uri.to_owned(),
            "is an in-memory database, which the entry point could not use",
            "use a file: sqlite:///mlflow.db in this directory, or an absolute path such as \
            sqlite:////data/mlflow.db",
        ));
    }
    if database.starts_with("file:")
        && query.is_some_and(|query| query.split('&').any(|one| one == "uri=true"))
    {
        return Err(TrackingUriError::new(
            uri.to_owned(),
            "uses SQLite's URI file names, which are not supported",
            "write a plain path after sqlite:///",
        ));
    }
    Ok((database, query))
}

/// A database file's path in a URI for every version of SQLAlchemy. Only 2.1 and newer decode percent signs, so this
/// encodes only what would otherwise be misread.
fn sqlite_location(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut location = String::with_capacity(path.len());
    for (at, character) in path.char_indices() {
        let is_escape = |after: &[u8]| after.len() == 2 && after.iter().all(u8::is_ascii_hexdigit);
        match character {
            '?' => location.push_str("%3F"),
            '%' if is_escape(bytes.get(at + 1..at + 3).unwrap_or_default()) => location.push_str("%25"),
            _ => location.push(character),
        }
    }
    location
}

/// A path without a scheme. MLflow decodes percent signs here too.
fn plain_path(value: &str, cwd: &Path) -> Result<TrackingUri, TrackingUriError> {
    let path = abspath(cwd, unquote(value));
    let uri = if value.starts_with('/') {
        value.to_owned()
    } else {
        unicode(&path)?.replace('%', "%25")
    };
    Ok(file_store(path, uri))
}

/// `file:PATH`, `file:///PATH` or `file://localhost/PATH`.
fn file_uri(value: &str, rest: &str, cwd: &Path) -> Result<TrackingUri, TrackingUriError> {
    let (host, path) = split_authority(rest);
    let is_this_machine = host.is_empty() || host.starts_with("localhost") || host.starts_with("127.0.0.1");
    if !is_this_machine {
        let relative = match host {
            "." | ".." => format!("{host}{path}"),
            _ => format!("./{host}{path}"),
        };
        let hint = match path.trim_start_matches('/') {
            "" => format!("did you mean {relative}?"),
            _ => format!("did you mean {relative} or file://{path}?"),
        };
        let what = format!("has the host '{host}', but a file store must be on this machine");
        return Err(TrackingUriError::new(value.to_owned(), what, hint));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() {
        let hint = "use file:///ABSOLUTE/PATH or a plain path";
        return Err(TrackingUriError::new(
            value.to_owned(),
            "contains no directory",
            hint,
        ));
    }
    if let Some(mistake) = mistaken_uri::database_file(path, cwd) {
        return Err(mistaken(value, mistake));
    }
    let is_absolute = path.starts_with('/');
    let path = abspath(cwd, unquote(path));
    let uri = if is_absolute {
        format!("file:{rest}")
    } else {
        format!("file://{}", quote(unicode(&path)?))
    };
    Ok(file_store(path, uri))
}

fn file_store(path: PathBuf, uri: String) -> TrackingUri {
    TrackingUri::File {
        path,
        artifact_root: uri.clone(),
        uri,
    }
}

/// Whether MLflow would use this directory as an existing file store.
fn holds_experiments(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let is_id = !name.is_empty() && name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        is_id && entry.path().is_dir() && entry.path().join(META_DATA_FILE).symlink_metadata().is_ok()
    })
}

fn artifact_root(cwd: &Path) -> Result<String, TrackingUriError> {
    unicode(&cwd.join(DEFAULT_DIRECTORY)).map(ToOwned::to_owned)
}

fn unicode(path: &Path) -> Result<&str, TrackingUriError> {
    path.to_str().ok_or_else(|| TrackingUriError::NotUnicode {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests;
