//! The keys that MLflow gives a meaning in an MLproject file.

/// Keys at the top of the file.
pub(crate) const PROJECT: &[&str] = &[
    "name",
    "entry_points",
    "docker_env",
    "python_env",
    "conda_env",
    "databricks_spark_job",
];
/// Keys of an entry point.
pub(crate) const ENTRY_POINT: &[&str] = &["parameters", "command"];
/// Keys of a parameter. MLflow gives `description` no meaning, but people write it.
pub(crate) const PARAMETER: &[&str] = &["type", "default", "description"];
/// Keys of `docker_env`.
pub(crate) const DOCKER_ENV: &[&str] = &["image", "volumes", "environment"];
/// Keys of `databricks_spark_job`.
pub(crate) const SPARK_JOB: &[&str] = &["python_file", "parameters", "python_libraries"];
/// The words for types that MLflow acts upon.
pub(crate) const TYPES: &[&str] = &["string", "float", "path", "uri"];
