//! Where a project is uploaded to in a workspace, and how: DBFS, a volume of Unity Catalog, or the workspace's files.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::archive::Archive;
use super::error::not_uploaded;
use crate::backend::error::ServiceError;
use crate::databricks::{Client, DatabricksError, DbfsPath};
use crate::entities::ExperimentId;
use crate::events::{Progress, Transfer, TransferUnit};
use crate::quantity;

/// How often to report the progress of an upload.
const TELL_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UploadPath {
    Dbfs(DbfsPath),
    /// A directory in a volume, starting with `/Volumes`.
    Volume(String),
    /// A directory of the workspace's files, starting with `/Workspace`.
    Workspace(String),
}

impl UploadPath {
    /// The configured directory, or MLflow's own for the experiment.
    pub(super) fn new(upload_path: Option<&str>, experiment_id: &ExperimentId) -> Self {
        match upload_path {
            None => Self::Dbfs(DbfsPath::new(&format!(
                "dbfs:/mlflow-experiments/{experiment_id}/projects-code"
            ))),
            Some(path) if path.starts_with("/Volumes/") => {
                Self::Volume(path.trim_end_matches('/').to_owned())
            }
            Some(path) if path.starts_with("/Workspace/") => {
                Self::Workspace(path.trim_end_matches('/').to_owned())
            }
            Some(path) => Self::Dbfs(DbfsPath::new(path)),
        }
    }

    /// The part of the path that is known before the run exists.
    pub(super) fn known(upload_path: Option<&str>) -> Self {
        match upload_path {
            None => Self::Dbfs(DbfsPath::new("dbfs:/mlflow-experiments")),
            Some(path) => Self::new(Some(path), &ExperimentId::new("")),
        }
    }

    /// The path of a file in it, for programs on the cluster.
    pub(super) fn path_on_cluster(&self, name: &str) -> String {
        match self {
            Self::Dbfs(directory) => directory.join(name).fuse(),
            Self::Volume(directory) | Self::Workspace(directory) => format!("{directory}/{name}"),
        }
    }

    /// The URI of a file in it, for a job.
    pub(super) fn uri(&self, name: &str) -> String {
        match self {
            Self::Dbfs(directory) => directory.join(name).to_string(),
            Self::Volume(directory) | Self::Workspace(directory) => format!("{directory}/{name}"),
        }
    }

    /// Checks with a harmless request whether the directory is usable.
    pub(super) async fn check(&self, client: &Client) -> Result<(), DatabricksError> {
        match self {
            Self::Dbfs(directory) => client.dbfs_status(directory).await.map(|_| ()),
            Self::Volume(directory) => client.volume_file_size(directory).await.map(|_| ()),
            Self::Workspace(directory) => client.workspace_file_size(directory).await.map(|_| ()),
        }
    }

    /// The size of a file in it; `None` if it does not exist.
    async fn size(&self, client: &Client, name: &str) -> Result<Option<u64>, DatabricksError> {
        match self {
            Self::Dbfs(directory) => {
                let status = client.dbfs_status(&directory.join(name)).await?;
                Ok(status.map(|file| file.file_size))
            }
            Self::Volume(directory) => client.volume_file_size(&format!("{directory}/{name}")).await,
            Self::Workspace(directory) => client.workspace_file_size(&format!("{directory}/{name}")).await,
        }
    }

    /// Uploads a file into it; replaces an existing one only when the upload is complete.
    async fn send(
        &self,
        client: &Client,
        local: &Path,
        name: &str,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), DatabricksError> {
        match self {
            Self::Dbfs(directory) => client.dbfs_upload(local, &directory.join(name), sent).await,
            Self::Volume(directory) => {
                client.volume_mkdirs(directory).await?;
                client
                    .volume_upload(local, &format!("{directory}/{name}"), sent)
                    .await
            }
            Self::Workspace(directory) => {
                client.workspace_mkdirs(directory).await?;
                client
                    .workspace_upload(local, &format!("{directory}/{name}"), sent)
                    .await
            }
        }
    }

    /// Uploads the archive, unless it already exists.
    pub(super) async fn upload_archive(
        &self,
        client: &Client,
        archive: &Archive,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), ServiceError> {
        let path = self.path_on_cluster(name);
        let found = self.size(client, name).await.map_err(not_uploaded(&path))?;
        // A file of another size comes from an interrupted upload.
        if found == Some(archive.size) {
            progress.info(&format!("=== The project is already uploaded to {path} ==="));
            return Ok(());
        }
        progress.info(&format!(
            "=== Uploading the project ({}, {} compressed) to {path} ===",
            quantity::size(archive.unpacked),
            quantity::size(archive.size)
        ));
        self.upload(client, archive.file.path(), name, progress).await
    }

    /// Uploads a file and reports its progress.
    pub(super) async fn upload(
        &self,
        client: &Client,
        local: &Path,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), ServiceError> {
        let sent = Arc::new(AtomicU64::new(0));
        let total = std::fs::metadata(local).map(|metadata| metadata.len()).ok();
        let mut uploaded = pin!(self.send(client, local, name, &sent));
        let mut ticks = tokio::time::interval(TELL_EVERY);
        ticks.tick().await;
        let uploaded = loop {
            tokio::select! {
                uploaded = &mut uploaded => break uploaded,
                _ = ticks.tick() => progress.transfer(Transfer {
                    what: "Uploading the project",
                    done: sent.load(Ordering::Relaxed),
                    total,
                    unit: TransferUnit::Bytes,
                    bytes: None,
                }),
            }
        };
        uploaded.map_err(not_uploaded(&self.path_on_cluster(name)))
    }
}
