//! Artifacts: downloads the URIs of `path` parameters, and uploads files to the artifacts of a run.
//!
//! All data of a run is downloaded to one new directory with MLflow's layout: the data of the parameter at position N
//! is in `param_N`. A file has a temporary name until it is complete. If a download fails or its future is dropped,
//! the directory is removed.

mod azure;
mod checksum;
mod dbfs;
mod download;
mod error;
mod file_tree;
mod ftp;
mod gcs;
mod hdfs;
mod http_request;
mod local;
mod mlflow_artifacts;
mod object_repository;
mod repository;
mod request;
mod s3;
mod sftp;
mod transport;
mod upload;
mod uri;

use std::path::{Path, PathBuf};
use std::{fs, io};

use futures_util::{StreamExt, TryStreamExt, stream};

pub(crate) use crate::artifact::error::{DataError, RepositoryError};
pub(crate) use crate::artifact::request::DataRequest;
pub use crate::artifact::upload::upload;
pub use crate::artifact::uri::DataContext;
pub(crate) use crate::artifact::uri::{Reference, Storage};

use crate::artifact::download::{Tally, Transfers};
use crate::artifact::error::Result;
use crate::artifact::local::{Brought, persist, temporary_beside};
use crate::artifact::repository::{ArtifactRepository, StoredArtifact};
use crate::artifact::uri::{ArtifactUri, open_repository};
use crate::events::Progress;
use crate::http;
use crate::quantity;
use crate::temporary::{self, TemporaryDirectory};

/// The most parameters whose data is downloaded at the same time.
const MOST_AT_ONCE: usize = 4;

/// Data that exists, as far as that can be checked without downloading it.
pub(crate) struct LocatedData {
    request: DataRequest,
    source: Source,
    is_directory: bool,
}

enum Source {
    /// A file on a web server, which is checked only by the download.
    Web(String),
    Local(PathBuf),
    /// A URI for Hadoop's program.
    Hdfs(String),
    Repository(Box<dyn ArtifactRepository>, StoredArtifact),
}

impl LocatedData {
    async fn locate(request: &DataRequest, context: &DataContext) -> Result<Self> {
        let (source, is_directory) = match &request.artifact_uri {
            ArtifactUri::Web(url) => (Source::Web(url.as_str().to_owned()), false),
            ArtifactUri::Local(path) => {
                let about = fs::metadata(path).map_err(|source| local::unreadable(path, source))?;
                (Source::Local(path.clone()), about.is_dir())
            }
            ArtifactUri::Hdfs(uri) if hdfs::has_program() => {
                (Source::Hdfs(uri.clone()), hdfs::is_directory(uri).await?)
            }
            place => {
                let store = open_repository(place, context)?;
                let found = store.find().await?;
                let is_directory = matches!(found, StoredArtifact::Directory(_));
                (Source::Repository(store, found), is_directory)
            }
        };
        Ok(Self {
            request: request.clone(),
            source,
            is_directory,
        })
    }

    async fn bring(&self, directory: &Path, transfers: &Transfers<'_>) -> Result<Brought> {
        let path = self.request.path_in(directory);
        // A name may be empty, or a path with several parts.
        let parent = path
            .parent()
            .filter(|parent| *parent != directory)
            .unwrap_or(&path);
        fs::create_dir_all(parent).map_err(RepositoryError::unwritable)?;
        match &self.source {
            Source::Web(url) => self.bring_file(url, &path, &transfers.tally).await,
            Source::Local(from) => {
                let from = from.clone();
                let copied = tokio::task::spawn_blocking(move || local::copy(&from, &path)).await;
                copied.unwrap_or_else(|error| Err(RepositoryError::unwritable(error.into())))
            }
            Source::Hdfs(uri) => hdfs::bring(uri, &path).await,
            Source::Repository(store, found) => transfers.bring(store.as_ref(), found, &path).await,
        }
    }

