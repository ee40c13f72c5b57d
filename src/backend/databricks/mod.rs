//! Databricks: the project is uploaded, and a job's new cluster runs it.

mod archive;
mod config;
mod error;
mod follow;
mod job;
mod submitted_run;
mod upload_path;

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::archive::Archive;
use self::config::JobConfig;
use self::error::unusable_workspace;
use self::follow::Follower;
pub(super) use self::submitted_run::DatabricksRun;
use self::upload_path::UploadPath;
use super::error::ServiceError;
use super::output_log::RelayedOutput;
use super::{Backend, BackendError, BackendOptions, Launch, LaunchPlan};
use crate::databricks::Client;
use crate::env_vars;
use crate::events::Progress;
use crate::process::{Interruptible, Signals, until_signal};
use crate::project::{DatabricksSparkJob, ProjectEnvironment};
use crate::redact::without_credentials;

pub(super) const NAME: &str = "databricks";

/// How long to wait for an answer after a signal. A repeated request returns the same job run, so one whose
/// answer was lost is found.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Databricks {
    config: JobConfig,
    waits: bool,
    no_logs: bool,
    start_timeout: Option<Duration>,
    /// What was uploaded for the launch.
    staged: Mutex<Option<Staged>>,
}

/// A project in the workspace and its job.
#[derive(Debug)]
struct Staged {
    client: Client,
    body: Value,
}

impl Databricks {
    pub(super) fn new(options: BackendOptions<'_>) -> Result<Self, ServiceError> {
        Ok(Self {
            config: JobConfig::read(options.config)?,
            // As in the reference.
            waits: options.wait.unwrap_or(false),
            no_logs: options.no_logs,
            start_timeout: options.start_timeout,
            staged: Mutex::new(None),
        })
    }

    fn location(&self, plan: &LaunchPlan) -> UploadPath {
        UploadPath::new(self.config.upload_path.as_deref(), &plan.run.experiment_id)
    }

    /// The request body for the project whose archive has this hash.
    fn body(&self, plan: &LaunchPlan, hash: &str, token: &str) -> Result<Value, ServiceError> {
        let location = self.location(plan);
        let Some(spark) = &plan.call.spark_job else {
            return Ok(job::project_job(plan, &self.config, &location, hash, token));
        };
        let (_, parameters) = job::python_call(plan, spark)?;
        let uri = location.uri(&program_name(token));
        Ok(job::spark_job(
            plan,
            &self.config,
            spark,
            &uri,
            &parameters,
            token,
        ))
    }

    /// Uploads the start program of a Spark job.
    async fn upload_program(
        &self,
        plan: &LaunchPlan,
        spark: &DatabricksSparkJob,
        client: &Client,
        (hash, token): (&str, &str),
        progress: &dyn Progress,
    ) -> Result<(), ServiceError> {
        let location = self.location(plan);
        let (file, _) = job::python_call(plan, spark)?;
        let directory = std::env::temp_dir();
        let local = tempfile::NamedTempFile::new().map_err(archive::failed(&directory))?;
        std::fs::write(local.path(), job::spark_program(plan, &location, hash, &file))
            .map_err(archive::failed(&directory))?;
        location
            .upload(client, local.path(), &program_name(token), progress)
            .await
    }
}

