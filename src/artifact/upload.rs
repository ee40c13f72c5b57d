//! Uploads to the artifacts of a run.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::artifact::error::{DataError, RepositoryError};
use crate::artifact::uri::{ArtifactUri, open_repository};
use crate::artifact::{DataContext, hdfs, local};

/// The time limit for cleaning up after a failed upload, because the run is about to end.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// Uploads a file of any size to this path below an artifact URI. It appears when it is complete. Stops when
/// `given_up` is ready, and gives its value. The parts of a failed upload are removed.
pub async fn upload<G>(
    artifact_uri: &str,
    path: &str,
    file: &Path,
    context: &DataContext,
    given_up: impl Future<Output = G>,
) -> Result<Result<(), DataError>, G> {
    let failed = |source| DataError::Upload {
        path: path.to_owned(),
        uri: super::request::shown(artifact_uri),
        source: Box::new(source),
    };
    let mut opened = None;
    let put = async {
        if let Some(directory) = local::path_of(artifact_uri) {
            return local::copy_file(file, &directory.join(path)).map(drop);
        }
        let place = ArtifactUri::parse(artifact_uri).map_err(RepositoryError::Address)?;
        let place = place.ok_or(RepositoryError::NotWritable)?;
        if let ArtifactUri::Hdfs(uri) = &place
            && hdfs::has_program()
        {
            let uri = format!("{}/{path}", uri.trim_end_matches('/'));
            return hdfs::put(file, &uri).await;
        }
        opened
            .insert(open_repository(&place, context)?)
            .log_artifact(path, file)
            .await
    };
    let outcome = match select(pin!(put), pin!(given_up)).await {
        Either::Left((put, _)) => Ok(put.map_err(failed)),
        Either::Right((reason, _)) => Err(reason),
    };
    if let (Err(_) | Ok(Err(_)), Some(store)) = (&outcome, opened) {
        let removed = tokio::time::timeout(REMOVAL_PATIENCE, store.abort_upload()).await;
        let removed = removed.unwrap_or_else(|error| Err(RepositoryError::broken(error.into())));
        if let Err(problem) = removed
            && !matches!(problem, RepositoryError::Missing(_))
        {
            tracing::warn!("cannot remove the incomplete upload of '{path}': {problem}");
        }
    }
    outcome
}