    async fn bring_file(&self, url: &str, path: &Path, tally: &Tally<'_>) -> Result<Brought> {
        let mut file = temporary_beside(path)?;
        tally.expect(None);
        let (mut seen, mut is_settled) = (0, false);
        let mut on_progress = |done: u64, total: Option<u64>| {
            if let Some(total) = total.filter(|_| !is_settled) {
                is_settled = true;
                tally.settle(total);
            }
            tally.change(seen, done);
            seen = done;
        };
        let downloaded = http::download(url, file.as_file_mut(), u64::MAX, &mut on_progress).await?;
        persist(file, path)?;
        if downloaded.is_page && !self.request.names_page() {
            tally.progress.warning(&format!(
                "'{}' is a web page, not the data itself; it may be a login page",
                self.request.uri
            ));
        }
        Ok(Brought {
            files: 1,
            bytes: downloaded.bytes,
        })
    }
}

/// Finds all data. Missing data and missing permissions are errors here already, except on web servers. References
/// must be resolved before.
pub(crate) async fn locate(
    requests: &[DataRequest],
    context: &DataContext,
) -> Result<Vec<LocatedData>, DataError> {
    let mut searches = Vec::with_capacity(requests.len());
    for request in requests {
        searches.push(async {
            LocatedData::locate(request, context)
                .await
                .map_err(|source| request.failed(source))
        });
    }
    stream::iter(searches).buffered(MOST_AT_ONCE).try_collect().await
}

/// Downloads all data to a new directory below `parent`, or below the directory for temporary files. A failure leaves
/// nothing behind.
pub(crate) async fn download(
    located: &[LocatedData],
    parent: Option<&Path>,
    progress: &dyn Progress,
) -> Result<TemporaryDirectory, DataError> {
    let directory = create_directory(parent)?;
    progress.info(&format!(
        "=== Created directory {} for downloading remote URIs passed to arguments of type 'path' ===",
        directory.path().display()
    ));
    let transfers = Transfers::new(progress);
    // With a closure in the stream, the compiler does not see that the futures are `Send`.
    let mut downloads = Vec::with_capacity(located.len());
    for data in located {
        downloads.push(bring(data, directory.path(), &transfers));
    }
    stream::iter(downloads)
        .buffer_unordered(MOST_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(directory)
}

async fn bring(data: &LocatedData, directory: &Path, transfers: &Transfers<'_>) -> Result<(), DataError> {
    let request = &data.request;
    let brought = data.bring(directory, transfers).await;
    let brought = brought.map_err(|source| request.failed(source))?;
    let bytes = quantity::size(brought.bytes);
    let amount = match (data.is_directory, brought.files) {
        (false, _) => bytes,
        (true, 1) => format!("1 file, {bytes}"),
        (true, files) => format!("{files} files, {bytes}"),
    };
    transfers.tally.progress.info(&format!(
        "Downloaded '{}' ({amount}) for the parameter '{}'",
        request.uri, request.parameter
    ));
    Ok(())
}

/// The path of a directory for a dry run, which does not create it.
pub(crate) fn imagined_directory(parent: Option<&Path>) -> PathBuf {
    parent_or_default(parent).join("mlrun-XXXXXX")
}

/// Creates a directory that only this user can enter, and `parent` if it is missing.
fn create_directory(parent: Option<&Path>) -> Result<TemporaryDirectory, DataError> {
    let path = parent_or_default(parent);
    let made = match path.to_str() {
        Some(_) => fs::create_dir_all(&path).and_then(|()| TemporaryDirectory::create_in(&path, "mlrun-")),
        // It becomes part of a command, which must be text.
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its path is not valid UTF-8",
        )),
    };
    made.map_err(|source| DataError::Storage { path, source })
}

fn parent_or_default(parent: Option<&Path>) -> PathBuf {
    parent.map_or_else(temporary::parent, Path::to_path_buf)
}
