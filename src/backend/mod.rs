//! Backends: where an entry point's command runs.

mod abstract_backend;
mod databricks;
mod docker;
mod error;
mod kubernetes;
mod local;
mod output_log;
mod submitted_run;

pub use self::abstract_backend::BackendConfig;
pub(crate) use self::abstract_backend::{
    Backend, BackendOptions, CONTAINER_STORE, LaunchPlan, LocalStore, ProjectCall,
};

pub(crate) use self::docker::container_command_line;
pub(crate) use self::error::BackendError;
pub(crate) use self::output_log::OutputLog;
pub(crate) use self::submitted_run::{Launch, RemoteRun, RunState, SubmittedRun};

use crate::entities::{RunId, tag};

/// The values of `--backend`, in the order of the documentation.
pub(crate) const BACKEND_NAMES: [&str; 3] = [local::NAME, databricks::NAME, kubernetes::NAME];

/// The default backend.
pub(crate) const DEFAULT: &str = local::NAME;

/// Whether this backend runs entry points on this machine, as children of this process.
pub(crate) fn runs_here(name: &str) -> bool {
    name == local::NAME
}

/// A usage error for this backend and its hint, as far as known before the backend is created.
pub(crate) fn misuse(
    name: &str,
    has_config: bool,
    is_left_alone: bool,
) -> Option<(&'static str, &'static str)> {
    match name {
        kubernetes::NAME if !has_config => Some((
            "the kubernetes backend needs --backend-config",
            "pass a JSON file with repository-uri and kube-job-template-path: -c config.json",
        )),
        local::NAME if is_left_alone => Some((
            "--no-wait does not work for local runs: they end with mlrun",
            "start mlrun in the background: `mlrun run … &`, `nohup` or a batch queue; `mlrun status`, `wait` and \
            `cancel` find the run",
        )),
        _ => None,
    }
}

/// The backend with this name.
///
/// # Errors
/// The name is unknown, or the configuration is invalid.
pub(crate) fn by_name(name: &str, options: BackendOptions<'_>) -> Result<Box<dyn Backend>, BackendError> {
    match name {
        local::NAME => Ok(Box::new(local::Local)),
        databricks::NAME => Ok(Box::new(databricks::Databricks::new(options)?)),
        kubernetes::NAME => Ok(Box::new(kubernetes::Kubernetes::new(options)?)),
        _ => Err(BackendError::Unknown {
            name: name.to_owned(),
            supported: &BACKEND_NAMES,
        }),
    }
}

/// The Kubernetes cluster that the kubeconfig names, and what its API says. Reads the kubeconfig at once; what it
/// names to make credentials by may take a while.
///
/// # Errors
/// There is none, it cannot be used, or its API does not answer.
pub(crate) async fn look_at_cluster() -> Result<String, BackendError> {
    kubernetes::look_at_cluster().await
}

/// The run on its backend, found by its tags.
///
/// # Errors
/// The tags do not name a backend, or not what it needs to find the run.
pub(crate) fn attach(
    run_id: &RunId,
    tags: &[(String, String)],
) -> Result<Box<dyn SubmittedRun>, BackendError> {
    let value = |name: &str| {
        tags.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    if value(tag::PROJECT_BACKEND) == Some(databricks::NAME)
        && let Some(job_run_id) = value(tag::DATABRICKS_JOB_RUN_ID).and_then(|id| id.parse().ok())
    {
        let webapp = value(tag::DATABRICKS_WEBAPP_URL).map(str::to_owned);
        return Ok(Box::new(databricks::DatabricksRun::attached(job_run_id, webapp)));
    }
    let reason = match value(tag::PROJECT_BACKEND) {
        Some(kubernetes::NAME) => match kubernetes::KubernetesRun::from_tags(value) {
            Some(run) => return Ok(Box::new(run)),
            None => "its tags do not name a Job; `mlflow run` sets no such tags".to_owned(),
        },
        Some(backend) => format!("backend '{backend}' records nothing to find it by"),
        None => format!(
            "it has no tag {}, so it was not started as a project",
            tag::PROJECT_BACKEND
        ),
    };
    Err(BackendError::NotAttachable {
        run_id: run_id.clone(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_found_by_name() {
        for (name, expected) in [
            ("local", Ok("local")),
            ("databricks", Err("the databricks backend needs --backend-config")),
            ("kubernetes", Err("the kubernetes backend needs --backend-config")),
            ("slurm", Err("unknown backend 'slurm'")),
            ("", Err("unknown backend ''")),
        ] {
            let found = by_name(name, BackendOptions::default())
                .map(|backend| backend.name())
                .map_err(|error| error.to_string());
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|text| *text)
            );
        }
    }
}
