//! A Databricks workspace: which one is meant, who asks, and its REST API as far as mlrun needs it.
//!
//! Credentials are found as MLflow and Databricks' own clients find them: environment variables, or a
//! profile of `~/.databrickscfg`. Source of the requests: Databricks' REST API reference.

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
