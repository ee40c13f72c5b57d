//! The backends that run projects elsewhere: in a container, as a Kubernetes Job, as a Databricks job.

mod databricks;
pub(crate) mod docker;
pub(crate) mod kubernetes;