fn program_name(token: &str) -> String {
    format!("{token}.py")
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
            ProjectEnvironment::Docker(_) => Err(ServiceError::setup(
                "projects with docker_env cannot run on Databricks",
                "use python_env or conda_env in the MLproject file, or another backend",
            )
            .into()),
            _ => Ok(()),
        }
    }

    async fn check(&self, plan: &LaunchPlan, progress: &dyn Progress) -> Result<(), BackendError> {
        for key in &self.config.ignored {
            progress.warning(&format!(
                "ignoring unknown key '{key}' in the backend config; known keys are new_cluster, libraries, \
                mlflow-version and upload-path"
            ));
        }
        check_project(plan)?;
        let tracking_uri = plan.variable(env_vars::MLFLOW_TRACKING_URI);
        check_tracking_uri(tracking_uri.unwrap_or_default(), progress)?;
        let client = submitted_run::open(tracking_uri).await?;
        let checked = UploadPath::known(self.config.upload_path.as_deref())
            .check(&client)
            .await;
        Ok(checked.map_err(unusable_workspace)?)
    }

    fn preview(&self, plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        let location = self.location(plan);
        let hash = "<hash>";
        let body = self.body(plan, hash, "<token>")?;
        Ok(vec![
            ("upload to", location.path_on_cluster(&job::archive_name(hash))),
            ("job", format!("{body:#}")),
        ])
    }

    async fn stage(&self, plan: &LaunchPlan, progress: &dyn Progress) -> Result<(), BackendError> {
        let client = submitted_run::open(plan.variable(env_vars::MLFLOW_TRACKING_URI)).await?;
        progress.info(&format!(
            "=== Packing the project in {} ===",
            plan.directory.display()
        ));
        let archive = Archive::make(&plan.directory).await?;
        let name = job::archive_name(&archive.hash);
        self.location(plan)
            .upload_archive(&client, &archive, &name, progress)
            .await?;
        let (hash, token) = (&archive.hash, uuid::Uuid::new_v4().simple().to_string());
        if let Some(spark) = &plan.call.spark_job {
            let names = (hash.as_str(), token.as_str());
            self.upload_program(plan, spark, &client, names, progress).await?;
        }
        let body = self.body(plan, hash, &token)?;
        *self.staged.lock().await = Some(Staged { client, body });
        Ok(())
    }

    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError> {
        let output = RelayedOutput::new(!self.no_logs, plan.output_log.as_ref())?;
        let staged = self.staged.lock().await.take();
        let Staged { client, body } = staged.expect("a launch comes after its stage");
        progress.info("=== Submitting a run to execute the MLflow project... ===");
        let job_run_id = match submit(&client, &body, signals, progress).await? {
            Interruptible::Done(job_run_id) => job_run_id,
            Interruptible::Interrupted(signal) => return Ok(Launch::Interrupted(signal)),
        };
        let line = format!(
            "=== Launched MLflow run as Databricks job run with ID {job_run_id}. Getting run status page URL... ==="
        );
        plan.tell_submission(NAME, &job_run_id.to_string(), &line, progress);
        let mut follower = Follower::new(client, job_run_id);
        follower.output = output;
        follower.start_timeout = self.start_timeout;
        let job = match until_signal(signals, follower.ask()).await {
            Interruptible::Done(Ok(job)) => Some(job),
            // The job exists, so the run must record it.
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

fn check_project(plan: &LaunchPlan) -> Result<(), ServiceError> {
    if let Some(spark) = &plan.call.spark_job {
        let (file, _) = job::python_call(plan, spark)?;
        let path = plan.directory.join(file);
        std::fs::File::open(&path).map_err(|error| {
            let problem = format!("cannot read the Spark job's Python file '{}'", path.display());
            ServiceError::failed(problem, None, Some(error.into()))
        })?;
    }
    Ok(())
}

/// The cluster records the run in the same store.
fn check_tracking_uri(uri: &str, progress: &dyn Progress) -> Result<(), ServiceError> {
    let is_web = uri.starts_with("http://") || uri.starts_with("https://");
    let shown = without_credentials(uri);
    if !is_web && uri != "databricks" && !uri.starts_with("databricks://") {
        let tracking_uri = shown.split('?').next().unwrap_or_default();
        return Err(ServiceError::setup(
            format!("the cluster cannot reach the tracking store {tracking_uri}"),
            "set MLFLOW_TRACKING_URI to databricks, databricks://profile or an http(s):// server that the cluster can reach",
        ));
    }
    if is_web && shown != uri {
        progress
            .warning("the tracking URI contains credentials; everyone who may view the job can read them");
    }
    Ok(())
}

/// Submits a job, unless a signal arrives first and no job run becomes known soon.
async fn submit(
    client: &Client,
    body: &Value,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Interruptible<u64>, ServiceError> {
    let refused = |source| {
        let advice = "check the cluster in the backend config; --dry-run prints the whole request";
        ServiceError::of_databricks("Databricks rejected the job", source, Some(advice))
    };
    let mut submitted = pin!(client.submit_job(body));
    let signal = match until_signal(signals, submitted.as_mut()).await {
        Interruptible::Done(submitted) => return submitted.map(Interruptible::Done).map_err(refused),
        Interruptible::Interrupted(signal) => signal,
    };
    let answer = tokio::select! {
        biased;
        _ = signals.further() => None,
        answer = timeout(ANSWER_PATIENCE, submitted) => answer.ok(),
    };
    if let Some(Ok(job_run_id)) = answer {
        // The code that waits for the run, or stores its tags, handles the signal.
        signals.put_back(Some(signal));
        return Ok(Interruptible::Done(job_run_id));
    }
    progress.warning(&format!(
        "Interrupted by {signal} before the workspace {} confirmed the job; if the job exists, cancel the newest \
        job run named '{}' there",
        client.address(),
        body["run_name"].as_str().unwrap_or_default()
    ));
    Ok(Interruptible::Interrupted(signal))
}
