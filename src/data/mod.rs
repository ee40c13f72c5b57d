//! Data: from the URI that a `path` parameter names to a file on this machine.
//!
//! All of a run's data goes into one new directory, laid out as MLflow does it: what the parameter
//! at position N names is in `param_N`. A file is written under another name and gets its own when
//! it is whole; when a download fails or its future is dropped the directory is removed.

mod checksum;
mod error;
mod hdfs_program;
mod landing;
mod local;
mod place;
mod storage;
mod store;
mod tally;
mod transfer;
mod upload;
mod uri;

use std::fs;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt, stream};

pub use self::error::DataError;
pub use self::place::Storage;
pub use self::storage::DataDirectory;
pub use self::store::StoreError;
pub use self::upload::upload;
pub use self::uri::DataUri;

use self::landing::{persist, temporary_in};
use self::place::{Place, open_store};
use self::store::{Found, Store};
use self::tally::Tally;
use self::transfer::{Brought, Transfers};
use crate::events::{Progress, byte_text};
use crate::http::{self, ServerAccess};

/// How many parameters' data is downloaded at the same time.
const MOST_AT_ONCE: usize = 4;

/// What stores are reached with beyond what the environment says of them.
#[derive(Debug, Clone, Default)]
pub struct DataContext {
    /// The tracking server, where one keeps the tracking store.
    pub server: Option<ServerAccess>,
    /// The `databricks` URI of the tracking store, where that is one.
    pub databricks: Option<String>,
}

/// A URI that stands for the artifact URI of something in the tracking store or the model registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `runs:/<run id>/<path>`.
    Run {
        /// The run.
        run_id: &'a str,
        /// The path among its artifacts; may be empty.
        path: &'a str,
    },
    /// `models:/<model>/<path>`.
    Model {
        /// `name/version`, `name/stage`, `name/latest`, `name@alias` or the id of a logged model.
        model: &'a str,
        /// The path among its artifacts; may be empty.
        path: &'a str,
    },
}

/// Something that shall be brought onto this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRequest {
    /// The parameter that names it.
    pub parameter: String,
    /// The parameter's number among the declared ones, from 0.
    pub position: usize,
    /// Where it lies.
    pub uri: DataUri,
}

impl DataRequest {
    /// Checks a parameter's value. Nothing is asked of any server.
    ///
    /// # Errors
    /// The value is no URI that data can be had from.
    pub fn new(parameter: &str, position: usize, uri: &str) -> Result<Self, DataError> {
        Ok(Self {
            parameter: parameter.to_owned(),
            position,
            uri: DataUri::parse(parameter, uri)?,
        })
    }

    /// Takes an artifact URI, or a local path, as what the URI's reference stands for. It may be another
    /// reference.
    ///
    /// # Errors
    /// An artifact URI that data cannot be had from.
    pub fn resolve(&mut self, artifact_uri: &str) -> Result<(), DataError> {
        self.uri.place = match local::path_of(artifact_uri) {
            Some(path) => Place::Local(path),
            None => DataUri::parse(&self.parameter, artifact_uri)?.place,
        };
        Ok(())
    }

    /// What is wrong with a reference that leads to others without end.
    pub(crate) fn endless(&self) -> DataError {
        DataError::Url {
            parameter: self.parameter.clone(),
            uri: self.uri.to_string(),
            reason: "it leads from one model to the next without end".to_owned(),
        }
    }

    /// The local path that it gets below the data's directory.
    pub fn path_in(&self, directory: &Path) -> PathBuf {
        let place = self.place_in(directory);
        match self.uri.file_name() {
            "" => place,
            name => place.join(name),
        }
    }

    fn place_in(&self, directory: &Path) -> PathBuf {
        directory.join(format!("param_{}", self.position))
    }

    fn store_error(&self, source: StoreError) -> DataError {
        DataError::Store {
            parameter: self.parameter.clone(),
            uri: self.uri.to_string(),
            source: Box::new(source),
        }
    }
}

/// Data that is known to be there, as far as that can be told without downloading it.
pub struct LocatedData {
    request: DataRequest,
    source: Source,
}

enum Source {
    /// A file on a web server, which is asked once, when it is downloaded.
    Web(String),
    Local(PathBuf),
    /// What Hadoop's program reads, and whether that is a directory.
    Hdfs(String, bool),
    Store(Box<dyn Store>, Found),
}

impl LocatedData {
    async fn locate(request: &DataRequest, context: &DataContext) -> Result<Self, DataError> {
        let failed = |source| request.store_error(source);
        let source = match &request.uri.place {
            Place::Web(url) => Source::Web(url.as_str().to_owned()),
            Place::Local(path) => {
                fs::metadata(path).map_err(|source| failed(local::unreadable(path, source)))?;
                Source::Local(path.clone())
            }
            Place::Hdfs { uri, .. } if hdfs_program::is_there() => {
                let is_directory = hdfs_program::is_directory(uri).await.map_err(failed)?;
                Source::Hdfs(uri.clone(), is_directory)
            }
            place => {
                let store = open_store(place, context).map_err(failed)?;
                let found = store.find().await.map_err(failed)?;
                Source::Store(store, found)
            }
        };
        Ok(Self {
            request: request.clone(),
            source,
        })
    }
}

