//! Where a project's files go in a workspace: DBFS, a volume of Unity Catalog, or the workspace's files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::databricks::{Client, DatabricksError, DbfsPath};
use crate::entities::ExperimentId;

/// A directory in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Dbfs(DbfsPath),
    /// In a volume; an absolute path from `/Volumes` on.
    Volume(String),
    /// Among the workspace's files; an absolute path from `/Workspace` on.
    Workspace(String),
}

impl Location {
    /// The directory that the configuration names, or MLflow's own for the experiment.
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

    /// The part of it that is known before there is a run.
    pub(super) fn known(upload_path: Option<&str>) -> Self {
        match upload_path {
            None => Self::Dbfs(DbfsPath::new("dbfs:/mlflow-experiments")),
            Some(path) => Self::new(Some(path), &ExperimentId::new("")),
        }
    }

    /// The path of a file in it as the cluster's programs see it.
    pub(super) fn path_on_cluster(&self, name: &str) -> String {
        match self {
            Self::Dbfs(directory) => directory.join(name).fuse(),
            Self::Volume(directory) | Self::Workspace(directory) => format!("{directory}/{name}"),
        }
    }

    /// How a job names a file in it.
    pub(super) fn uri(&self, name: &str) -> String {
        match self {
            Self::Dbfs(directory) => directory.join(name).to_string(),
            Self::Volume(directory) | Self::Workspace(directory) => format!("{directory}/{name}"),
        }
    }

    /// Asks for something harmless there, to see whether it can be used.
    pub(super) async fn check(&self, client: &Client) -> Result<(), DatabricksError> {
        match self {
            Self::Dbfs(directory) => client.dbfs_status(directory).await.map(|_| ()),
            Self::Volume(directory) => client.volume_file_size(directory).await.map(|_| ()),
            Self::Workspace(directory) => client.workspace_file_size(directory).await.map(|_| ()),
        }
    }

    /// The size of a file in it; `None` where there is none.
    pub(super) async fn size(&self, client: &Client, name: &str) -> Result<Option<u64>, DatabricksError> {
        match self {
            Self::Dbfs(directory) => {
                let status = client.dbfs_status(&directory.join(name)).await?;
                Ok(status.map(|file| file.file_size))
            }
            Self::Volume(directory) => client.volume_file_size(&format!("{directory}/{name}")).await,
            Self::Workspace(directory) => client.workspace_file_size(&format!("{directory}/{name}")).await,
        }
    }

    /// Uploads a file into it; one that is there is replaced when all of the new one has arrived.
    pub(super) async fn upload(
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
}
