//! Small files for the artifacts of a run.

use std::path::Path;

use super::place::{Place, open_store};
use super::store::StoreError;
use super::{DataContext, DataError, local};

/// Puts a small local file below an artifact URI, under this path.
///
/// # Errors
/// A kind of store that cannot be written to, or one that refuses or cannot be reached.
pub async fn upload(
    artifact_uri: &str,
    path: &str,
    file: &Path,
    context: &DataContext,
) -> Result<(), DataError> {
    let failed = |source| DataError::Upload {
        path: path.to_owned(),
        uri: super::uri::shown(artifact_uri),
        source: Box::new(source),
    };
    if let Some(directory) = local::path_of(artifact_uri) {
        return local::copy_file(file, &directory.join(path))
            .map(drop)
            .map_err(failed);
    }
    let place = Place::parse(artifact_uri)
        .ok()
        .flatten()
        .ok_or_else(|| failed(StoreError::NotWritable))?;
    let store = open_store(&place, context).map_err(failed)?;
    store.put(path, file).await.map_err(failed)
}