/// Finds all of it. What is missing and who may not read it shows here already, but for web servers.
/// References must be resolved before.
///
/// # Errors
/// A store that cannot be reached or refuses, or has nothing there.
pub async fn locate(requests: &[DataRequest], context: &DataContext) -> Result<Vec<LocatedData>, DataError> {
    let mut searches = Vec::with_capacity(requests.len());
    for request in requests {
        searches.push(LocatedData::locate(request, context));
    }
    stream::iter(searches).buffered(MOST_AT_ONCE).try_collect().await
}

/// Downloads all of it into a new directory below `parent`, or below the system's place for
/// temporary directories.
///
/// # Errors
/// A server that cannot be reached or refuses, or a disk that cannot be written to. Nothing is left
/// behind then.
pub async fn download(
    located: &[LocatedData],
    parent: Option<&Path>,
    progress: &dyn Progress,
) -> Result<DataDirectory, DataError> {
    let directory = DataDirectory::create(parent)?;
    progress.info(&format!(
        "=== Created directory {} for downloading remote URIs passed to arguments of type 'path' ===",
        directory.path().display()
    ));
    let tally = Tally::new(progress);
    let transfers = Transfers::new(&tally);
    // Futures made by a closure in the stream would not be seen to be fit for a task of their own.
    let mut downloads = Vec::with_capacity(located.len());
    for data in located {
        downloads.push(bring(data, directory.path(), &transfers, &tally));
    }
    stream::iter(downloads)
        .buffer_unordered(MOST_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(directory)
}

async fn bring(
    data: &LocatedData,
    directory: &Path,
    transfers: &Transfers<'_>,
    tally: &Tally<'_>,
) -> Result<(), DataError> {
    let request = &data.request;
    let (place, path) = (request.place_in(directory), request.path_in(directory));
    // A name may be a path of several parts.
    let parent = path.parent().filter(|_| path != place).unwrap_or(&place);
    fs::create_dir_all(parent).map_err(|source| DataError::Storage {
        action: "write to",
        path: parent.to_owned(),
        source,
    })?;
    let failed = |source| request.store_error(source);
    let (brought, is_directory) = match &data.source {
        Source::Web(url) => (download_file(request, url, &path, tally).await, false),
        Source::Local(from) => {
            let (from, to) = (from.clone(), path.clone());
            let is_directory = from.is_dir();
            let copied = tokio::task::spawn_blocking(move || local::copy(&from, &to)).await;
            let copied = copied.unwrap_or_else(|error| Err(StoreError::unwritable(error.into())));
            (copied.map_err(failed), is_directory)
        }
        Source::Hdfs(uri, is_directory) => {
            let brought = hdfs_program::bring(uri, &path).await;
            (brought.map_err(failed), *is_directory)
        }
        Source::Store(store, found) => {
            let brought = transfers.bring(store.as_ref(), found, &path).await;
            (brought.map_err(failed), matches!(found, Found::Directory(_)))
        }
    };
    let brought = brought?;
    let bytes = byte_text(brought.bytes);
    let amount = match (is_directory, brought.files) {
        (false, _) => bytes,
        (true, 1) => format!("1 file, {bytes}"),
        (true, files) => format!("{files} files, {bytes}"),
    };
    tally.progress().info(&format!(
        "Downloaded '{}' ({amount}) for the parameter '{}'",
        request.uri, request.parameter
    ));
    Ok(())
}

async fn download_file(
    request: &DataRequest,
    url: &str,
    path: &Path,
    tally: &Tally<'_>,
) -> Result<Brought, DataError> {
    let failed = |source| request.store_error(source);
    let mut file = temporary_in(path.parent().unwrap_or(path)).map_err(failed)?;
    tally.expect(None);
    let (mut seen, mut is_settled) = (0, false);
    let mut on_progress = |done: u64, total: Option<u64>| {
        if let Some(total) = total.filter(|_| !is_settled) {
            is_settled = true;
            tally.settle(total);
        }
        match done >= seen {
            true => tally.arrived(done - seen),
            false => tally.lost(seen - done),
        }
        seen = done;
    };
    let downloaded = http::download(url, file.as_file_mut(), u64::MAX, &mut on_progress)
        .await
        .map_err(|source| DataError::Download {
            parameter: request.parameter.clone(),
            uri: request.uri.to_string(),
            source,
        })?;
    persist(file, path).map_err(failed)?;
    if downloaded.is_page && !request.uri.names_page() {
        tally.progress().warning(&format!(
            "what is at '{}' is a web page: it may ask you to sign in, or only show what you want",
            request.uri
        ));
    }
    Ok(Brought {
        files: 1,
        bytes: downloaded.bytes,
    })
}
