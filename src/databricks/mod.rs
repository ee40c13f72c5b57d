//! Databricks: the workspace, the credentials, and the parts of the REST API that mlrun needs.
//!
//! Credentials are found as in MLflow's and Databricks' clients: in environment variables or a profile of
//! `~/.databrickscfg`. Source of the requests: Databricks' REST API reference.

mod credentials;
mod error;
mod files;
mod jobs;
mod session;

pub(crate) use credentials::DatabricksProfile;
pub(crate) use error::DatabricksError;
pub(crate) use files::{BLOCK, DbfsPath, FileStatus};
pub(crate) use jobs::{JobRun, JobRunOutput, JobRunState};
pub(crate) use session::{Client, Session, WorkspaceAccess};
