//! Artifacts: from the URI that a `path` parameter names to a file on this machine, and from a file to the
//! artifacts of a run.
//!
//! All of a run's data goes into one new directory, laid out as MLflow does it: what the parameter
//! at position N names is in `param_N`. A file is written under another name and gets its own when
//! it is whole; when a download fails or its future is dropped the directory is removed.

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

/// How many parameters' data is downloaded at the same time.
const MOST_AT_ONCE: usize = 4;

/// Data that is known to be there, as far as that can be told without downloading it.
pub(crate) struct LocatedData {
    request: DataRequest,
    source: Source,
    is_directory: bool,
}

enum Source {
    /// A file on a web server, which is asked once, when it is downloaded.
    Web(String),
    Local(PathBuf),
    /// What Hadoop's program reads.
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
        // A name may be a path of several parts, or there is none.
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
                "what is at '{}' is a web page: it may ask you to sign in, or only show what you want",
                self.request.uri
            ));
        }
        Ok(Brought {
            files: 1,
            bytes: downloaded.bytes,
        })
    }
}

/// Finds all of it. What is missing and who may not read it shows here already, but for web servers.
/// References must be resolved before.
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

/// Downloads all of it into a new directory below `parent`, or where temporary directories are. A failure leaves
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
    // Futures made by a closure in the stream would not be seen to be fit for a task of their own.
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

/// The path of a directory that is not made, for a plan that only shows it.
pub(crate) fn imagined_directory(parent: Option<&Path>) -> PathBuf {
    parent_or_default(parent).join("mlrun-XXXXXX")
}

/// Makes a new directory that only this user can enter, and `parent` if it is missing.
fn create_directory(parent: Option<&Path>) -> Result<TemporaryDirectory, DataError> {
    let path = parent_or_default(parent);
    let made = match path.to_str() {
        Some(_) => fs::create_dir_all(&path).and_then(|()| TemporaryDirectory::create_in(&path, "mlrun-")),
        // It becomes part of a command, which is text.
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its name is no valid UTF-8",
        )),
    };
    made.map_err(|source| DataError::Storage { path, source })
}

fn parent_or_default(parent: Option<&Path>) -> PathBuf {
    parent.map_or_else(temporary::parent, Path::to_path_buf)
}
