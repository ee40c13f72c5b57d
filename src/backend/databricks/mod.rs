//! Databricks: the project is uploaded, and a job's new cluster runs it.

mod archive;
mod config;
mod error;
mod follow;
mod job;
mod submit;
mod submitted_run;
mod upload_path;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use self::archive::Archive;
use self::config::JobConfig;
pub(crate) use self::error::DatabricksBackendError;
use self::follow::Follower;
pub(super) use self::submitted_run::DatabricksRun;
use self::upload_path::Location;
use super::output_log::RelayedOutput;
use super::{Backend, BackendError, BackendOptions, Launch, LaunchPlan};
use crate::databricks::Client;
use crate::env_vars;
use crate::events::{Progress, Transfer, TransferUnit, byte_text};
use crate::process::{Interruptible, Signals, until_signal};
use crate::project::ProjectEnvironment;
use crate::redact::without_credentials;

/// The name, as `--backend` spells it.
pub(super) const NAME: &str = "databricks";

/// How often the progress of an upload is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Runs projects as jobs of a Databricks workspace.
#[derive(Debug)]
pub(super) struct Databricks {
    config: JobConfig,
    waits: bool,
    no_logs: bool,
    start_timeout: Option<Duration>,
    /// What was brought to the workspace for the launch.
    staged: Mutex<Option<Staged>>,
}

/// A project that is in the workspace, and the job for it.
#[derive(Debug)]
struct Staged {
    client: Client,
    body: Value,
}

impl Databricks {
    /// A backend with this configuration.
    ///
    /// # Errors
    /// There is no configuration, or it is not as it must be.
    pub(super) fn new(options: BackendOptions<'_>) -> Result<Self, DatabricksBackendError> {
        Ok(Self {
            config: JobConfig::read(options.config)?,
            // As the reference's command does.
            waits: options.wait.unwrap_or(false),
            no_logs: options.no_logs,
            start_timeout: options.start_timeout,
            staged: Mutex::new(None),
        })
    }

    fn location(&self, plan: &LaunchPlan) -> Location {
        Location::new(self.config.upload_path.as_deref(), &plan.run.experiment_id)
    }

    /// The body that submits the project whose archive has this hash.
    async fn body(
        &self,
        plan: &LaunchPlan,
        client: &Client,
        hash: &str,
        progress: &dyn Progress,
    ) -> Result<Value, DatabricksBackendError> {
        let location = self.location(plan);
        let token = uuid::Uuid::new_v4().simple().to_string();
        let Some(spark) = &plan.call.spark_job else {
            return Ok(job::project_job(plan, &self.config, &location, hash, &token));
        };
        let (file, parameters) = job::python_call(plan, spark)?;
        let program = job::spark_program(plan, &location, hash, &file);
        let name = format!("{token}.py");
        let unwritable = |source| DatabricksBackendError::Archive {
            path: std::env::temp_dir(),
            source,
        };
        let local = tempfile::NamedTempFile::new().map_err(unwritable)?;
        std::fs::write(local.path(), program).map_err(unwritable)?;
        upload(client, &location, local.path(), &name, progress).await?;
        let uri = location.uri(&name);
        Ok(job::spark_job(
            plan,
            &self.config,
            spark,
            &uri,
            &parameters,
            &token,
        ))
    }
}

