//! Runs of jobs. Source: the reference of the Jobs API.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::error::DatabricksError;

/// A run of a job as the workspace tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobRun {
    /// The run's id.
    pub run_id: u64,
    /// The job's id; older workspaces do not tell it.
    #[serde(default)]
    pub job_id: Option<u64>,
    /// The address of the run's page.
    #[serde(default)]
    pub run_page_url: Option<String>,
    /// How it stands.
    #[serde(default)]
    pub state: JobRunState,
    /// The parts of a run that has several.
    #[serde(default)]
    pub tasks: Vec<JobTask>,
}

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JobTask {
    /// The id by which its output is asked for.
    pub run_id: u64,
}

/// How a run of a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct JobRunState {
    /// Where in its life it is, such as `PENDING` or `TERMINATED`.
    #[serde(default)]
    pub life_cycle_state: String,
    /// How it ended, such as `SUCCESS`.
    #[serde(default)]
    pub result_state: Option<String>,
    /// More about it, for a person.
    #[serde(default)]
    pub state_message: String,
}

impl JobRunState {
    /// Whether the run has ended. Not every end has a result.
    pub fn is_terminal(&self) -> bool {
        self.result_state.is_some()
            || matches!(
                self.life_cycle_state.as_str(),
                "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR"
            )
            || self.is_canceled()
    }

    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.result_state.as_deref() == Some("SUCCESS")
    }

    /// Whether somebody ended it. That is a result; a state of its own only for lack of one.
    pub fn is_canceled(&self) -> bool {
        matches!(self.name(), "CANCELED" | "CANCELLED" | "UPSTREAM_CANCELED")
    }

    /// The result where there is one, else the place in its life.
    pub fn name(&self) -> &str {
        match &self.result_state {
            Some(result) => result,
            None => &self.life_cycle_state,
        }
    }
}

/// What a run of a job left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct JobRunOutput {
    /// What it wrote to its standard output and error, where the workspace keeps that.
    #[serde(default)]
    pub logs: Option<String>,
    /// Whether `logs` is only a part.
    #[serde(default)]
    pub logs_truncated: bool,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// Where in the program it failed.
    #[serde(default)]
    pub error_trace: Option<String>,
}

impl Client {
    /// Has a job run once, and gives the run's id. The body needs an `idempotency_token`, so that a
    /// lost answer does not make a second run.
    ///
    /// # Errors
    /// The workspace cannot be asked, or refuses.
    pub async fn submit_job(&self, body: &Value) -> Result<u64, DatabricksError> {
        #[derive(Deserialize)]
        struct Submitted {
            run_id: u64,
        }
        let submitted: Submitted = self.api.post("/api/2.0/jobs/runs/submit", body).await?;
        Ok(submitted.run_id)
    }

    /// How a run stands.
    ///
    /// # Errors
    /// There is no such run, the workspace cannot be asked, or refuses.
    pub async fn job_run(&self, run_id: u64) -> Result<JobRun, DatabricksError> {
        let run_id = run_id.to_string();
        self.api
            .get("/api/2.0/jobs/runs/get", &[("run_id", run_id.as_str())])
            .await
    }

    /// What a run left. `run_id` is that of the run, or of its only task.
    ///
    /// # Errors
    /// There is no such run, the workspace cannot be asked, or refuses.
    pub async fn job_run_output(&self, run_id: u64) -> Result<JobRunOutput, DatabricksError> {
        let run_id = run_id.to_string();
        self.api
            .get("/api/2.0/jobs/runs/get-output", &[("run_id", run_id.as_str())])
            .await
    }

    /// Asks for the end of a run, which comes later. A run that has ended stays as it is.
    ///
    /// # Errors
    /// There is no such run, the workspace cannot be asked, or refuses.
    pub async fn cancel_job_run(&self, run_id: u64) -> Result<(), DatabricksError> {
        let _: Value = self
            .api
            .post("/api/2.0/jobs/runs/cancel", &json!({ "run_id": run_id }))
            .await?;
        Ok(())
    }
}
