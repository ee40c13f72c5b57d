//! A Databricks workspace: which one is meant, who asks, and its REST API as far as mlrun needs it.
//!
//! Credentials are found as MLflow and Databricks' own clients find them: environment variables, or a
//! profile of `~/.databrickscfg`. Source of the requests: Databricks' REST API reference.

mod access;
mod access_token;
mod client;
mod config_file;
mod credentials;
mod dbfs;
mod error;
mod jobs;
mod profile;
mod secrets;
mod session;
mod volumes;
mod workspace_files;

pub use access::WorkspaceAccess;
pub use client::Client;
pub use dbfs::{BLOCK, DbfsPath, FileStatus};
pub use error::DatabricksError;
pub use jobs::{JobRun, JobRunOutput, JobRunState};
pub use profile::DatabricksProfile;
pub use session::Session;