#[async_trait]
impl Backend for Databricks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn hands_project_over(&self) -> bool {
        true
    }

    fn check_environment(&self, environment: &ProjectEnvironment) -> Result<(), BackendError> {
        match environment {
            ProjectEnvironment::Docker(_) => Err(DatabricksBackendError::DockerProject.into()),
            _ => Ok(()),
        }
    }

    async fn check(&self, plan: &LaunchPlan, progress: &dyn Progress) -> Result<(), BackendError> {
        for key in &self.config.ignored {
            progress.warning(&format!(
                "'{key}' in the backend config is not used; new_cluster and libraries are"
            ));
        }
        check_project(plan)?;
        let tracking_uri = plan.variable(env_vars::MLFLOW_TRACKING_URI);
        check_tracking_uri(tracking_uri.unwrap_or_default(), progress)?;
        let client = submitted_run::open(tracking_uri).await?;
        let checked = Location::known(self.config.upload_path.as_deref())
            .check(&client)
            .await;
        checked.map_err(|source| {
            DatabricksBackendError::Workspace {
                source: Box::new(source),
            }
            .into()
        })
    }

    fn preview(&self, plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        let location = self.location(plan);
        let hash = "<hash>";
        let body = match &plan.call.spark_job {
            None => job::project_job(plan, &self.config, &location, hash, "<token>"),
            Some(spark) => {
                let (_, parameters) = job::python_call(plan, spark)?;
                let uri = location.uri("<token>.py");
                job::spark_job(plan, &self.config, spark, &uri, &parameters, "<token>")
            }
        };
        let text = format!("{body:#}");
        Ok(vec![
            ("upload to", location.path_on_cluster(&job::archive_name(hash))),
            ("job", text),
        ])
    }

    async fn stage(&self, plan: &LaunchPlan, progress: &dyn Progress) -> Result<(), BackendError> {
        let client = submitted_run::open(plan.variable(env_vars::MLFLOW_TRACKING_URI)).await?;
        progress.info(&format!(
            "=== Packing the project in {} ===",
            plan.directory.display()
        ));
        let archive = Archive::make(&plan.directory).await?;
        upload_archive(&client, &self.location(plan), &archive, progress).await?;
        let body = self.body(plan, &client, &archive.hash, progress).await?;
        *self
            .staged
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Staged { client, body });
        Ok(())
    }

    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError> {
        let output = RelayedOutput::new(!self.no_logs, plan.output_log.as_ref())?;
        let staged = self
            .staged
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        let Staged { client, body } = staged.expect("a launch comes after its stage");
        progress.info("=== Submitting a run to execute the MLflow project... ===");
        let job_run_id = match submit::submit(&client, &body, signals, progress).await? {
            Interruptible::Done(job_run_id) => job_run_id,
            Interruptible::Interrupted(signal) => return Ok(Launch::Interrupted(signal)),
        };
        progress.info(&format!(
            "=== Launched MLflow run as Databricks job run with ID {job_run_id}. Getting run status page URL... ==="
        ));
        let mut follower = Follower::new(client, job_run_id);
        follower.output = output;
        follower.start_timeout = self.start_timeout;
        let job = match until_signal(signals, follower.ask()).await {
            Interruptible::Done(Ok(job)) => Some(job),
            // The job is there, and the run must know it.
            Interruptible::Done(Err(error)) => {
                progress.warning(&error.to_string());
                None
            }
            Interruptible::Interrupted(signal) => {
                signals.put_back(Some(signal));
                None
            }
        };
        if let Some(url) = job.as_ref().and_then(|job| job.run_page_url.as_deref()) {
            progress.info(&format!("=== Check the run's status at {url} ==="));
        }
        Ok(Launch::Done(Box::new(DatabricksRun::submitted(follower, job))))
    }
}

fn check_project(plan: &LaunchPlan) -> Result<(), DatabricksBackendError> {
    if let Some(spark) = &plan.call.spark_job {
        let (file, _) = job::python_call(plan, spark)?;
        let path = plan.directory.join(file);
        std::fs::File::open(&path).map_err(|source| DatabricksBackendError::SparkFile { path, source })?;
    }
    Ok(())
}

/// The cluster records the run in the same store.
fn check_tracking_uri(uri: &str, progress: &dyn Progress) -> Result<(), DatabricksBackendError> {
    let is_web = uri.starts_with("http://") || uri.starts_with("https://");
    let shown = without_credentials(uri);
    if !is_web && uri != "databricks" && !uri.starts_with("databricks://") {
        let tracking_uri = shown.split('?').next().unwrap_or_default().to_owned();
        return Err(DatabricksBackendError::TrackingUri { tracking_uri });
    }
    if is_web && shown != uri {
        progress.warning(
            "the tracking URI holds credentials, which everybody who may see the job can read on its page",
        );
    }
    Ok(())
}

/// Uploads the archive, unless the same one is there.
async fn upload_archive(
    client: &Client,
    location: &Location,
    archive: &Archive,
    progress: &dyn Progress,
) -> Result<(), DatabricksBackendError> {
    let name = job::archive_name(&archive.hash);
    let path = location.path_on_cluster(&name);
    let found = location.size(client, &name).await;
    let found = found.map_err(|source| DatabricksBackendError::Upload {
        path: path.clone(),
        source: Box::new(source),
    })?;
    // One of another size is what an upload left that broke off.
    if found == Some(archive.size) {
        progress.info(&format!("=== The project is in {path} already ==="));
        return Ok(());
    }
    progress.info(&format!(
        "=== Uploading the project ({}, packed {}) to {path} ===",
        byte_text(archive.unpacked),
        byte_text(archive.size)
    ));
    upload(client, location, archive.file.path(), &name, progress).await
}

/// Uploads a file and tells how far that has come.
async fn upload(
    client: &Client,
    location: &Location,
    local: &Path,
    name: &str,
    progress: &dyn Progress,
) -> Result<(), DatabricksBackendError> {
    let sent = Arc::new(AtomicU64::new(0));
    let total = std::fs::metadata(local).map(|metadata| metadata.len()).ok();
    let mut uploaded = std::pin::pin!(location.upload(client, local, name, &sent));
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
    uploaded.map_err(|source| DatabricksBackendError::Upload {
        path: location.path_on_cluster(name),
        source: Box::new(source),
    })
}
