//! Data: from the URI that a `path` parameter names to a file on this machine.
//!
//! All of a run's data goes into one new directory, laid out as MLflow does it: what the parameter
//! at position N names is in `param_N`. A file is written under another name and gets its own when
//! it is whole; when a download fails or its future is dropped the directory is removed.

mod error;
mod storage;
mod tally;
mod uri;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, TryStreamExt};

pub use self::error::DataError;
pub use self::storage::DataDirectory;
pub use self::uri::DataUri;

use self::tally::Tally;
use crate::events::{Progress, byte_text};
use crate::http;

/// How many downloads go on at the same time.
const MOST_AT_ONCE: usize = 4;

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

    /// The local path that it gets below the data's directory.
    pub fn path_in(&self, directory: &Path) -> PathBuf {
        self.place_in(directory).join(self.uri.file_name())
    }

    fn place_in(&self, directory: &Path) -> PathBuf {
        directory.join(format!("param_{}", self.position))
    }
}

/// Downloads all of it into a new directory below `parent`, or below the system's place for
/// temporary directories.
///
/// # Errors
/// A server that cannot be reached or refuses, or a disk that cannot be written to. Nothing is left
/// behind then.
pub async fn download(
    requests: &[DataRequest],
    parent: Option<&Path>,
    progress: &dyn Progress,
) -> Result<DataDirectory, DataError> {
    let directory = DataDirectory::create(parent)?;
    progress.info(&format!(
        "=== Created directory {} for downloading remote URIs passed to arguments of type 'path' ===",
        directory.path().display()
    ));
    let tally = Tally::new(requests.len(), progress);
    let mut downloads = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        downloads.push(download_file(request, directory.path(), index, &tally));
    }
    futures_util::stream::iter(downloads)
        .buffer_unordered(MOST_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(directory)
}

async fn download_file(
    request: &DataRequest,
    directory: &Path,
    index: usize,
    tally: &Tally<'_>,
) -> Result<(), DataError> {
    let place = request.place_in(directory);
    let unwritable = |source| DataError::Storage {
        action: "write to",
        path: place.clone(),
        source,
    };
    fs::create_dir(&place).map_err(unwritable)?;
    let mut file = tempfile::Builder::new()
        .prefix(".incomplete-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(&place)
        .map_err(unwritable)?;
    let mut on_progress = |done, total| tally.update(index, done, total);
    let downloaded = http::download(
        request.uri.url().as_str(),
        file.as_file_mut(),
        u64::MAX,
        &mut on_progress,
    )
    .await
    .map_err(|source| DataError::Download {
        parameter: request.parameter.clone(),
        uri: request.uri.to_string(),
        source,
    })?;
    let path = request.path_in(directory);
    file.persist(&path).map_err(|error| DataError::Storage {
        action: "name a downloaded file",
        path: path.clone(),
        source: error.error,
    })?;
    if downloaded.is_page && !request.uri.names_page() {
        tally.progress().warning(&format!(
            "what is at '{}' is a web page: it may ask you to sign in, or only show what you want",
            request.uri
        ));
    }
    tally.progress().info(&format!(
        "Downloaded '{}' ({}) for the parameter '{}'",
        request.uri,
        byte_text(downloaded.bytes),
        request.parameter
    ));
    Ok(())
}
